/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of a connection: RST (RFC 5961) and FIN. Pure. */
#ifndef SW_BPF_TCP_FSM_CLOSE_H
#define SW_BPF_TCP_FSM_CLOSE_H

#include "tcp/verdict.h"
#include "tcp/window.h"

/* RFC 9293 section 3.10.7 and RFC 5961 section 3: would the receiver accept this RST? */
static __always_inline int sw_rst_acceptable(const struct sw_flow *f, enum sw_side d, const struct sw_seg *s,
                                             struct sw_out *o, __u32 sent)
{
    const enum sw_side other = d == SW_ORIG ? SW_RESP : SW_ORIG;
    const struct sw_end *me = &f->end[d], *peer = &f->end[other];
    __u32 lo, hi, win;

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
        return 1; /* no segment of the receiver was seen to compare with */
    lo = peer->ack;
    hi = sw_seq_diff(sent, lo) > 0 ? sent : lo;
    if (sw_seq_within(s->seq, lo, hi))
        return 1; /* between what the receiver acknowledged and what it may have received since */
    if (f->claimed[other] && s->seq == f->claimed[other] && sw_seq_diff(s->seq, lo) > 0)
        return 1; /* exactly what the receiver acknowledged, and its sender confirms */
    win = sw_window_at_most(peer, me);
    if (sw_seq_diff(s->seq, lo) >= 0 && (__u32)(s->seq - lo) < (win ? win : 65535u))
        sw_anomaly_add(o, SW_AN_RST_INEXACT); /* a challenge ACK follows */
    else
        sw_anomaly_add(o, SW_AN_RST_OUT_OF_WINDOW);
    return 0;
}

/* sent: one past the last sequence number that the RST's sender had used before it, so that a RST cannot validate
 * itself */
SW_STEP_FDSO_N(sw_fsm_rst, sent)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (f->flags & SW_F_ENDED)
        return 0; /* TIME_WAIT or ended: a late segment */
    if (!sw_rst_acceptable(f, d, s, o, sent)) {
        me->seq_hi = sent;
        return 0;
    }
    me->did |= SW_E_RST;
    f->rst_state = peer->state;
    if (!f->closed_by)
        f->closed_by = 1 + d;
    if (f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)) {
        sw_flow_set_ended(f, s->now, SW_WHY_RESET);
        o->events |= 1u << SW_EV_RESET;
    } else if (d == SW_ORIG) {
        sw_flow_set_ended(f, s->now, SW_WHY_ABORTED);
        o->events |= 1u << SW_EV_RESET;
    } else if (!(me->did & SW_E_SYN)) {
        sw_flow_set_ended(f, s->now, SW_WHY_REFUSED);
        o->events |= 1u << SW_EV_REFUSED;
    } else {
        sw_flow_set_ended(f, s->now, SW_WHY_RESET);
        o->events |= 1u << SW_EV_RESET;
    }
    me->state = peer->state = SW_ST_CLOSED;
    return 0;
}

SW_STEP_FDSO(sw_fsm_fin)
{
    struct sw_end *me, *peer;
    __u32 past = s->seq + s->len + 1;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (me->did & SW_E_FIN || f->flags & SW_F_ENDED)
        return 0; /* retransmitted */
    if (peer->did & SW_E_SEEN && peer->ack && sw_seq_diff(past, peer->ack) < 0 && f->flags & SW_F_ESTABLISHED)
        return 0; /* an old duplicate: more than this is acknowledged, and nothing follows a FIN */
    if (f->flags & SW_F_BEYOND) {
        sw_anomaly_add(o, SW_AN_SEQ_OUT_OF_WINDOW);
        return 0;
    }
    me->did |= SW_E_FIN;
    me->fin_seq = past;
    if (peer->did & SW_E_SEEN && peer->ack == past && f->flags & SW_F_ESTABLISHED)
        me->did |= SW_E_FIN_ACKED; /* its acknowledgement was seen first: the directions are not synchronised */
    if (peer->did & SW_E_FIN && peer->did & SW_E_FIN_ACKED)
        me->did |= SW_E_PASSIVE;
    else if (peer->did & SW_E_FIN)
        f->closed_by = 3; /* both, before either saw the other's */
    if (!f->closed_by)
        f->closed_by = 1 + d;
    return 0;
}

#endif
