/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state machine: segments of both directions of one four-tuple, in any order and with any numbers, through the
 * tracker's model on the host, with the fast path and without. After each segment what must hold whatever comes: no
 * state leaves CLOSED or LISTEN without a SYN, counters never go back, a flow ends once.
 *
 * An input is a byte of configuration, two ISNs and segments of 11 bytes, whose numbers are relative to what the two
 * sides have sent, so that long scenarios are near one another.
 */
#include "fuzz.h"
#include "model.h"

#include "tcp/conn_state.h"
#include "tcp/zeek.h"

enum { SEGMENTS = 200, SECOND_MS = 1000 };

/* One segment, as the oracle stores it to check `established` without the state machine. */
struct heard {
    __u32 seq, ack, len;
    __u16 flags;
    __u8 src_is_b;
};

struct play {
    struct model fast, slow;
    struct sw_flow before;
    bool was;
    bool mirror; /* both endpoints are one: every segment is the a endpoint's */
    __u32 isn[2], next[2], acked[2];
    __u64 now;
    struct heard heard[SEGMENTS];
    size_t n_heard;
    __u32 emitted;        /* kinds emitted for the current flow */
    __u64 conns, created; /* conn records and flows so far */
    struct {
        __u64 pkts, ip_bytes, payload;
    } fed, booked; /* all segments, and what conn records say of them */
};

static struct play play;

static void configure(struct play *p, __u8 how)
{
    struct sw_config cfg = {.close_delay = 5, .t_syn_sent = 20, .t_syn_received = 30, .t_established = 3600};

    cfg.t_fin_wait = 120;
    cfg.t_close_wait = 130;
    cfg.t_last_ack = 40;
    cfg.t_midstream = 300;
    for (__u64 *t = &cfg.close_delay; t <= &cfg.t_midstream; t++)
        *t *= 1000000000ull;
    cfg.close_delay = how & 1 ? 0 : cfg.close_delay;
    cfg.one_sided = !!(how & 2);
    cfg.likely_server_ports = !!(how & 4);
    cfg.event_mask = (1u << SW_EV_MAX) - 1;
    model_init(&p->fast, &cfg, true);
    model_init(&p->slow, &cfg, false);
    p->mirror = how & 8;
}

static __u32 number(__u8 mode, __u32 next, __u32 isn, __u32 other, __s16 off)
{
    switch (mode & 3) {
    case 0: return next + (off >> 12);
    case 1: return isn + off;
    case 2: return next + (__u32)off * 0x1001u;
    default: return other + off;
    }
}

/*
 *   0  from, bad checksum, fragment, cut, sweep, gap (3)    1  flags    2  AE, mode of seq (2), mode of ack (2), flip
 *   3  seq (2)    5  ack (2)    7  length (2)    9  window    10  options
 */
static __u8 next_segment(struct play *p, struct fuzz_in *in, struct sw_seg *s)
{
    static const __u64 gaps_ms[] = {0, 1, 40, SECOND_MS, 6 * SECOND_MS, 31 * SECOND_MS, 301 * SECOND_MS, 3600001};
    __u8 how = fuzz_u8(in), flags = fuzz_u8(in), modes = fuzz_u8(in), win, opts;
    __s16 seq = (__s16)fuzz_u16(in), ack = (__s16)fuzz_u16(in);
    __u16 len = fuzz_u16(in);
    int from = how & 1, to = !from;

    win = fuzz_u8(in);
    opts = fuzz_u8(in);
    p->now += gaps_ms[how >> 5] * 1000000;
    *s = (struct sw_seg){.now = p->now,
                         .flags = flags | (modes & 1 ? SW_TCP_AE : 0),
                         .seq = number(modes >> 1, p->next[from], p->isn[from], p->acked[to], seq),
                         .ack = number(modes >> 3, p->next[to], p->isn[to] + 1, p->acked[from], ack),
                         .len = len & 0x8000 ? 0 : len & 0x7ff,
                         .win = win * 257,
                         .pkts = 1,
                         .ifindex = 1,
                         .hook = SW_HOOK_REPLAY,
                         .wscale = SW_WSCALE_NONE};
    s->cap = how & 8 ? s->len / 2 : s->len;
    s->ip_bytes = 40 + s->len;
    s->bad_csum = !!(how & 2);
    s->frag = !!(how & 4);
    s->src_is_b = from && !p->mirror;
    s->one_sided = p->fast.cfg.one_sided;
    if (s->flags & SW_TCP_SYN) {
        s->opts = opts & 0x7f;
        s->mss = opts & SW_OPT_MSS ? 1460 : 0;
        s->wscale = opts & SW_OPT_WSCALE ? win & 15 : SW_WSCALE_NONE;
        s->bad_opt = opts >> 7;
    }
    if (p->fast.cfg.likely_server_ports && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) != SW_TCP_SYN) {
        s->flip = s->flags & SW_TCP_SYN ? 1 : modes >> 5 & 1;
        s->flip_by = s->flags & SW_TCP_SYN ? SW_BY_SYNACK : SW_BY_FLIPPED;
    }
    return how;
}

/* What the two sides have sent so far, by which the next segments are measured. late: no connection's
 * any more. */
static void hear(struct play *p, int from, const struct sw_seg *s, bool late)
{
    __u32 past = s->seq + s->len + !!(s->flags & SW_TCP_SYN) + !!(s->flags & SW_TCP_FIN);

    if (s->flags & SW_TCP_SYN)
        p->isn[from] = s->seq;
    if (s->flags & SW_TCP_SYN || (__s32)(past - p->next[from]) > 0)
        p->next[from] = past;
    if (s->flags & SW_TCP_ACK)
        p->acked[from] = s->ack;
    if (!late) {
        p->fed.pkts += s->pkts;
        p->fed.ip_bytes += s->ip_bytes;
        p->fed.payload += s->len;
    }
    if (!s->bad_csum)
        p->heard[p->n_heard++] = (struct heard){s->seq, s->ack, s->len, s->flags, s->src_is_b};
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
        __u32 past = h->seq + h->len + !!(h->flags & SW_TCP_SYN) + !!(h->flags & SW_TCP_FIN) - isn;

        if (h->src_is_b == sender_is_b) {
            sent |= h->flags & SW_TCP_SYN && h->seq == isn;
            if ((__s32)past > 0 && past > furthest)
                furthest = past;
        }
        if (sent && (h->src_is_b != sender_is_b || p->mirror) && h->flags & SW_TCP_ACK && h->ack - isn - 1 < furthest)
            return true;
    }
    return false;
}

/* A SYN or SYN-ACK that was not seen is proven if the other side acknowledged it, and its sender goes on from there, or
 * asks by a keepalive whether it is still there (RFC 9293 section 3.8.4: a number before). */
static bool went_on(const struct play *p, __u8 sender_is_b)
{
    for (size_t i = 0; i < p->n_heard; i++)
        for (size_t j = i + 1; j < p->n_heard; j++) {
            const struct heard *a = &p->heard[i], *b = &p->heard[j];

            if (a->flags & b->flags & SW_TCP_ACK && a->ack - b->seq <= 1 &&
                (p->mirror || (a->src_is_b != sender_is_b && b->src_is_b == sender_is_b)))
                return true;
        }
    return false;
}

/* A SYN that was not seen is proven by the other side's SYN-ACK. */
static bool answered(const struct play *p, __u8 sender_is_b)
{
    const __u16 both = SW_TCP_SYN | SW_TCP_ACK;

    for (size_t i = 0; i < p->n_heard; i++)
        if ((p->heard[i].flags & both) == both && (p->heard[i].src_is_b != sender_is_b || p->mirror))
            return true;
    return false;
}

/*
 * In a view of one side a SYN is answered if its sender goes on after it: it has received a SYN-ACK, which need not
 * take the data (RFC 7413). The data that it goes on after may be that of another SYN of the same sender: one with a
 * RST moves the ISN, and not the length.
 */
static bool continued(const struct play *p, __u8 sender_is_b, __u32 isn)
{
    for (size_t j = 1; j < p->n_heard; j++) {
        const struct heard *h = &p->heard[j];
        bool sent = false, after = h->seq == isn + 1;

        if (h->src_is_b != sender_is_b || (h->flags & (SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
            continue;
        for (size_t i = 0; i < j; i++)
            if (p->heard[i].flags & SW_TCP_SYN && p->heard[i].src_is_b == sender_is_b) {
                sent |= p->heard[i].seq == isn;
                after |= h->seq == isn + 1 + p->heard[i].len;
            }
        if (sent && after)
            return true;
    }
    return false;
}

static void check_established(const struct play *p, const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];
    bool by_orig = proven(p, f->orig_is_b, o->isn), by_resp = proven(p, !f->orig_is_b, r->isn);

    holds(!(f->flags & SW_F_MIDSTREAM), "established is emitted for a midstream flow");
    if (p->fast.cfg.one_sided && (!(o->did & SW_E_SEEN) || !(r->did & SW_E_SEEN))) {
        holds(f->flags & SW_F_INFERRED, "half of it was not seen, and the flow does not say so");
        holds(continued(p, f->orig_is_b, o->isn) || continued(p, !f->orig_is_b, r->isn),
              "half of it was not seen, and the other half did not go on after its SYN");
        return;
    }
    if (p->fast.cfg.one_sided && f->flags & SW_F_INFERRED &&
        ((by_orig && continued(p, f->orig_is_b, o->isn)) || (by_resp && continued(p, !f->orig_is_b, r->isn))))
        return; /* where the SYN-ACK was is a guess: of what its sender had sent nothing was seen */
    holds(by_orig || by_resp, "established, and no SYN was acknowledged");
    holds(by_orig || (f->flags & SW_F_INFERRED && (answered(p, f->orig_is_b) || went_on(p, f->orig_is_b))),
          "the originator's SYN was not answered");
    holds(by_resp || (f->flags & SW_F_INFERRED && (answered(p, !f->orig_is_b) || went_on(p, !f->orig_is_b))),
          "the responder's SYN was not answered");
}

/* Letters that come once a side, unless the sides were taken the other way round. */
static void check_history(const struct sw_flow *f)
{
    static const char once[] = "ADIQadiq";
    const char *flip = memchr(f->hist, '^', f->hist_len);

    holds(f->hist_len <= SW_HIST_MAX, "history of %u", f->hist_len);
    for (int i = 0; i < f->hist_len; i++)
        holds(strchr("ShHADFRQICTWGshadfrqictwgc^", f->hist[i]) && f->hist[i], "letter %d", f->hist[i]);
    holds(!(f->flags & SW_F_HIST_FULL) || f->hist_len == SW_HIST_MAX, "full with %u letters", f->hist_len);
    if (flip && flip != f->hist)
        return;
    for (int i = 0; once[i]; i++) {
        const char *first = memchr(f->hist, once[i], f->hist_len);

        holds(!first || !memchr(first + 1, once[i], f->hist + f->hist_len - first - 1), "%.*s", f->hist_len, f->hist);
    }
}

static bool has(const struct sw_flow *f, const char *letters)
{
    for (int i = 0; i < f->hist_len; i++)
        if (strchr(letters, f->hist[i]))
            return true;
    return f->flags & SW_F_HIST_FULL;
}

/* conn_state and history are consistent. */
static void check_conn_state(const struct sw_flow *f)
{
    enum sw_conn_state state = sw_zeek_conn_state(f);

    holds(state < SW_CS_MAX, "conn_state %d", state);
    switch (state) {
    /* H and S are one letter in two forms: a SYN with the number of a SYN-ACK of the same side adds none */
    case SW_CS_S0: holds(has(f, "SH") && !has(f, "hfriq"), "S0 of %.*s", f->hist_len, f->hist); break;
    case SW_CS_SF: holds(has(f, "FIQ^") && has(f, "fiq^"), "SF of %.*s", f->hist_len, f->hist); break;
    case SW_CS_REJ:
    case SW_CS_RSTR: holds(has(f, "riq^"), "%d of %.*s", state, f->hist_len, f->hist); break;
    case SW_CS_RSTO: holds(has(f, "RIQ^"), "RSTO of %.*s", f->hist_len, f->hist); break;
    default: break;
    }
}

static void check_told(struct play *p, const struct sw_event *ev)
{
    const __u32 ends = 1u << SW_EV_CLOSED | 1u << SW_EV_RESET | 1u << SW_EV_REFUSED | 1u << SW_EV_TIMEOUT;
    const __u32 once = ends | 1u << SW_EV_OPENING | 1u << SW_EV_ESTABLISHED | 1u << SW_EV_HALF_CLOSED |
                       1u << SW_EV_REUSED | 1u << SW_EV_MIDSTREAM;
    const struct sw_flow *f = &ev->flow;

    holds(!(once & p->emitted & 1u << ev->kind), "kind %u emitted twice", ev->kind);
    holds(ev->kind != SW_EV_ANOMALY || (ev->anomaly && ev->anomaly < SW_AN_MAX), "anomaly %u", ev->anomaly);
    p->emitted |= 1u << ev->kind;
    if (ev->anomaly == SW_AN_RST_IGNORED) /* the end was none */
        p->emitted &= ~(1u << SW_EV_RESET | 1u << SW_EV_REFUSED);
    check_conn_state(f);
    if (ev->kind == SW_EV_ESTABLISHED)
        check_established(p, f);
    if (ev->kind != SW_EV_CONN)
        return;
    holds(__builtin_popcount(p->emitted & ends) <= 1, "ended twice: kinds %x", p->emitted);
    holds(f->flags & SW_F_ENDED && f->reason != SW_WHY_NONE && f->reason < SW_WHY_MAX, "over: %x, reason %u", f->flags,
          f->reason);
    holds(f->end[0].pkts + f->end[1].pkts > 0, "a conn record without packets");
    holds(p->conns < p->fast.created, "more conn records than flows");
    p->conns++;
    p->emitted = 0;
    for (int side = 0; side < 2; side++) {
        p->booked.pkts += f->end[side].pkts;
        p->booked.ip_bytes += f->end[side].ip_bytes;
        p->booked.payload += f->end[side].payload;
    }
}

static void check_side(const struct sw_flow *f, int side)
{
    const struct sw_end *e = &f->end[side], *peer = &f->end[!side];

    holds(e->state < SW_ST_MAX && e->zstate <= SW_Z_RESET, "state %u, %u", e->state, e->zstate);
    holds(e->state == SW_ST_LISTEN || e->did & SW_E_SEEN || peer->did & SW_E_SEEN || f->flags & SW_F_MIDSTREAM,
          "left LISTEN without a segment");
    holds(e->did & SW_E_SEEN || !e->pkts || e->bad_csum == e->pkts, "packets of an unseen side");
    for (int i = 0; i < SW_OOO; i++)
        holds(e->ooo[i][0] == e->ooo[i][1] || (__s32)(e->ooo[i][1] - e->ooo[i][0]) > 0, "block %d: %u to %u", i,
              e->ooo[i][0], e->ooo[i][1]);
    if (f->flags & (SW_F_MIDSTREAM | SW_F_INFERRED))
        return;
    holds(e->state == SW_ST_LISTEN || e->did & (SW_E_SYN | SW_E_FIN) || peer->did & SW_E_FIN || f->flags & SW_F_ENDED,
          "in state %u without a SYN", e->state);
    holds(!(e->did & SW_E_SYN_ACKED) || e->did & SW_E_SYN, "a SYN acknowledged that was not sent");
    holds(!(e->did & SW_E_FIN_ACKED) || e->did & SW_E_FIN, "a FIN acknowledged that was not sent");
}

static void check_change(const struct sw_flow *b, const struct sw_flow *f)
{
    bool flipped = b->orig_is_b != f->orig_is_b;
    bool goes_on = b->flags & SW_F_ENDED &&
                   (b->reason == SW_WHY_RESET || b->reason == SW_WHY_REFUSED || b->reason == SW_WHY_ABORTED) &&
                   f->reason != b->reason; /* both ends ignored a RST */

    for (int side = 0; side < 2; side++) {
        const struct sw_end *now = &f->end[side], *then = &b->end[flipped ? !side : side];

        holds(now->pkts >= then->pkts && now->ip_bytes >= then->ip_bytes && now->payload >= then->payload &&
                  now->rexmit >= then->rexmit && now->gaps >= then->gaps && now->zero_win >= then->zero_win &&
                  now->bad_csum >= then->bad_csum && now->z_rexmit >= then->z_rexmit,
              "a counter of side %d went back", side);
        if (now->isn != then->isn) /* begun anew with another SYN: what was acknowledged was not this one */
            continue;
        holds(!(then->did & SW_E_FIN) || now->fin_seq == then->fin_seq, "a FIN at %u, then at %u", then->fin_seq,
              now->fin_seq);
        holds(!(then->did & ~now->did & ~(goes_on ? SW_E_RST : 0)), "side %d: did %02x became %02x", side, then->did,
              now->did);
    }
    holds(f->syn_rexmit >= b->syn_rexmit && f->synack_rexmit >= b->synack_rexmit, "a counter went back");
    holds(f->hist_len >= b->hist_len && !memcmp(f->hist, b->hist, b->hist_len), "history %.*s became %.*s", b->hist_len,
          b->hist, f->hist_len, f->hist);
    holds(f->last_ns >= b->last_ns, "the clock of a flow went back");
    holds(!(b->flags & SW_F_ESTABLISHED) || f->flags & SW_F_ESTABLISHED, "no longer established");
    holds(goes_on || !(b->flags & SW_F_ENDED) || (f->flags & SW_F_ENDED && f->reason == b->reason), "no longer over");
    holds(!b->closed_by || flipped || goes_on || f->closed_by == b->closed_by || f->closed_by == 3,
          "closed by %u, then %u", b->closed_by, f->closed_by);
}

/* All of a flow's records up to its last but anomalies are in one ring, and come before those of the flow that follows
 * it. */
static void check_records(struct play *p)
{
    size_t at[SW_RINGS] = {0};

    for (int ring = 0; ring <= SW_RING_OPEN; ring++) {
        const struct sw_event *ev = p->fast.events[ring];
        size_t n = p->fast.n_events[ring];

        while (n && ev[n - 1].kind != SW_EV_CONN)
            n--;
        for (; at[ring] < n; at[ring]++)
            check_told(p, &ev[at[ring]]);
    }
    for (int ring = SW_RING_OPEN; ring >= 0; ring--)
        for (; at[ring] < p->fast.n_events[ring]; at[ring]++)
            check_told(p, &p->fast.events[ring][at[ring]]);
    for (size_t i = 0; i < p->fast.n_events[SW_RING_ANOMALY]; i++)
        check_told(p, &p->fast.events[SW_RING_ANOMALY][i]);
}

static void check(struct play *p)
{
    struct sw_flow *f = &p->fast.flow;

    for (int ring = 0; ring < SW_RINGS; ring++) {
        holds(p->fast.n_events[ring] == p->slow.n_events[ring], "the fast path emits more or less");
        holds(!memcmp(p->fast.events[ring], p->slow.events[ring], p->slow.n_events[ring] * sizeof(struct sw_event)),
              "the fast path emits something else");
    }
    check_records(p);
    holds(p->fast.where == p->slow.where, "the fast path moves a flow");
    if (p->fast.where) {
        holds(!memcmp(f, &p->slow.flow, sizeof(*f)), "the fast path leaves another flow");
        for (int side = 0; side < 2; side++)
            check_side(f, side);
        check_history(f);
        check_conn_state(f);
        if (p->was && p->fast.created == p->created)
            check_change(&p->before, f);
        p->before = *f;
    }
    p->was = p->fast.where;
    p->created = p->fast.created;
    model_clear(&p->fast);
    model_clear(&p->slow);
}

static void sweep(struct play *p, __u64 flush)
{
    model_sweep(&p->fast, p->now, flush);
    model_sweep(&p->slow, p->now, flush);
    check(p);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    struct play *p = &play;
    struct sw_seg s;
    __u64 late;

    memset(p, 0, sizeof(*p));
    configure(p, fuzz_u8(&in));
    p->now = 1000000000000ull;
    for (int side = 0; side < 2; side++)
        p->isn[side] = p->next[side] = fuzz_u32(&in);
    for (size_t n = 0; n < SEGMENTS && fuzz_left(&in); n++) {
        __u8 how = next_segment(p, &in, &s);

        if (how & 16)
            sweep(p, 0);
        late = p->fast.late;
        model_segment(&p->fast, &s);
        hear(p, how & 1, &s, p->fast.late > late);
        model_segment(&p->slow, &s);
        check(p);
    }
    p->now += 1000000;
    sweep(p, 1);
    sweep(p, 2);
    holds(p->fast.where == BPFRUN_NOWHERE, "a flow is left after the flush");
    holds(p->conns == p->fast.created, "%llu conn records of %llu flows", p->conns, p->fast.created);
    holds(!memcmp(&p->fed, &p->booked, sizeof(p->fed)), "%llu packets, booked %llu; %llu bytes, booked %llu",
          p->fed.pkts, p->booked.pkts, p->fed.ip_bytes, p->booked.ip_bytes);
    return 0;
}
