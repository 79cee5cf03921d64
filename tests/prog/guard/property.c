/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random packets at random services in random states: what passes is not changed, what is answered is legal and no
 * larger than what came (guardfix.h holds every packet against that), and the counters agree with the verdicts.
 */
#include "guardfix.h"
#include "scenario.h"

enum { PACKETS = 12000 };

static __u64 rng;

static __u32 any(__u32 below)
{
    return scenario_rand(&rng, below);
}

static bool one_in(__u32 n)
{
    return any(n) == 0;
}

static void random_options(struct pkt *p)
{
    static const __u8 kinds[] = {2, 3, 4, 8, 1, 5, 30, 34, 254, 0};

    if (one_in(3)) {
        pkt_opt_usual(p, any(65536), any(20));
        return;
    }
    for (__u32 i = any(6); i; i--) {
        __u8 kind = kinds[any(sizeof(kinds))], value[12];
        __u8 len = kind == 2 ? 2 : kind == 3 ? 1 : kind == 4 ? 0 : kind == 8 ? 8 : any(9);

        for (size_t b = 0; b < sizeof(value); b++)
            value[b] = any(256);
        if (kind <= 1 && p->opts_len < sizeof(p->opts))
            p->opts[p->opts_len++] = kind;
        else if (kind > 1)
            pkt_opt(p, kind, value, one_in(20) ? any(9) : len);
    }
}

static void random_headers(struct pkt *p)
{
    static const __u8 exts[] = {0, 43, 51, 60};

    if (one_in(5)) {
        p->vlans = 1 + any(3);
        for (__u32 i = 0; i < p->vlans; i++)
            p->vlan[i] = any(65536);
    }
    if (!p->v6 && one_in(6)) {
        p->ip_opts_len = 4 * (1 + any(10));
        memset(p->ip_opts, 1, p->ip_opts_len);
    }
    if (p->v6 && one_in(6))
        for (__u32 i = 1 + any(9); i; i--)
            pkt_ext(p, exts[any(sizeof(exts))], 8 * (1 + any(3)));
    p->non_df = one_in(4);
    p->tos = one_in(4) ? any(256) : 0;
    if (one_in(20)) {
        p->fragment = true;
        p->more_frags = one_in(2);
        p->frag_off = one_in(2) ? 8 * any(200) : 0;
    }
    p->no_padding = one_in(4);
    p->bad_checksum = one_in(30);
    if (one_in(30))
        p->force_doff = any(16);
    if (one_in(30))
        p->force_ihl = any(16);
    if (one_in(30))
        p->force_ip_len = any(200);
    if (one_in(30))
        p->cut_to = 14 + any(100);
    if (one_in(40))
        p->force_version = any(16);
}

static struct pkt random_packet(void)
{
    static const __u16 common[] = {SYN, SYN, SYN, ACK, ACK | PSH, RST, FIN | ACK, SYN | ACK, SYN | ECE | CWR};
    struct pkt p;

    talk_init(t, run, one_in(2));
    p = talk_pkt(t, A, one_in(4) ? any(512) : common[any(sizeof(common) / sizeof(*common))], 0);
    p.src[15] = any(8);
    p.src[12] = one_in(10) ? any(256) : p.src[12];
    p.sport = 1000 + any(20);
    p.dport = one_in(10) ? any(65536) : 80 + any(3);
    p.seq = one_in(3) ? any(~0u) : 1000;
    p.ack = one_in(2) ? any(~0u) : 0;
    p.win = any(65536);
    p.payload = one_in(3) ? any(1400) : one_in(3) ? 1 : 0;
    if (one_in(2))
        random_options(&p);
    random_headers(&p);
    return p;
}

static __u32 services[3];

/* Modes and thresholds change at any time; states follow by themselves. */
static void random_settings(void)
{
    struct sw_guard *g = guardrun_conf(guard);
    struct sw_service *sv = guardrun_at(guard, services[any(3)]);

    sv->mode = any(SW_GM_MAX);
    sv->backend = one_in(4) ? any(SW_BK_MAX) : SW_BK_REQSK;
    sv->wscale = any(15);
    g->flags = any(16) | (one_in(2) ? SW_G_CAPTURE : 0) | (one_in(20) ? SW_G_STOPPING : 0);
    g->half_open = 1 + any(20);
    g->syn_rate = 1 + any(200);
    g->limit_source = one_in(3) ? 1 + any(50) : 0;
    g->limit_prefix = one_in(3) ? 1 + any(100) : 0;
    g->reply_budget = one_in(3) ? 1 + any(1000) : 0;
    g->known_gen = any(2);
    if (one_in(3))
        bpfrun_set_now(run, bpfrun_now(run) + any(100) * SEC);
}

static struct sw_svc_counters all_tallies(void)
{
    struct sw_svc_counters sum = guardrun_counters(guard, 0);

    for (int s = 0; s < 3; s++) {
        struct sw_svc_counters one = guardrun_counters(guard, services[s]);

        for (int i = 0; i < SW_T_MAX; i++)
            sum.item[i] += one.item[i];
        for (int i = 0; i < SW_DROP_MAX; i++)
            sum.drop[i] += one.drop[i];
    }
    return sum;
}

static void flip_bytes(void)
{
    for (__u32 n = 1 + any(4); n; n--)
        request[any(request_len)] ^= 1 + any(255);
}

/* The packet that an honest client would send next, now and then: so that connections are established, too. */
static bool follow_up(struct pkt *p)
{
    if (out.verdict != BPFRUN_XDP_TX || !(reply.flags & SYN) || !one_in(2))
        return false;
    *p = (struct pkt){.v6 = reply.v6, .sport = reply.dport, .dport = reply.sport, .flags = ACK, .win = 500};
    memcpy(p->src, reply.dst, 16);
    memcpy(p->dst, reply.src, 16);
    p->seq = reply.ack - one_in(5);
    p->ack = reply.seq + 1;
    if (reply.has_ts)
        add_stamps(p, 77, reply.tsval);
    return true;
}

static bool in_earnest(void)
{
    for (int s = 0; s < 3; s++)
        if (guardrun_at(guard, services[s])->mode == SW_GM_MONITOR ||
            guardrun_at(guard, services[s])->mode == SW_GM_OFF)
            return false;
    return true;
}

static void random_round(__u64 seed, bool only_monitored)
{
    __u64 tx = 0, drops = 0, created = 0, answers = 0, counted = 0, packets = scenario_rounds(PACKETS);
    struct sw_svc_counters sum;
    struct pkt p;

    rng = seed;
    for (unsigned i = 0; i < packets; i++) {
        if (!only_monitored && i % 50 == 0)
            random_settings();
        if (follow_up(&p)) {
            request_len = pkt_build(&p, request, sizeof(request));
        } else {
            p = random_packet();
            request_len = pkt_build(&p, request, sizeof(request));
            if (request_len > 14 && one_in(10))
                flip_bytes();
        }
        step = any(20) * MS;
        if (request_len < 14)
            continue;
        deliver_frame();
        tx += out.verdict == BPFRUN_XDP_TX;
        drops += out.verdict == BPFRUN_XDP_DROP;
        created += out.meta_len > 0;
        if (only_monitored && (out.verdict != BPFRUN_XDP_PASS || out.meta_len))
            fail_msg("seed %llu packet %u: monitored, and not just passed", (unsigned long long)seed, i);
        bpfrun_clear_events(run);
        if (i % 500 == 0)
            guardrun_clear(guard);
    }
    sum = all_tallies();
    for (int i = 0; i < SW_DROP_MAX; i++)
        counted += sum.drop[i];
    answers = sum.item[SW_T_COOKIES_SENT] + sum.item[SW_T_PROBES_SENT];
    if (!only_monitored) { /* monitored phases count what was not done */
        assert_true(counted >= drops);
        assert_true(answers >= tx);
        assert_true(tx > packets / 120 && drops > packets / 120 && created > packets / 1200);
    }
    expect_counter(t, INTERNAL, 0);
    expect_counter(t, LOCK_TIMEOUT, 0);
}

static int services_test(void **state)
{
    if (guarded_test(state))
        return -1;
    services[0] = svc;
    services[1] = guardrun_service(guard, NULL, 81);
    services[2] = guardrun_service(guard, NULL, 82);
    return 0;
}
#define RANDOM(name) cmocka_unit_test_setup(name, services_test)

TEST(random_packets)
{
    random_round(1, false);
}
TEST(random_packets_again)
{
    random_round(20260, false);
}

/* Always, all three: each verdict is in the counters, to the packet. */
TEST(counters_agree_with_verdicts)
{
    __u64 tx = 0, drops = 0, counted = 0, packets = scenario_rounds(PACKETS);
    struct sw_svc_counters sum;

    for (int s = 0; s < 3; s++)
        guardrun_at(guard, services[s])->mode = SW_GM_ALWAYS;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
    assert_true(in_earnest());
    guardrun_conf(guard)->limit_source = 20;
    guardrun_conf(guard)->reply_budget = 200;
    rng = 7;
    out.verdict = 0;
    for (unsigned i = 0; i < packets; i++) {
        struct pkt p;

        if (!follow_up(&p))
            p = random_packet();
        request_len = pkt_build(&p, request, sizeof(request));
        if (request_len < 14)
            continue;
        step = any(4) * MS;
        deliver_frame();
        tx += out.verdict == BPFRUN_XDP_TX;
        drops += out.verdict == BPFRUN_XDP_DROP;
        bpfrun_clear_events(run);
        if (i % 500 == 0)
            guardrun_clear(guard);
    }
    sum = all_tallies();
    for (int i = 0; i < SW_DROP_MAX; i++)
        counted += sum.drop[i];
    assert_int_equal(counted, drops);
    assert_int_equal(sum.item[SW_T_COOKIES_SENT] + sum.item[SW_T_PROBES_SENT], tx);
    assert_true(sum.item[SW_T_COOKIES_ACCEPTED] > packets / 1200);
}

/* Monitored: whatever comes, it passes as it came. */
TEST(monitored)
{
    guardrun_conf(guard)->syn_rate = 1;
    guardrun_conf(guard)->limit_source = 3;
    guardrun_conf(guard)->reply_budget = 100;
    for (int s = 0; s < 3; s++)
        guardrun_at(guard, services[s])->mode = SW_GM_MONITOR;
    random_round(3, true);
    assert_true(guardrun_dropped(guard, svc) > scenario_rounds(100));
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

/* Calm, without lists and limits: the guard is not there. */
TEST(calm)
{
    guardrun_conf(guard)->half_open = guardrun_conf(guard)->syn_rate = 1ull << 40;
    random_round(4, true);
    assert_int_equal(guardrun_dropped(guard, svc) + guardrun_dropped(guard, 0), 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        RANDOM(random_packets), RANDOM(random_packets_again), RANDOM(counters_agree_with_verdicts), RANDOM(monitored),
        RANDOM(calm),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
