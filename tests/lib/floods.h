/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floods for tests: scenarios played with silence and with a flood in their pauses, whose records must be equal byte by
 * byte. A flood's SYNs evict what is half-open (churned), or there is no room for any more and SYNs are in the SYN
 * cache alone (shut).
 */
#ifndef SW_TEST_FLOODS_H
#define SW_TEST_FLOODS_H

#include "fixture.h"

/* The SYN cache is large enough for three floods, so that none takes all places of one set (docs/limits.md). */
enum { MAX_HALF_OPEN = 1024, SYN_CACHE = 98304, SMALL_SYN_CACHE = SW_SYN_WAYS, FLOOD = 5000, MAX_LOG = 32 };

static struct {
    struct sw_event ev[MAX_LOG];
    struct sw_flow flow; /* at the scenario's end */
    size_t n;
    enum bpfrun_where where;
} logs[2], *now_log = &logs[0];

static bool flooding, shut;
static unsigned floods, sources;

static inline void keep_own_events(void)
{
    const struct sw_event *ev;
    size_t n = bpfrun_events(run, &ev);

    for (size_t i = 0; i < n; i++) {
        if (memcmp(&ev[i].key, &t->key, sizeof(t->key)))
            continue;
        assert_true(now_log->n < MAX_LOG);
        now_log->ev[now_log->n++] = ev[i];
    }
    bpfrun_clear_events(run);
}

/* created = revived + ended + promoted + present + evicted */
static inline long long evicted(void)
{
    return (long long)(bpfrun_counter(run, SW_C_HALF_OPEN_CREATED) - bpfrun_counter(run, SW_C_HALF_OPEN_RESTORED) -
                       bpfrun_counter(run, SW_C_HALF_OPEN_ENDED) - bpfrun_counter(run, SW_C_HALF_OPEN_PROMOTED) -
                       bpfrun_count(run, BPFRUN_HALF_OPEN));
}

static inline void set_room(void)
{
    bpfrun_set_room(run, shut ? 0 : 1ll << 40);
}

static inline void flood(unsigned n)
{
    struct talk f;
    struct pkt p;

    set_room();
    for (unsigned i = 0; i < n; i++) {
        talk_init(&f, run, false);
        pkt_v4(f.side[A].src, 0xc6120000 + sources++); /* 198.18.0.0/15, RFC 2544 */
        p = talk_pkt(&f, A, SYN, 0);
        talk_send(&f, A, &p);
        if (i % 1000 == 999)
            keep_own_events();
    }
    assert_true(evicted() >= 0);
}

/* A pause in which, if there is a flood, whatever is not established is evicted. */
static inline void lull(void)
{
    __u64 until = bpfrun_now(run) + FLOOD * MS;

    keep_own_events();
    if (!flooding) {
        bpfrun_set_now(run, until);
        return;
    }
    flood(FLOOD);
    floods++;
    assert_int_equal(bpfrun_now(run), until);
    assert_int_equal(bpfrun_lookup(run, &t->key, &(struct sw_flow){0}), BPFRUN_NOWHERE);
}

/* Everybody's conn line: what has none was evicted. */
static inline void end_all(void)
{
    struct sw_sweep s;

    for (int i = 0; i < 2000; i++) {
        assert_int_equal(bpfrun_sweep(run, 2, &s), 0);
        keep_own_events();
        if (!s.held_back)
            break;
    }
    assert_int_equal(s.held_back + s.half_open + s.flows, 0);
}

static inline const char *words(void)
{
    static char text[1024];
    size_t len = 0;
    char word[64];

    text[0] = 0;
    for (size_t i = 0; i < now_log->n && len + sizeof(word) < sizeof(text); i++) {
        bpfrun_event_word(&now_log->ev[i], word, sizeof(word));
        len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", word);
    }
    return text;
}

/* clang-format off */
#define FIELDS(X) \
    X(start_ns) X(last_ns) X(syn_ns) X(synack_ns) X(est_ns) X(ended_ns) X(update_ns) X(flags) X(ifindex) X(pend_isn) \
    X(pend_side) X(vlan[0]) X(vlan[1]) X(hist_seen) X(syn_rexmit) X(synack_rexmit) X(orig_is_b) X(hook) \
    X(direction_by) X(reason) X(closed_by) X(hist_len) X(rst_state) X(end_claimed)
#define END_FIELDS(X) \
    X(pkts) X(ip_bytes) X(isn) X(seq_hi) X(nxt) X(ack) X(win) X(win_seq) X(win_ack) X(fin_seq) X(hist_syn) \
    X(hist_fin) X(hist_rst) X(rexmit) X(gaps) X(zero_win) X(bad_csum) X(mss) X(wscale) X(opts) X(ecn) X(did) \
    X(state) X(zstate) X(zprev) X(zscale) X(more) X(syn_len) X(z_rexmit) X(payload)
/* clang-format on */

/* All of it but what a cache entry does not hold (docs/limits.md): the names are only for who reads the failure. */
static inline void same_flow(const char *what, const struct sw_flow *got, const struct sw_flow *want)
{
    struct sw_flow held = *want;

    held.anomalies = got->anomalies;
    held.anomaly_kinds = got->anomaly_kinds;
    if (!memcmp(got, &held, sizeof(*got)))
        return;
#define DIFFERS(name)                                                                                                  \
    if (got->name != want->name)                                                                                       \
        print_error("%s: %s: in the flood %llu, without %llu\n", what, #name, (unsigned long long)got->name,           \
                    (unsigned long long)want->name);
#define END_DIFFERS(name) DIFFERS(end[A].name) DIFFERS(end[B].name)
    FIELDS(DIFFERS)
    END_FIELDS(END_DIFFERS)
    print_error("%s: history \"%.*s\", without \"%.*s\"\n", what, got->hist_len, got->hist, want->hist_len, want->hist);
    fail_msg("the flood changed the flow");
}

static inline void begin_flooded(void)
{
    now_log = &logs[1];
    memset(now_log, 0, sizeof(*now_log));
    flooding = true;
    floods = sources = 0;
}

static inline void play(void (*scenario)(void), int which)
{
    assert_int_equal(bpfrun_reset(run), 0);
    now_log = &logs[which];
    memset(now_log, 0, sizeof(*now_log));
    flooding = which;
    floods = sources = 0;
    if (flooding)
        set_room();
    scenario();
    keep_own_events();
    now_log->where = bpfrun_lookup(run, &t->key, &now_log->flow);
}

/* Without flood, then with: expected says the records of the scenario up to its end. */
static inline void same_lines_when(void (*scenario)(void), const char *expected, unsigned restored)
{
    struct talk fresh = *t;
    char what[32];

    for (int which = 0; which < 2; which++) {
        *t = fresh;
        play(scenario, which);
        assert_string_equal(words(), expected);
        if (which && shut) /* each SYN and SYN-ACK that follows another one, too */
            assert_true(bpfrun_counter(run, SW_C_HALF_OPEN_RESTORED) >= restored);
        else
            expect_counter(t, HALF_OPEN_RESTORED, which ? restored : 0);
        end_all();
        assert_int_equal(evicted(), 1 + sources - bpfrun_counter(run, SW_C_EMITTED_CONN));
        assert_int_equal(bpfrun_counter(run, SW_C_LOST_OPENING), 0);
        assert_int_equal(bpfrun_counter(run, SW_C_OPENING_DEFERRED), 0);
    }
    assert_true(floods > 0);
    assert_int_equal(logs[1].where, logs[0].where);
    assert_int_equal(logs[1].n, logs[0].n);
    same_flow("the flow", &logs[1].flow, &logs[0].flow);
    for (size_t i = 0; i < logs[0].n; i++) {
        snprintf(what, sizeof(what), "record %zu", i);
        same_flow(what, &logs[1].ev[i].flow, &logs[0].ev[i].flow);
        assert_memory_equal(&logs[1].ev[i], &logs[0].ev[i], sizeof(struct sw_event));
    }
}

static inline void same_lines(void (*scenario)(void), const char *expected, unsigned restored)
{
    struct talk fresh = *t;

    shut = true;
    same_lines_when(scenario, expected, restored);
    shut = false;
    *t = fresh;
    same_lines_when(scenario, expected, restored);
}

static inline void variant_v6(void)
{
    talk_init(t, run, true);
}

/* The originator has the higher address, and a VLAN. */
static inline void variant_other_way_round(void)
{
    pkt_v4(t->side[A].src, 0x0a000009);
    t->side[A].vlan[0] = 7;
    t->side[A].vlans = 1;
    t->side[B] = pkt_swap(&t->side[A]);
    t->key = pkt_key(&t->side[A], NULL);
}

static inline void same_lines_in_all_variants(void (*scenario)(void), const char *expected, unsigned restored)
{
    same_lines(scenario, expected, restored);
    variant_v6();
    same_lines(scenario, expected, restored);
    talk_init(t, run, false);
    variant_other_way_round();
    same_lines(scenario, expected, restored);
}

static inline void say_syn(void)
{
    struct pkt p = talk_pkt(t, A, SYN | ECE | CWR, 0);

    p.seq = t->isn[A];
    p.win = 64240;
    pkt_opt_usual(&p, 1460, 7);
    talk_send(t, A, &p);
}

static inline void say_synack(void)
{
    struct pkt p = talk_pkt(t, B, SYN | ACK | ECE, 0);
    const __u8 mss[] = {0x05, 0x50}, shift = 9;

    p.seq = t->isn[B];
    p.win = 65160;
    pkt_opt(&p, 2, mss, 2);
    pkt_opt(&p, 3, &shift, 1);
    talk_send(t, B, &p);
}

static inline void talk_on_and_close(void)
{
    talk_say(t, A, PSH | ACK, 300);
    talk_say(t, B, PSH | ACK, 1200);
    talk_say(t, A, ACK, 0);
    talk_close(t);
}

enum { G_USUAL, G_FEW_EVENTS, G_ONE_SIDED, G_SMALL_RING, G_FULL, G_SMALL_SYN_CACHE };

static inline int group(int kind)
{
    struct sw_object_opts opts;

    bpfrun_opts(&opts);
    opts.max_half_open = MAX_HALF_OPEN;
    opts.syn_cache_max = kind == G_SMALL_SYN_CACHE ? SMALL_SYN_CACHE : SYN_CACHE;
    opts.max_flows = kind == G_FULL ? 1 : 64;
    opts.cfg.one_sided = kind == G_ONE_SIDED;
    if (kind == G_FEW_EVENTS)
        opts.cfg.event_mask = 1u << SW_EV_CONN;
    if (kind == G_SMALL_RING)
        opts.ring_open_bytes = 4096;
    return fixture_load(&opts);
}
#define GROUP(name, kind)                                                                                              \
    static int name(void **state __attribute__((unused)))                                                              \
    {                                                                                                                  \
        return group(kind);                                                                                            \
    }

#endif
