/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state machine: one pure function over (flow, segment) -> (flow, events). States are what the
 * segments seen so far prove, not what an endpoint might already know:
 *
 *   A sends SYN                      A SYN_SENT       B LISTEN
 *   B's SYN-ACK acknowledges ISN+1   A SYN_SENT       B SYN_RECEIVED
 *   A acknowledges B's ISN+1         A ESTABLISHED    B ESTABLISHED
 *   A sends FIN                      A FIN_WAIT_1     B ESTABLISHED
 *   B acknowledges it                A FIN_WAIT_2     B CLOSE_WAIT
 *   B sends FIN                      A FIN_WAIT_2     B LAST_ACK
 *   A acknowledges it                A TIME_WAIT      B CLOSED
 *
 * So each endpoint's RFC 9293 state is a function of a few facts (SW_E_*), and simultaneous opens and
 * closes, three-segment closes and reordered FINs need no transitions of their own.
 */
#ifndef SW_FSM_H
#define SW_FSM_H

#include "zeek.h"

enum sw_verdict {
    SW_GO_ON,       /* the segment was taken into the flow */
    SW_NEW_FLOW,    /* it begins another connection: end this flow as reused, start anew; nothing was changed */
    SW_NEW_PENDING, /* it answers the pending SYN: the same, the new flow's SYN is in pend_* */
};

struct sw_out {
    __u32 events; /* 1 << enum sw_event_kind */
    __u8 anomaly; /* enum sw_anomaly, with SW_EV_ANOMALY */
    __u8 by;      /* enum sw_side of the sender */
    __u8 pad[2];
};

static __always_inline void sw_anomaly_add(struct sw_out *o, enum sw_anomaly a)
{
    o->events |= 1u << SW_EV_ANOMALY;
    if (!o->anomaly)
        o->anomaly = a;
}

/* RFC 9293 section 3.3.2, from facts */
static __always_inline __u8 sw_end_state(const struct sw_flow *f, const struct sw_end *me, const struct sw_end *peer)
{
    if (!(f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)) && !(me->did & SW_E_FIN) && !(peer->did & SW_E_FIN)) {
        if (!(me->did & SW_E_SYN))
            return SW_ST_LISTEN;
        return peer->did & SW_E_SYN && !(me->did & SW_E_SYN_ACKED) ? SW_ST_SYN_RECEIVED : SW_ST_SYN_SENT;
    }
    if (!(me->did & SW_E_FIN))
        return peer->did & SW_E_FIN && peer->did & SW_E_FIN_ACKED ? SW_ST_CLOSE_WAIT : SW_ST_ESTABLISHED;
    if (me->did & SW_E_FIN_ACKED) {
        if (!(peer->did & SW_E_FIN_ACKED))
            return SW_ST_FIN_WAIT_2;
        return me->did & SW_E_PASSIVE ? SW_ST_CLOSED : SW_ST_TIME_WAIT;
    }
    if (!(peer->did & SW_E_FIN_ACKED))
        return SW_ST_FIN_WAIT_1;
    return me->did & SW_E_PASSIVE ? SW_ST_LAST_ACK : SW_ST_CLOSING;
}

static __always_inline void sw_over(struct sw_flow *f, __u64 now, enum sw_reason why)
{
    f->flags |= SW_F_OVER;
    f->over_ns = now;
    f->reason = why;
}

/*
 * Does a SYN on this flow begin another connection? On a live one it may be spoofed, so it waits for
 * the answer (RFC 5961 section 4): a challenge ACK keeps the old connection, a SYN-ACK that
 * acknowledges it proves the new one.
 */
static __always_inline enum sw_verdict sw_fsm_syn(struct sw_flow *f, enum sw_side d, const struct sw_seg *s,
                                                  struct sw_out *o)
{
    struct sw_end *me = &f->end[d], *peer = &f->end[d == SW_ORIG ? SW_RESP : SW_ORIG];

    if (me->did & SW_E_SYN && s->seq == me->isn && !(f->flags & SW_F_OVER))
        return SW_GO_ON; /* a retransmission, or an old duplicate */
    if (f->flags & SW_F_OVER && (f->reason != SW_WHY_FIN || !(me->did & SW_E_SYN) || s->seq != me->isn))
        return SW_NEW_FLOW; /* after a RST also with the same ISN: some stacks try again so */
    if (f->flags & SW_F_NO_EGRESS && !(peer->did & SW_E_SEEN) && me->did & SW_E_FIN)
        return SW_NEW_FLOW; /* one-sided: the end of the old one could not be seen */
    if (f->flags & (SW_F_ESTABLISHED | SW_F_OVER)) {
        f->flags |= SW_F_PENDING_SYN;
        f->pend_isn = s->seq;
        f->pend_side = d;
        if (!(f->flags & SW_F_OVER))
            sw_anomaly_add(o, SW_AN_SYN_IN_CONNECTION);
        return SW_GO_ON;
    }
    if (me->did & SW_E_SYN || f->flags & SW_F_MIDSTREAM)
        return SW_NEW_FLOW;
    return SW_GO_ON; /* the other side's SYN: simultaneous open or split handshake */
}

/* A segment that could begin another connection on this four-tuple. */
static __always_inline enum sw_verdict sw_fsm_renew(struct sw_flow *f, enum sw_side d, const struct sw_seg *s,
                                                    struct sw_out *o)
{
    __u16 kind = s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST | SW_TCP_FIN);

    if (kind == SW_TCP_SYN)
        return sw_fsm_syn(f, d, s, o);
    if (f->flags & SW_F_PENDING_SYN && f->pend_side == d && kind == SW_TCP_ACK && s->seq == f->end[d].seq_hi)
        f->flags &= ~SW_F_PENDING_SYN; /* its sender goes on with the old connection: the SYN was not its own */
    if (kind == (SW_TCP_SYN | SW_TCP_ACK) && f->flags & SW_F_PENDING_SYN && f->pend_side != d &&
        s->ack == f->pend_isn + 1)
        return SW_NEW_PENDING;
    /* one-sided: the answer is not seen, but whoever goes on from its SYN got one */
    if (kind == SW_TCP_ACK && f->flags & SW_F_PENDING_SYN && f->pend_side == d && f->flags & SW_F_NO_EGRESS &&
        !(f->end[d == SW_ORIG ? SW_RESP : SW_ORIG].did & SW_E_SEEN) && s->seq == f->pend_isn + 1)
        return SW_NEW_PENDING;
    return SW_GO_ON;
}

/* RFC 9293 section 3.10.7 and RFC 5961 section 3: is this RST one that its receiver obeys? */
static __always_inline int sw_rst_acceptable(const struct sw_flow *f, enum sw_side d, const struct sw_seg *s,
                                             struct sw_out *o, __u32 sent)
{
    const struct sw_end *me = &f->end[d], *peer = &f->end[d == SW_ORIG ? SW_RESP : SW_ORIG];
    __u32 lo, hi;

    if (!(f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM))) {
        if (me->did & SW_E_SYN) { /* its own SYN was seen: the RST must follow it */
            if (sw_seq_within(s->seq, me->isn + 1, sent))
                return 1;
            sw_anomaly_add(o, SW_AN_RST_OUT_OF_WINDOW);
            return 0;
        }
        if (!(s->flags & SW_TCP_ACK) || !sw_seq_within(s->ack, peer->isn + 1, peer->seq_hi)) {
            sw_anomaly_add(o, SW_AN_RST_BAD_ACK); /* SYN_SENT: only a RST that acknowledges the SYN */
            return 0;
        }
        return 1;
    }
    if (!(peer->did & SW_E_SEEN) || !peer->ack)
        return 1; /* nothing of the receiver was seen to judge by */
    lo = peer->ack;
    hi = sw_seq_diff(sent, lo) > 0 ? sent : lo;
    if (sw_seq_within(s->seq, lo, hi))
        return 1; /* between what the receiver acknowledged and what it may have received since */
    if (sw_seq_diff(s->seq, lo) >= 0 && (__u32)(s->seq - lo) < (peer->win ? peer->win : 65535u))
        sw_anomaly_add(o, SW_AN_RST_INEXACT); /* a challenge ACK follows */
    else
        sw_anomaly_add(o, SW_AN_RST_OUT_OF_WINDOW);
    return 0;
}

/* sent: one past what the RST's sender had sent before it, so that no RST can vouch for itself */
SW_STEP int sw_fsm_rst(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o, __u32 sent)
{
    struct sw_end *me, *peer;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (f->flags & SW_F_OVER)
        return 0; /* TIME_WAIT and after: a late segment */
    if (!sw_rst_acceptable(f, d, s, o, sent)) {
        me->seq_hi = sent;
        return 0;
    }
    me->did |= SW_E_RST;
    f->rst_state = peer->state;
    if (!f->closed_by)
        f->closed_by = 1 + d;
    if (f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)) {
        sw_over(f, s->now, SW_WHY_RESET);
        o->events |= 1u << SW_EV_RESET;
    } else if (d == SW_ORIG) {
        sw_over(f, s->now, SW_WHY_ABORTED);
        o->events |= 1u << SW_EV_RESET;
    } else if (!(me->did & SW_E_SYN)) {
        sw_over(f, s->now, SW_WHY_REFUSED);
        o->events |= 1u << SW_EV_REFUSED;
    } else {
        sw_over(f, s->now, SW_WHY_RESET);
        o->events |= 1u << SW_EV_RESET;
    }
    me->state = peer->state = SW_ST_CLOSED;
    return 0;
}

static __always_inline void sw_syn_options(struct sw_end *me, const struct sw_seg *s)
{
    me->mss = s->mss;
    me->wscale = s->wscale;
    me->opts = s->opts;
    me->ecn = (s->flags & SW_TCP_ECE ? SW_ECN_ECE : 0) | (s->flags & SW_TCP_CWR ? SW_ECN_CWR : 0) |
              (s->flags & SW_TCP_AE ? SW_ECN_AE : 0);
    me->syn_len = s->len;
}

/* A SYN without ACK, not a new connection (sw_fsm_syn has judged). */
SW_STEP int sw_fsm_take_syn(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me, *peer;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (f->flags & (SW_F_OVER | SW_F_PENDING_SYN | SW_F_MIDSTREAM))
        return 0;                   /* midstream only a SYN with FIN comes here: it opens nothing */
    if (me->more & SW_M_INFERRED) { /* overtaken by its SYN-ACK: options, but no time to measure from */
        me->more &= ~SW_M_INFERRED;
        sw_syn_options(me, s);
        return 0;
    }
    if (me->did & SW_E_SYN) {
        if (f->syn_rexmit < 0xffff)
            f->syn_rexmit++;
        return 0;
    }
    me->did |= SW_E_SYN;
    sw_syn_options(me, s);
    if (s->len)
        f->flags |= SW_F_SYN_DATA;
    if (!f->syn_ns)
        f->syn_ns = s->now;
    if (peer->did & SW_E_SYN) {
        if (f->flags & SW_F_FLIPPED || peer->more & SW_M_SYNACK)
            return 0; /* the SYN that its SYN-ACK overtook */
        if (me->did & SW_E_SEEN) {
            f->flags |= SW_F_SPLIT;
            sw_anomaly_add(o, SW_AN_SPLIT_HANDSHAKE);
        } else {
            f->flags |= SW_F_SIMULTANEOUS; /* or a split handshake: the answer to the SYN-ACK tells */
        }
    } else {
        o->events |= 1u << SW_EV_OPENING;
    }
    return 0;
}

/* A SYN-ACK. Returns false if its acknowledgement proves nothing. */
SW_STEP int sw_fsm_synack(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me, *peer;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (f->flags & (SW_F_OVER | SW_F_MIDSTREAM))
        return 0;
    if (!(peer->did & SW_E_SYN)) { /* the SYN was not seen: the SYN-ACK proves it */
        peer->did |= SW_E_SYN;
        peer->more |= SW_M_INFERRED;
        if (!(peer->did & SW_E_INIT))
            sw_end_start(peer, s->ack - 1, s->ack);
        if (sw_seq_diff(s->ack, peer->seq_hi) > 0)
            peer->seq_hi = s->ack;
        f->flags |= SW_F_INFERRED;
        if (!(me->did & SW_E_SYN)) /* else its own SYN has opened */
            o->events |= 1u << SW_EV_OPENING;
    } else if (!sw_seq_within(s->ack, peer->isn + 1, peer->seq_hi)) {
        sw_anomaly_add(o, SW_AN_SYNACK_BAD_ACK);
        return 0;
    }
    if (me->more & SW_M_SYNACK) {
        if (f->synack_rexmit < 0xffff)
            f->synack_rexmit++;
        if (s->seq != me->isn) {
            sw_anomaly_add(o, SW_AN_SYNACK_NEW_ISN);
            if (!(f->flags & SW_F_ESTABLISHED)) {
                sw_end_restart(me, s->seq, s->seq + sw_seg_space(s));
                sw_syn_options(me, s);
            }
        }
        return s->seq == me->isn;
    }
    me->more |= SW_M_SYNACK;
    if (!(me->did & SW_E_SYN)) {
        me->did |= SW_E_SYN;
        sw_syn_options(me, s);
    }
    if (!f->synack_ns)
        f->synack_ns = s->now;
    return 1;
}

/* What an acknowledgement proves of the peer. */
SW_STEP int sw_fsm_ack(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me, *peer;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (peer->did & SW_E_SYN && !(peer->did & SW_E_SYN_ACKED)) {
        if (sw_seq_within(s->ack, peer->isn + 1, peer->seq_hi))
            peer->did |= SW_E_SYN_ACKED;
        else if (!(f->flags & (SW_F_ESTABLISHED | SW_F_OVER)))
            sw_anomaly_add(o, SW_AN_ACK_BAD);
    }
    if (peer->did & SW_E_FIN && !(peer->did & SW_E_FIN_ACKED) && sw_seq_within(s->ack, peer->fin_seq, peer->seq_hi))
        peer->did |= SW_E_FIN_ACKED;
    if (!(f->flags & SW_F_NO_EGRESS) || peer->did & SW_E_SEEN)
        return 0;
    /* One-sided view: whoever goes on after its SYN was answered; whoever acknowledges after its FIN was, too. */
    if (me->did & SW_E_SYN && !(me->did & SW_E_SYN_ACKED) && s->seq == me->isn + 1 + me->syn_len) {
        me->did |= SW_E_SYN_ACKED;
        peer->did |= SW_E_SYN | SW_E_SYN_ACKED;
        peer->more |= SW_M_INFERRED;
        f->flags |= SW_F_INFERRED;
    }
    if (me->did & SW_E_FIN && s->seq == me->fin_seq && !(s->flags & SW_TCP_FIN) && !s->len) {
        me->did |= SW_E_FIN_ACKED;
        peer->did |= SW_E_FIN | SW_E_FIN_ACKED | SW_E_PASSIVE;
        peer->fin_seq = s->ack;
        f->flags |= SW_F_INFERRED;
    }
    return 0;
}

SW_STEP int sw_fsm_fin(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me, *peer;
    __u32 past = s->seq + s->len + 1;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (me->did & SW_E_FIN || f->flags & SW_F_OVER)
        return 0; /* retransmitted */
    if (peer->did & SW_E_SEEN && peer->ack && sw_seq_diff(past, peer->ack) < 0 && f->flags & SW_F_ESTABLISHED)
        return 0; /* an old duplicate: more than this is acknowledged, and nothing follows a FIN */
    if (peer->win && sw_seq_diff(s->seq, peer->ack + peer->win) > 0 && f->flags & SW_F_ESTABLISHED &&
        !(f->flags & SW_F_MIDSTREAM)) {
        sw_anomaly_add(o, SW_AN_SEQ_OUT_OF_WINDOW);
        return 0;
    }
    me->did |= SW_E_FIN;
    me->fin_seq = past;
    if (peer->did & SW_E_SEEN && peer->ack == past && f->flags & SW_F_ESTABLISHED)
        me->did |= SW_E_FIN_ACKED; /* its acknowledgement was seen first: the two directions are not in step */
    if (peer->did & SW_E_FIN && peer->did & SW_E_FIN_ACKED)
        me->did |= SW_E_PASSIVE;
    else if (peer->did & SW_E_FIN)
        f->closed_by = 3; /* both, before either knew */
    if (!f->closed_by)
        f->closed_by = 1 + d;
    return 0;
}

SW_STEP int sw_fsm_oddities(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me;
    __u16 c;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    c = s->flags & (SW_TCP_FIN | SW_TCP_SYN | SW_TCP_RST | SW_TCP_PSH | SW_TCP_ACK | SW_TCP_URG);
    if (s->flags & SW_TCP_FIN && s->flags & SW_TCP_RST)
        sw_anomaly_add(o, SW_AN_FIN_RST);
    else if (s->flags & SW_TCP_SYN && s->flags & SW_TCP_FIN)
        sw_anomaly_add(o, SW_AN_SYN_FIN);
    else if (s->flags & SW_TCP_SYN && s->flags & SW_TCP_RST)
        sw_anomaly_add(o, SW_AN_SYN_RST);
    else if (!c)
        sw_anomaly_add(o, SW_AN_NULL_SCAN);
    else if (c == (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG))
        sw_anomaly_add(o, SW_AN_XMAS_SCAN);
    else if (s->len && me->did & SW_E_RST)
        sw_anomaly_add(o, SW_AN_DATA_AFTER_RESET);
    else if (s->len && me->did & SW_E_FIN && sw_seq_diff(s->seq + s->len, me->fin_seq) >= 0 && !(s->flags & SW_TCP_FIN))
        sw_anomaly_add(o, SW_AN_DATA_AFTER_FIN);
    if (s->bad_opt)
        sw_anomaly_add(o, SW_AN_BAD_OPTION);
    return 0;
}

/* The advertised window; taking back what was granted is an anomaly (RFC 9293 section 3.8.6.2.1). */
SW_STEP int sw_fsm_window(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me, *peer;
    __s32 advance;
    __u32 win;
    __u8 shift;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    shift = s->flags & SW_TCP_SYN ? 0 : me->zscale & 15;
    win = (__u32)s->win << shift;
    if (s->flags & (SW_TCP_FIN | SW_TCP_RST) || !(s->flags & SW_TCP_ACK) || f->flags & SW_F_OVER)
        return 0;
    if (peer->did & SW_E_SEEN && !sw_end_sent(peer, s->ack - 1))
        return 0; /* acknowledges what was never sent: its window means nothing either */
    if (s->seq != me->seq_hi && !sw_end_sent(me, s->seq))
        return 0; /* from nowhere near */
    if (me->win && !(s->flags & SW_TCP_SYN) &&
        (sw_seq_diff(s->seq, me->win_seq) < 0 || sw_seq_diff(s->ack, me->win_ack) < 0))
        return 0; /* older than what is known */
    advance = sw_seq_diff(s->ack + win, me->win_ack + me->win);
    if (me->win && advance <= -(1 << shift) && !(s->flags & SW_TCP_SYN) && !(me->did & SW_E_FIN) &&
        f->flags & SW_F_ESTABLISHED && me->more & SW_M_WINDOW)
        sw_anomaly_add(o, SW_AN_WINDOW_RECISION);
    if (!(s->flags & SW_TCP_SYN))
        me->more |= SW_M_WINDOW;
    me->win = win;
    me->win_seq = s->seq;
    me->win_ack = s->ack;
    return 0;
}

SW_STEP int sw_fsm_progress(struct sw_flow *f, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *a, *b;
    const __u8 open = SW_E_SYN | SW_E_SYN_ACKED, shut = SW_E_FIN | SW_E_FIN_ACKED;

    if (!f || !s || !o)
        return 0;
    a = &f->end[SW_ORIG];
    b = &f->end[SW_RESP];
    if (f->flags & SW_F_OVER)
        return 0;
    if (!(f->flags & SW_F_ESTABLISHED)) {
        if (f->flags & SW_F_MIDSTREAM) {
            if (a->did & SW_E_SEEN && b->did & SW_E_SEEN)
                f->flags |= SW_F_ESTABLISHED;
        } else if ((a->did & open) == open && (b->did & open) == open) {
            f->flags |= SW_F_ESTABLISHED;
            f->est_ns = s->now;
            o->events |= 1u << SW_EV_ESTABLISHED;
            if (f->flags & SW_F_SIMULTANEOUS) {
                if (a->more & b->more & SW_M_SYNACK) {
                    sw_anomaly_add(o, SW_AN_SIMULTANEOUS_OPEN);
                } else {
                    f->flags ^= SW_F_SIMULTANEOUS | SW_F_SPLIT;
                    sw_anomaly_add(o, SW_AN_SPLIT_HANDSHAKE);
                }
            }
        }
    }
    a->state = sw_end_state(f, a, b);
    b->state = sw_end_state(f, b, a);
    if ((a->did & shut) == shut && (b->did & shut) == shut) {
        sw_over(f, s->now, SW_WHY_FIN);
        o->events |= 1u << SW_EV_CLOSED;
    } else if (!(f->flags & SW_F_HALF_CLOSED_TOLD) && ((a->did & shut) == shut || (b->did & shut) == shut) &&
               !(a->did & b->did & SW_E_FIN)) {
        f->flags |= SW_F_HALF_CLOSED_TOLD;
        o->events |= 1u << SW_EV_HALF_CLOSED;
    }
    return 0;
}

/* SYN seen after its SYN-ACK: the endpoints were taken the wrong way round. */
SW_STEP int sw_flow_flip(struct sw_flow *f)
{
    __u64 *a, *b;

    if (!f)
        return 0;
    a = (__u64 *)&f->end[SW_ORIG];
    b = (__u64 *)&f->end[SW_RESP];
    for (unsigned int i = 0; i < sizeof(struct sw_end) / sizeof(*a); i++) { /* 128 bytes are dear on the BPF stack */
        __u64 tmp = a[i];

        a[i] = b[i];
        b[i] = tmp;
    }
    f->orig_is_b = !f->orig_is_b;
    f->flags ^= SW_F_FLIPPED;
    f->direction_by = SW_BY_FLIPPED;
    if (f->closed_by == 1 || f->closed_by == 2)
        f->closed_by = 3 - f->closed_by;
    sw_hist_add(f, SW_ORIG, '^');
    return 0;
}

SW_STEP int sw_fsm_control(struct sw_flow *f, __u32 d, const struct sw_seg *s, struct sw_out *o, __u32 sent)
{
    int synack_ok = 1;

    if (!f || !s || !o)
        return 0;
    sw_side_bound(d);
    if (s->flags & SW_TCP_RST) {
        sw_fsm_rst(f, d, s, o, sent);
        return 0;
    }
    if (s->flags & SW_TCP_SYN) {
        if (s->flags & SW_TCP_ACK)
            synack_ok = sw_fsm_synack(f, d, s, o);
        else
            sw_fsm_take_syn(f, d, s, o);
    }
    if (s->flags & SW_TCP_ACK && synack_ok)
        sw_fsm_ack(f, d, s, o);
    if (s->flags & SW_TCP_FIN && !(s->flags & SW_TCP_SYN))
        sw_fsm_fin(f, d, s, o);
    return 0;
}

/*
 * Takes one segment into the flow. On SW_NEW_FLOW and SW_NEW_PENDING the flow is as before, and the
 * caller ends it. o->events says what to tell, in the order of enum sw_event_kind.
 */
SW_STEP int sw_fsm_step(struct sw_flow *f, const struct sw_seg *s, struct sw_out *o)
{
    struct sw_end *me;
    int first, flip, known;
    __u32 d, sent;

    if (!f || !s || !o)
        return SW_GO_ON;
    d = sw_flow_side(f, s);
    sw_side_bound(d);
    me = &f->end[d];
    first = !(f->end[SW_ORIG].did & SW_E_SEEN) && !(f->end[SW_RESP].did & SW_E_SEEN);

    o->by = d;
    if (!s->bad_csum && !first) {
        enum sw_verdict v = sw_fsm_renew(f, d, s, o);

        if (v != SW_GO_ON)
            return v;
    }
    me->pkts += s->pkts;
    me->ip_bytes += s->ip_bytes;
    me->payload += s->len;
    f->last_ns = s->now;
    if (s->bad_csum) { /* its receiver drops it, so it changes nothing */
        sw_hist_scaled(f, d, &me->bad_csum, 'C');
        if (me->bad_csum == 1)
            sw_anomaly_add(o, SW_AN_BAD_CHECKSUM);
        return SW_GO_ON;
    }
    if (s->frag)
        f->flags |= SW_F_FRAGMENTED;
    sw_fsm_oddities(f, d, s, o);
    if (f->flags & SW_F_PENDING_SYN && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN) {
        sw_hist_once(f, d, SW_H_SYN, 'S');
    } else {
        known = me->did & SW_E_INIT;
        sent = me->seq_hi;
        flip = sw_zeek_step(f, d, s);
        if (flip) {
            sw_flow_flip(f);
            d ^= 1;
            o->by = d;
            me = &f->end[d];
        }
        sw_fsm_window(f, d, s, o);
        sw_fsm_control(f, d, s, o, known ? sent : me->seq_hi);
    }
    me->did |= SW_E_SEEN;
    if (first && f->flags & SW_F_MIDSTREAM)
        o->events |= 1u << SW_EV_MIDSTREAM;
    sw_fsm_progress(f, s, o);
    return SW_GO_ON;
}

/*
 * In-order data or a plain acknowledgement on an established flow, which changes nothing but its own
 * direction's fields: no lock. Returns false (nothing changed) if the whole machine must see it.
 * The one race it allows: flags or the peer's nxt changing at this moment on another CPU, whose worst
 * case is one segment counted by the state of a microsecond before.
 */
static __always_inline int sw_fsm_fast(struct sw_flow *f, const struct sw_seg *s)
{
    struct sw_end *me, *peer;
    __u32 d, win;
    __u16 seen;

    if (!f || !s)
        return 0;
    d = sw_flow_side(f, s);
    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    seen = s->len ? SW_H_DATA : SW_H_ACK;
    win = (__u32)s->win << (me->zscale & 15);
    if ((s->flags & ~(SW_TCP_PSH | SW_TCP_ECE | SW_TCP_CWR | SW_TCP_AE)) != SW_TCP_ACK || s->bad_csum || s->frag ||
        s->cap != s->len || !s->win)
        return 0;
    if ((f->flags & (SW_F_ESTABLISHED | SW_F_OVER | SW_F_PENDING_SYN)) != SW_F_ESTABLISHED)
        return 0;
    if ((me->did | peer->did) & (SW_E_FIN | SW_E_RST) || !(me->did & SW_E_SEEN) || !(me->more & SW_M_WINDOW))
        return 0;
    if (!(f->hist_seen & (d == SW_RESP ? seen << 8 : seen)))
        return 0;
    if ((me->zstate != SW_Z_ESTABLISHED && me->zstate != SW_Z_PARTIAL) ||
        (peer->zstate != SW_Z_ESTABLISHED && peer->zstate != SW_Z_PARTIAL))
        return 0;
    if (peer->seq_hi != SW_READ_ONCE(peer->nxt))
        return 0; /* a hole at the peer's end, or one that was acknowledged */
    if (s->seq != me->seq_hi || s->seq != me->nxt || sw_seq_diff(s->ack, me->ack) < 0 ||
        !sw_end_sent(peer, s->ack - 1) || me->win_ack != me->ack)
        return 0;
    if (sw_seq_diff(s->ack + win, me->win_ack + me->win) < 0 || sw_seq_diff(s->seq, me->win_seq) < 0)
        return 0;
    me->pkts += s->pkts;
    me->ip_bytes += s->ip_bytes;
    me->payload += s->len;
    me->ack = s->ack;
    me->win = win;
    me->win_seq = s->seq;
    me->win_ack = s->ack;
    me->seq_hi = s->seq + s->len;
    SW_WRITE_ONCE(me->nxt, s->seq + s->len);
    if (s->now > f->last_ns) /* s->now may be of a coarser clock than the last control segment's */
        SW_WRITE_ONCE(f->last_ns, s->now);
    return 1;
}

#endif
