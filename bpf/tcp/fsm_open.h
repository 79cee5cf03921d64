/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The begin of a connection: SYN, SYN-ACK, their acknowledgements, and a SYN on an existing flow. Pure. */
#ifndef SW_BPF_TCP_FSM_OPEN_H
#define SW_BPF_TCP_FSM_OPEN_H

#include "tcp/verdict.h"
#include "tcp/zeek.h"

/*
 * Does a SYN on this flow begin another connection? On a live flow it may be spoofed, so the decision waits for the
 * reply (RFC 5961 section 4): a challenge ACK keeps the old connection, a SYN-ACK that acknowledges the SYN proves the
 * new one.
 */
SW_STEP_FDSO(sw_fsm_syn)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (me->more & SW_M_SYNACK && peer->more & SW_M_INFERRED && !(peer->did & SW_E_SEEN) &&
        !(f->flags & SW_F_NO_EGRESS)) {
        f->flags |= SW_F_PENDING_SYN; /* its sender claimed to be the responder: the other side knows better */
        f->pend_isn = s->seq;
        f->pend_side = d;
        return SW_SAME_FLOW;
    }
    if (me->did & SW_E_SYN && s->seq == me->isn && !(f->flags & SW_F_ENDED))
        return SW_SAME_FLOW; /* a retransmission, or an old duplicate */
    if (f->flags & SW_F_ENDED && (f->reason != SW_WHY_FIN || !(me->did & SW_E_SYN) || s->seq != me->isn))
        return SW_NEW_FLOW; /* after a RST also with the same ISN: some stacks retry with it */
    if (f->flags & SW_F_NO_EGRESS && !(peer->did & SW_E_SEEN) && me->did & SW_E_FIN)
        return SW_NEW_FLOW; /* one-sided: the end of the old connection could not be seen */
    if (f->flags & (SW_F_ESTABLISHED | SW_F_ENDED)) {
        f->flags |= SW_F_PENDING_SYN;
        f->pend_isn = s->seq;
        f->pend_side = d;
        if (!(f->flags & SW_F_ENDED))
            sw_anomaly_add(o, SW_AN_SYN_IN_CONNECTION);
        return SW_SAME_FLOW;
    }
    if (me->did & SW_E_SYN || f->flags & SW_F_MIDSTREAM)
        return SW_NEW_FLOW;
    return SW_SAME_FLOW; /* the other side's SYN: simultaneous open or split handshake */
}

/* Does the segment begin another connection on this four-tuple? */
static __always_inline enum sw_verdict sw_fsm_new_connection(struct sw_flow *f, enum sw_side d, const struct sw_seg *s,
                                                             struct sw_out *o)
{
    __u16 kind = s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST | SW_TCP_FIN);

    if (kind == SW_TCP_SYN)
        return sw_fsm_syn(f, d, s, o);
    if (f->flags & SW_F_PENDING_SYN && f->pend_side == d && kind == SW_TCP_ACK && s->seq == f->end[d].seq_hi)
        f->flags &= ~SW_F_PENDING_SYN; /* its sender continues the old connection: the SYN was spoofed */
    if (f->pend_side != d && kind == (SW_TCP_SYN | SW_TCP_ACK) && f->end[d].more & SW_M_INFERRED &&
        s->seq == f->end[d].isn)
        f->flags &= ~SW_F_PENDING_SYN; /* as the SYN-ACK said that was seen first: a simultaneous open */
    if (f->flags & SW_F_PENDING_SYN && f->pend_side != d && s->ack == f->pend_isn + 1 &&
        (kind == (SW_TCP_SYN | SW_TCP_ACK) || (kind == (SW_TCP_RST | SW_TCP_ACK) && !s->seq)))
        return SW_NEW_PENDING; /* the other side knows nothing of the old connection (RFC 9293 section 3.10.7.1) */
    /* one-sided: the SYN-ACK is not seen, but an endpoint that continues after its SYN received one */
    if (kind == SW_TCP_ACK && f->flags & SW_F_PENDING_SYN && f->pend_side == d && f->flags & SW_F_NO_EGRESS &&
        !(f->end[d == SW_ORIG ? SW_RESP : SW_ORIG].did & SW_E_SEEN) && s->seq == f->pend_isn + 1)
        return SW_NEW_PENDING;
    return SW_SAME_FLOW;
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

/* The SYN came after segments whose windows it scales. */
static __always_inline void sw_scale_late(struct sw_end *me, const struct sw_end *peer)
{
    if (!(me->opts & peer->opts & SW_OPT_WSCALE) || me->zscale)
        return;
    me->zscale = me->wscale > 14 ? 14 : me->wscale;
    if (me->more & SW_M_WINDOW)
        me->win <<= me->zscale & 15;
}

/* A SYN without ACK that begins no other connection (sw_fsm_syn has decided). */
SW_STEP_FDSO(sw_fsm_record_syn)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (f->flags & (SW_F_ENDED | SW_F_PENDING_SYN | SW_F_MIDSTREAM))
        return 0;                   /* midstream only a SYN with FIN comes here: it opens nothing */
    if (me->more & SW_M_INFERRED) { /* reordered behind its SYN-ACK: take the options, but not the time */
        me->more &= ~SW_M_INFERRED;
        sw_syn_options(me, s);
        if (f->flags & SW_F_ESTABLISHED)
            sw_scale_late(me, peer);
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
            return 0; /* the SYN, reordered behind its SYN-ACK */
        if (me->did & SW_E_SEEN) {
            f->flags |= SW_F_SPLIT;
            sw_anomaly_add(o, SW_AN_SPLIT_HANDSHAKE);
        } else {
            f->flags |= SW_F_SIMULTANEOUS; /* or a split handshake: the reply to the SYN-ACK decides */
        }
    } else {
        o->events |= 1u << SW_EV_OPENING;
    }
    return 0;
}

/* A SYN-ACK. Returns false if its acknowledgement is not valid. */
SW_STEP_FDSO(sw_fsm_synack)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    /* the RST may have been ignored, which the acknowledgement of this SYN-ACK shows, or this one if it comes again */
    if (f->flags & SW_F_MIDSTREAM ||
        (f->flags & SW_F_ENDED && f->reason != SW_WHY_REFUSED && (f->reason != SW_WHY_ABORTED || !s->sent)))
        return 0;
    if (!(peer->did & SW_E_SYN)) { /* the SYN was not seen: the SYN-ACK proves it */
        peer->did |= SW_E_SYN;
        peer->more |= SW_M_INFERRED;
        if (!(peer->did & SW_E_INIT))
            sw_end_start(peer, s->ack - 1, s->ack);
        if (sw_seq_diff(s->ack, peer->seq_hi) > 0)
            peer->seq_hi = s->ack;
        f->flags |= SW_F_INFERRED;
        if (!(me->did & SW_E_SYN)) /* else its own SYN has emitted `opening` */
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
                f->other_isn = me->isn;
                me->more |= SW_M_OTHER_ISN;
                sw_end_restart(me, s->seq, s->seq + sw_seg_space(s));
                sw_syn_options(me, s);
            }
        }
        return s->seq == me->isn;
    }
    me->more |= SW_M_SYNACK;
    if (!(me->did & SW_E_SYN)) {
        if (s->seq != me->isn) /* after a RST, from which its number was guessed */
            sw_end_restart(me, s->seq, s->seq + sw_seg_space(s));
        me->did |= SW_E_SYN;
        sw_syn_options(me, s);
    }
    if (!f->synack_ns)
        f->synack_ns = s->now;
    return 1;
}

/*
 * RFC 9293 section 3.10.7.4: in SYN-RECEIVED a segment outside the window is answered with an acknowledgement and
 * changes nothing. If the responder has sent data, it accepted a segment that was not seen here.
 */
SW_STEP_FDS(sw_fsm_acceptable)
{
    struct sw_end *me, *peer;
    __s32 off;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (!(me->did & SW_E_SYN) || (peer->more & (SW_M_SYNACK | SW_M_PAST_SYN_RCVD)) != SW_M_SYNACK || !peer->win ||
        s->flags & SW_TCP_SYN)
        return 1;
    off = sw_seq_diff(s->seq, peer->ack);
    return off < 0 ? off + (__s32)sw_seg_space(s) > 0 : !off || (__u32)off < peer->win;
}

/* Two SYN-ACKs had different ISNs: the one that is acknowledged counts. Before anything else uses the numbers. */
SW_STEP_FDS(sw_fsm_choose_isn)
{
    struct sw_end *peer;

    sw_side_bound(d);
    peer = &f->end[d ^ 1];
    if (!(peer->more & SW_M_OTHER_ISN) || f->flags & (SW_F_ESTABLISHED | SW_F_ENDED) ||
        (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK || s->ack != f->other_isn + 1)
        return 0;
    sw_end_start(peer, f->other_isn, f->other_isn + 1);
    peer->more &= ~SW_M_OTHER_ISN;
    return 0;
}

/*
 * The SYN-ACK was not seen, but both ends prove it: the originator has acknowledged it, and the responder goes on from
 * there and acknowledges the SYN.
 */
static __always_inline void sw_fsm_infer_synack(struct sw_flow *f, struct sw_end *me, struct sw_end *peer,
                                                const struct sw_seg *s)
{
    if (me->did & SW_E_SYN || !(peer->did & SW_E_SYN) || f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM | SW_F_ENDED) ||
        s->flags & (SW_TCP_SYN | SW_TCP_RST) || !peer->ack || s->seq != peer->ack ||
        !sw_seq_within(s->ack, peer->isn + 1, peer->seq_hi))
        return;
    me->did |= SW_E_SYN | SW_E_SYN_ACKED;
    me->more |= SW_M_INFERRED;
    peer->did |= SW_E_SYN_ACKED;
    f->flags |= SW_F_INFERRED;
}

/* What an acknowledgement proves of the peer. */
SW_STEP_FDSO(sw_fsm_ack)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if (!(f->flags & SW_F_ESTABLISHED) && me->more & SW_M_SYNACK && !(s->flags & (SW_TCP_SYN | SW_TCP_RST)) &&
        (s->len || sw_seq_diff(s->ack, peer->isn + 1 + peer->syn_len) > 0))
        me->more |= SW_M_PAST_SYN_RCVD;
    sw_fsm_infer_synack(f, me, peer, s);
    if (peer->did & SW_E_SYN && !(peer->did & SW_E_SYN_ACKED)) {
        if (!sw_fsm_acceptable(f, d, s))
            return 0;
        if (sw_seq_within(s->ack, peer->isn + 1, peer->seq_hi))
            peer->did |= SW_E_SYN_ACKED;
        else if (!(f->flags & (SW_F_ESTABLISHED | SW_F_ENDED)))
            sw_anomaly_add(o, SW_AN_ACK_BAD);
    }
    if (peer->did & SW_E_FIN && !(peer->did & SW_E_FIN_ACKED) && sw_seq_within(s->ack, peer->fin_seq, peer->seq_hi))
        peer->did |= SW_E_FIN_ACKED;
    if (!(f->flags & SW_F_NO_EGRESS) || peer->did & SW_E_SEEN)
        return 0;
    /* One-sided view: an endpoint that continues after its SYN received a SYN-ACK; one that acknowledges after its FIN
     * received the peer's FIN. */
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

#endif
