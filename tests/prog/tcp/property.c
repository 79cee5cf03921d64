/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random scenarios, legal and not, go through the BPF program and through the pure state machine on the
 * host, segment by segment: the same records, the same flow, byte for byte. Beside that, what must
 * hold whatever comes, and the fast path against the machine without it.
 *
 *   SW_TEST_SEED=N   another seed (decimal or 0x…)
 *   SW_SEQUENCES=N   scenarios for each configuration (2000)
 */
#include "fixture.h"
#include "model.h"
#include "scenario.h"

#include <stdlib.h>

#include "packet/parse.h"
#include "packet/tcp_options.h"
#include "tcp/zeek.h"

enum { SEGMENTS = 30, KEPT = SCENARIO_MAX * 2, FRAME = 2048 };

/* One segment as the oracle stores it, to check `established` without the state machine. */
struct heard {
    __u32 seq, ack, len;
    __u16 flags;
    __u8 src_is_b;
    bool good;
};

struct play {
    struct model host, slow; /* the second one never takes the fast path */
    struct scenario scenario;
    struct pkt side[2];
    struct sw_flow before; /* the flow before this segment */
    bool was;
    bool mirror; /* both endpoints are one: every segment is the a endpoint's */
    struct heard heard[KEPT];
    size_t n_heard, at;
    size_t conns;  /* conn records of this scenario */
    __u32 emitted; /* kinds emitted for the current flow */
    __u64 seed, number;
    struct sw_config cfg;
};

static struct play play;
static const __u16 server_ports[] = {80, 443, 8080};
static __u64 total_segments, total_fast, total_conns, total_established;

static void print_story(const struct play *p)
{
    print_error("seed 0x%llx, scenario %llu, after segment %zu of %zu:\n", p->seed, p->number, p->at, p->scenario.n);
    for (size_t i = 0; i < p->scenario.n && i <= p->at; i++) {
        const struct scenario_seg *s = &p->scenario.seg[i];

        print_error("  %2zu %c %s%s%s%s%s%s seq %u ack %u len %u win %u gap %llu ms%s%s%s%s%s opts %u gso %u\n", i,
                    "AB"[s->from], s -> flags &SYN ? "S" : ".", s->flags &ACK ? "A" : ".", s->flags &FIN ? "F" : ".",
                    s->flags &RST ? "R" : ".", s->flags &PSH ? "P" : ".", s->flags &URG ? "U" : ".", s->seq, s->ack,
                    s->len, s->win, s->gap_ns / 1000000, s->bad_checksum ? " badsum" : "", s->fragment ? " frag" : "",
                    s->cut ? " cut" : "", s->sweep ? " sweep" : "", s->flags & 0x1c0 ? " ecn" : "", s->opts, s->gso);
    }
}

#define holds(p, what, ...)                                                                                            \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            print_story(p);                                                                                            \
            print_error(__VA_ARGS__);                                                                                  \
            print_error("\n");                                                                                         \
            fail_msg("does not hold: %s", #what);                                                                      \
        }                                                                                                              \
    } while (0)

static void words_of(const struct sw_event *ev, size_t n, char *buf, size_t size)
{
    size_t used = 0;

    buf[0] = 0;
    for (size_t i = 0; i < n && used + 40 < size; i++) {
        bpfrun_event_word(&ev[i], buf + used, size - used);
        used += strlen(buf + used);
        used += snprintf(buf + used, size - used, "/%u ", ev[i].by);
    }
}

/* Where two objects differ, in words of 32 bits. */
static void same_bytes(struct play *p, const void *want, const void *have, size_t size, const char *what)
{
    const unsigned char *a = want, *b = have;

    if (!memcmp(a, b, size))
        return;
    print_story(p);
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            print_error("%s: byte %zu: host %02x, program %02x\n", what, i, a[i], b[i]);
#define AT(type, field) print_error(" " #field " %zu", offsetof(type, field))
    print_error("in a record: flow %zu; in a flow:", offsetof(struct sw_event, flow));
    AT(struct sw_flow, end[0]), AT(struct sw_flow, end[1]), AT(struct sw_flow, flags), AT(struct sw_flow, hist);
    print_error("; in an end:");
    AT(struct sw_end, seq_hi), AT(struct sw_end, nxt), AT(struct sw_end, ack), AT(struct sw_end, win);
    AT(struct sw_end, win_seq), AT(struct sw_end, did), AT(struct sw_end, isn), AT(struct sw_end, fin_seq);
    AT(struct sw_end, ooo), AT(struct sw_end, hist_syn), AT(struct sw_end, mss), AT(struct sw_end, state);
    print_error("\n");
#undef AT
    fail_msg("%s differs", what);
}

static void check_records(struct play *p)
{
    struct sw_event want[SW_RINGS * MODEL_EVENTS];
    const struct sw_event *have;
    size_t n = 0, got = bpfrun_events(run, &have);
    char a[600], b[600];

    for (int ring = 0; ring < SW_RINGS; ring++) {
        memcpy(want + n, p->host.events[ring], p->host.n_events[ring] * sizeof(*want));
        n += p->host.n_events[ring];
    }
    words_of(want, n, a, sizeof(a));
    words_of(have, got, b, sizeof(b));
    holds(p, n == got && !strcmp(a, b), "host:    %s\nprogram: %s", a, b);
    for (size_t i = 0; i < n; i++)
        same_bytes(p, &want[i], &have[i], sizeof(*want), "record");
}

static void print_flow(const char *what, const struct sw_flow *f)
{
    print_error("%s: flags %x, originator is b %u, history %.*s\n", what, f->flags, f->orig_is_b, f->hist_len, f->hist);
    for (int i = 0; i < 2; i++)
        print_error("  isn %u seq_hi %u nxt %u ack %u win %u win_ack %u did %02x zstate %u\n", f->end[i].isn,
                    f->end[i].seq_hi, f->end[i].nxt, f->end[i].ack, f->end[i].win, f->end[i].win_ack, f->end[i].did,
                    f->end[i].zstate);
}

static void check_slow(struct play *p)
{
    for (int ring = 0; ring < SW_RINGS; ring++) {
        holds(p, p->host.n_events[ring] == p->slow.n_events[ring], "the fast path emits more or less");
        same_bytes(p, p->slow.events[ring], p->host.events[ring], p->slow.n_events[ring] * sizeof(struct sw_event),
                   "record with fast path");
    }
    holds(p, p->host.where == p->slow.where, "the fast path moves a flow");
    if (p->host.where && memcmp(&p->slow.flow, &p->host.flow, sizeof(struct sw_flow))) {
        print_flow("before", &p->before);
        print_flow("slow", &p->slow.flow);
        print_flow("fast", &p->host.flow);
    }
    if (p->host.where)
        same_bytes(p, &p->slow.flow, &p->host.flow, sizeof(struct sw_flow), "flow with fast path");
}

/*
 * Was a SYN with this number sent by that side, and then acknowledged by the other, by no more than what it had
 * sent? By what went over the wire alone.
 */
static bool proven(const struct play *p, __u8 sender_is_b, __u32 isn)
{
    __u32 furthest = 1;
    bool sent = false;

    for (size_t i = 0; i < p->n_heard; i++) {
        const struct heard *h = &p->heard[i];
        __u32 past = h->seq + h->len + !!(h->flags & SYN) + !!(h->flags & FIN) - isn;

        if (!h->good)
            continue;
        if (h->src_is_b == sender_is_b) {
            sent |= h->flags & SYN && h->seq == isn;
            if (past < 0xfff00000 && past > furthest) /* not before its SYN */
                furthest = past;
        }
        if (sent && (h->src_is_b != sender_is_b || p->mirror) && h->flags & ACK && h->ack - isn - 1 < furthest)
            return true;
    }
    return false;
}

/* A SYN or SYN-ACK that was not seen is proven if the other side acknowledged it, and its sender goes on from there. */
static bool went_on(const struct play *p, __u8 sender_is_b)
{
    for (size_t i = 0; i < p->n_heard; i++)
        for (size_t j = i + 1; j < p->n_heard; j++) {
            const struct heard *a = &p->heard[i], *b = &p->heard[j];

            if (a->good && b->good && a->flags & b->flags & ACK && a->ack == b->seq &&
                (p->mirror || (a->src_is_b != sender_is_b && b->src_is_b == sender_is_b)))
                return true;
        }
    return false;
}

/* A SYN that was not seen is proven by the other side's SYN-ACK. */
static bool answered(const struct play *p, __u8 sender_is_b)
{
    for (size_t i = 0; i < p->n_heard; i++)
        if (p->heard[i].good && (p->heard[i].flags & (SYN | ACK)) == (SYN | ACK) &&
            (p->heard[i].src_is_b != sender_is_b || p->mirror))
            return true;
    return false;
}

static void check_established(struct play *p, const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];
    bool by_orig = proven(p, f->orig_is_b, o->isn), by_resp = proven(p, !f->orig_is_b, r->isn);

    total_established++;
    holds(p, !(f->flags & SW_F_MIDSTREAM), "established is emitted for a midstream flow");
    if (p->cfg.one_sided && (!(o->did & SW_E_SEEN) || !(r->did & SW_E_SEEN))) {
        holds(p, f->flags & SW_F_INFERRED, "half of it was not seen, and the flow does not say so");
        return;
    }
    holds(p, by_orig || by_resp, "established, and no SYN was acknowledged");
    holds(p, by_orig || (f->flags & SW_F_INFERRED && (answered(p, f->orig_is_b) || went_on(p, f->orig_is_b))),
          "established, but the originator's SYN was not acknowledged");
    holds(p, by_resp || (f->flags & SW_F_INFERRED && (answered(p, !f->orig_is_b) || went_on(p, !f->orig_is_b))),
          "established, but the responder's SYN was not acknowledged");
}

static void check_told(struct play *p)
{
    const __u32 ends = 1u << SW_EV_CLOSED | 1u << SW_EV_RESET | 1u << SW_EV_REFUSED | 1u << SW_EV_TIMEOUT;
    const __u32 once = ends | 1u << SW_EV_OPENING | 1u << SW_EV_ESTABLISHED | 1u << SW_EV_HALF_CLOSED |
                       1u << SW_EV_REUSED | 1u << SW_EV_MIDSTREAM;
    const struct sw_event *ev;
    size_t n = bpfrun_events(run, &ev);

    for (size_t i = 0; i < n; i++) {
        const struct sw_flow *f = &ev[i].flow;

        holds(p, !(once & p->emitted & 1u << ev[i].kind), "kind %u emitted twice", ev[i].kind);
        p->emitted |= 1u << ev[i].kind;
        if (ev[i].anomaly == SW_AN_RST_IGNORED) /* the end was none */
            p->emitted &= ~(1u << SW_EV_RESET | 1u << SW_EV_REFUSED);
        if (ev[i].kind == SW_EV_CONN) {
            holds(p, __builtin_popcount(p->emitted & ends) <= 1, "ended twice: kinds %x", p->emitted);
            p->conns++;
            p->emitted = 0;
            holds(p, f->flags & SW_F_ENDED && f->reason != SW_WHY_NONE, "a conn record of a flow that is not over");
            holds(p, f->end[0].pkts + f->end[1].pkts > 0, "a conn record without packets");
        }
        if (ev[i].kind == SW_EV_ESTABLISHED)
            check_established(p, f);
    }
}

static void check_side(struct play *p, const struct sw_flow *f, int side)
{
    const struct sw_end *e = &f->end[side], *peer = &f->end[!side];

    holds(p, e->state < SW_ST_MAX, "state %u", e->state);
    /* a flow that a damaged segment began is midstream, and nothing of it is known */
    holds(p, e->state == SW_ST_LISTEN || e->did & SW_E_SEEN || peer->did & SW_E_SEEN || f->flags & SW_F_MIDSTREAM,
          "left LISTEN without a segment");
    holds(p, e->did & SW_E_SEEN || !e->pkts || e->bad_csum == e->pkts, "packets of an unseen side");
    if (f->flags & (SW_F_MIDSTREAM | SW_F_INFERRED))
        return;
    holds(p,
          e->state == SW_ST_LISTEN || e->did & (SW_E_SYN | SW_E_FIN) || peer->did & SW_E_FIN || f->flags & SW_F_ENDED,
          "in %s without a SYN", bpfrun_state_name(e->state));
    holds(p, !(e->did & SW_E_SYN_ACKED) || e->did & SW_E_SYN, "a SYN acknowledged that was not sent");
    holds(p, !(e->did & SW_E_FIN_ACKED) || e->did & SW_E_FIN, "a FIN acknowledged that was not sent");
}

/* What must hold of a flow and of its change by one segment. */
static void check_flow(struct play *p, const struct sw_flow *f)
{
    const struct sw_flow *b = &p->before;
    bool flipped = b->orig_is_b != f->orig_is_b;
    bool goes_on = b->flags & SW_F_ENDED &&
                   (b->reason == SW_WHY_RESET || b->reason == SW_WHY_REFUSED || b->reason == SW_WHY_ABORTED) &&
                   f->reason != b->reason; /* a RST was ignored */

    for (int side = 0; side < 2; side++) {
        check_side(p, f, side);
        for (int i = 0; i < SW_OOO; i++) {
            const __u32 *block = f->end[side].ooo[i];

            holds(p, block[0] == block[1] || (__s32)(block[1] - block[0]) > 0, "a block the wrong way round");
        }
    }
    holds(p, f->hist_len <= SW_HIST_MAX, "history of %u", f->hist_len);
    holds(p, !f->hist_len || strchr("ShHADFRQICTWGCshadfrqictwgc^", f->hist[0]), "letter %d", f->hist[0]);
    if (!p->was || b->start_ns != f->start_ns)
        return;
    for (int side = 0; side < 2; side++) {
        const struct sw_end *now = &f->end[side], *then = &b->end[flipped ? !side : side];

        holds(p,
              now->pkts >= then->pkts && now->ip_bytes >= then->ip_bytes && now->payload >= then->payload &&
                  now->rexmit >= then->rexmit && now->gaps >= then->gaps && now->zero_win >= then->zero_win &&
                  now->bad_csum >= then->bad_csum,
              "a counter of side %d went back", side);
        if (now->isn != then->isn) /* began anew with another SYN: what was acknowledged was not this one */
            continue;
        holds(p, !(then->did & ~now->did & ~(goes_on ? SW_E_RST : 0)), "side %d: did %02x became %02x", side, then->did,
              now->did);
    }
    holds(p, f->syn_rexmit >= b->syn_rexmit && f->synack_rexmit >= b->synack_rexmit, "a counter went back");
    holds(p, f->hist_len >= b->hist_len && !memcmp(f->hist, b->hist, b->hist_len), "history %.*s became %.*s",
          b->hist_len, b->hist, f->hist_len, f->hist);
    holds(p, f->last_ns >= b->last_ns, "the clock of a flow went back");
    holds(p, !(b->flags & SW_F_ESTABLISHED) || f->flags & SW_F_ESTABLISHED, "no longer established");
    holds(p, goes_on || !(b->flags & SW_F_ENDED) || (f->flags & SW_F_ENDED && f->reason == b->reason),
          "no longer over");
}

static void check(struct play *p)
{
    struct sw_flow f;
    enum bpfrun_where where = bpfrun_lookup(run, &p->host.key, &f);

    check_records(p);
    check_slow(p);
    holds(p, where == p->host.where, "host in map %d, program in map %d", p->host.where, where);
    if (where) {
        same_bytes(p, &p->host.flow, &f, sizeof(f), "flow");
        check_flow(p, &f);
        p->before = f;
    }
    p->was = where;
    check_told(p);
    bpfrun_clear_events(run);
    model_clear(&p->host);
    model_clear(&p->slow);
}

static struct pkt as_packet(const struct play *p, const struct scenario_seg *s)
{
    struct pkt q = p->side[s->from];

    q.seq = s->seq;
    q.ack = s->ack;
    q.flags = s->flags;
    q.win = s->win;
    q.payload = s->len;
    q.bad_checksum = s->bad_checksum;
    if (s->opts == 3)
        pkt_opt(&q, 2, "\x05", 1);
    else if (s->opts)
        pkt_opt_usual(&q, 1460, s->opts == 2 ? 15 : 7);
    if (s->fragment) {
        q.fragment = true;
        q.more_frags = true;
    }
    if (s->cut)
        q.cut_to = 14 + 4 * q.vlans + pkt_ip_len(&q) - (s->len + 1) / 2;
    return q;
}

static bool is_server_port(__be16 port)
{
    for (size_t i = 0; i < sizeof(server_ports) / sizeof(*server_ports); i++)
        if (ntohs(port) == server_ports[i])
            return true;
    return false;
}

/* One wrong checksum in 65536 is the pseudo-header's sum, as offloading leaves it, and passes. */
static bool looks_offloaded(const __u8 *frame, const struct sw_place *at)
{
    const __u8 *addresses = frame + at->ip + (at->v6 ? 8 : 12), *check = frame + at->tcp + 16;
    __u32 sum = 6 + (at->tcp_len >> 16) + (at->tcp_len & 0xffff);

    for (int i = 0; i < (at->v6 ? 32 : 8); i += 2)
        sum += addresses[i] << 8 | addresses[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == (__u32)(check[0] << 8 | check[1]);
}

/* What the program would make of the frame, by the pure parser. */
static void as_segment(struct play *p, const __u8 *frame, size_t len, const struct scenario_seg *in, bool egress,
                       struct sw_seg *s)
{
    struct sw_place at = {0};
    struct sw_tcpopt opt = {0};
    struct sw_key key;
    __be16 sp, dp;

    *s = (struct sw_seg){.pkts = 1, .ifindex = 1, .wscale = SW_WSCALE_NONE, .hook = SW_HOOK_REPLAY};
    s->now = bpfrun_now(run);
    s->one_sided = p->cfg.one_sided;
    assert_int_equal(sw_parse((void *)frame, (void *)(frame + len), len, NULL, &key, s, &at), SW_FOUND_TCP);
    assert_memory_equal(&key, &p->host.key, sizeof(key));
    s->sent = s->local = egress;
    if (egress) {
        s->cap = s->len;
        s->pkts = in->gso ? in->gso : 1;
        s->ip_bytes += (s->pkts - 1) * (s->ip_bytes - s->len);
    } else {
        s->bad_csum = !bpfrun_old() && in->bad_checksum && !in->fragment && !in->cut && !looks_offloaded(frame, &at);
    }
    if (s->flags & SW_TCP_SYN && at.opt_len) {
        opt.len = at.opt_len;
        memcpy(opt.bytes, frame + at.tcp + 20, at.opt_len);
        sw_tcpopt_parse(&opt);
        s->mss = opt.mss;
        s->wscale = opt.wscale;
        s->opts = opt.opts;
        s->bad_opt = opt.bad;
    }
    if (!p->cfg.likely_server_ports || (s->flags & (SYN | ACK)) == SYN)
        return;
    sp = s->src_is_b ? key.b_port : key.a_port;
    dp = s->src_is_b ? key.a_port : key.b_port;
    s->flip = s->flags & SYN ? 1 : is_server_port(sp) && (!is_server_port(dp) || ntohs(sp) < ntohs(dp));
    s->flip_by = s->flags & SYN ? SW_BY_SYNACK : SW_BY_FLIPPED;
}

static void feed(struct play *p, const struct scenario_seg *in, bool egress)
{
    static __u8 frame[FRAME];
    struct bpfrun_skb skb = {.gso_segs = in->gso, .gso_size = in->gso ? in->len / in->gso + 1 : 0};
    struct pkt q = as_packet(p, in);
    size_t len = pkt_build(&q, frame, sizeof(frame));
    struct sw_seg s;
    int verdict = 12345;

    assert_true(len > 0);
    as_segment(p, frame, len, in, egress, &s);
    p->heard[p->n_heard++] = (struct heard){.seq = in->seq,
                                            .ack = in->ack,
                                            .len = in->len,
                                            .flags = in->flags,
                                            .src_is_b = s.src_is_b,
                                            .good = !s.bad_csum};
    model_segment(&p->host, &s);
    model_segment(&p->slow, &s);
    if (egress)
        assert_int_equal(bpfrun_egress(run, frame, len, in->gso ? &skb : NULL, &verdict), 0);
    else
        assert_int_equal(bpfrun_ingress(run, frame, len, &verdict), 0);
    assert_int_equal(verdict, egress ? BPFRUN_TCX_NEXT : BPFRUN_XDP_PASS);
}

static void sweep(struct play *p, __u64 flush)
{
    struct sw_sweep result;

    model_sweep(&p->host, bpfrun_now(run), flush);
    model_sweep(&p->slow, bpfrun_now(run), flush);
    assert_int_equal(bpfrun_sweep(run, flush, &result), 0);
    assert_int_equal(result.held_back, 0);
    assert_int_equal(result.half_open, p->host.where == BPFRUN_HALF_OPEN);
    assert_int_equal(result.flows, p->host.where == BPFRUN_FLOWS);
}

/* Endpoints: IPv4 or IPv6, either one first in the key, equal addresses, a likely server port on one side, both or
 * none. */
static void endpoints(struct play *p, __u64 *rng)
{
    static const __u16 ports[] = {80, 443, 8080, 1, 40000, 65535};
    struct pkt *a = &p->side[0];

    memset(a, 0, sizeof(*a));
    a->v6 = scenario_rand(rng, 3) == 0;
    if (a->v6) {
        memcpy(a->src, "\x20\x01\x0d\xb8", 4);
        memcpy(a->dst, a->src, 4);
        a->src[15] = scenario_rand(rng, 256);
        a->dst[15] = scenario_rand(rng, 256);
    } else {
        pkt_v4(a->src, 0x0a000000 + scenario_rand(rng, 0x10000));
        pkt_v4(a->dst, 0x0a000000 + scenario_rand(rng, 0x10000));
    }
    if (scenario_rand(rng, 20) == 0)
        memcpy(a->dst, a->src, 16);
    a->sport = ports[scenario_rand(rng, 6)];
    a->dport = ports[scenario_rand(rng, 6)];
    if (scenario_rand(rng, 4) == 0) {
        a->vlans = 1;
        a->vlan[0] = 1 + scenario_rand(rng, 4094);
    }
    p->side[1] = pkt_swap(a);
    p->mirror = !memcmp(a->src, a->dst, 16) && a->sport == a->dport;
    p->host.key = p->slow.key = pkt_key(a, NULL);
    p->host.has_syn = p->slow.has_syn = false;
    p->host.has_ended = p->slow.has_ended = false;
}

static void play_one(struct play *p)
{
    __u64 seed = p->seed * 1000003 + p->number, rng = ~seed;
    __u64 created = p->host.created;
    bool two_hooks, deaf;
    int deaf_to;

    scenario_make(&p->scenario, seed, SEGMENTS);
    endpoints(p, &rng);
    two_hooks = scenario_rand(&rng, 2);
    deaf = scenario_rand(&rng, p->cfg.one_sided ? 2 : 8) == 0; /* one direction goes another way */
    deaf_to = scenario_rand(&rng, 2);
    p->was = false;
    p->n_heard = p->conns = 0;
    p->emitted = 0;
    for (p->at = 0; p->at < p->scenario.n; p->at++) {
        const struct scenario_seg *s = &p->scenario.seg[p->at];
        bool egress = two_hooks && s->from;

        bpfrun_set_now(run, bpfrun_now(run) + s->gap_ns);
        if (s->sweep) {
            sweep(p, 0);
            check(p);
        }
        if (deaf && s->from == deaf_to)
            continue;
        feed(p, s, egress);
        total_segments++;
        check(p);
    }
    p->at = p->scenario.n;
    bpfrun_set_now(run, bpfrun_now(run) + 1000000);
    sweep(p, 1);
    check(p);
    sweep(p, 2);
    check(p);
    holds(p, p->host.where == BPFRUN_NOWHERE, "a flow is left after the flush");
    holds(p, p->conns == p->host.created - created, "%zu conn records for %llu flows", p->conns,
          p->host.created - created);
    total_conns += p->conns;
}

static void play_all(const struct sw_object_opts *opts, const char *name)
{
    __u64 scenarios = scenario_rounds(2000);
    struct play *p = &play;

    memset(p, 0, sizeof(*p));
    p->seed = from_env("SW_TEST_SEED", 0x5eed);
    print_message("# seed %llu\n", p->seed);
    p->cfg = opts->cfg;
    total_segments = total_fast = total_conns = total_established = 0;
    model_init(&p->host, &opts->cfg, true);
    model_init(&p->slow, &opts->cfg, false);
    assert_int_equal(fixture_load(opts), 0);
    for (p->number = 0; p->number < scenarios; p->number++)
        play_one(p);
    assert_int_equal(bpfrun_counter(run, SW_C_HALF_OPEN_CREATED), p->host.created);
    assert_int_equal(bpfrun_counter(run, SW_C_HALF_OPEN_PROMOTED), p->host.promoted);
    assert_int_equal(bpfrun_counter(run, SW_C_HALF_OPEN_ENDED), p->host.ended_in[0]);
    assert_int_equal(bpfrun_counter(run, SW_C_LATE), p->host.late);
    assert_int_equal(bpfrun_counter(run, SW_C_FLOW_ENDED), p->host.ended_in[1]);
    assert_int_equal(bpfrun_counter(run, SW_C_FAST_PATH), p->host.fast_taken);
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_CONN), p->host.created);
    assert_int_equal(bpfrun_counter(run, SW_C_TCP), total_segments);
    /* a generator that says nothing would prove nothing */
    assert_true(total_conns >= scenarios && total_established * 4 > scenarios && p->host.fast_taken * 2 > scenarios);
    print_message(
        "%s: seed 0x%llx, %llu scenarios, %llu segments, %llu by the fast path, %llu established, %llu conns\n", name,
        p->seed, scenarios, total_segments, p->host.fast_taken, total_established, total_conns);
}

static void options(struct sw_object_opts *opts)
{
    bpfrun_opts(opts);
    opts->max_flows = opts->max_half_open = 1024;
    opts->server_ports = server_ports;
    opts->server_ports_len = sizeof(server_ports) / sizeof(*server_ports);
}

TEST(both_directions)
{
    struct sw_object_opts opts;

    options(&opts);
    play_all(&opts, "both directions");
}

TEST(one_sided_with_likely_server_ports)
{
    struct sw_object_opts opts;

    options(&opts);
    opts.cfg.one_sided = 1;
    opts.cfg.likely_server_ports = 1;
    play_all(&opts, "one-sided");
}

TEST(without_linger)
{
    struct sw_object_opts opts;

    options(&opts);
    opts.cfg.close_delay = 0;
    opts.cfg.likely_server_ports = 1;
    play_all(&opts, "no close delay");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_teardown(both_directions, fixture_group_end),
        cmocka_unit_test_teardown(one_sided_with_likely_server_ports, fixture_group_end),
        cmocka_unit_test_teardown(without_linger, fixture_group_end),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
