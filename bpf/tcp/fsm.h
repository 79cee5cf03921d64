/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state machine: one pure function over (flow, segment) -> (flow, events). States are those that the segments seen
 * so far prove; an endpoint may already be further:
 *
 *   A sends SYN                      A SYN_SENT       B LISTEN
 *   B's SYN-ACK acknowledges ISN+1   A SYN_SENT       B SYN_RECEIVED
 *   A acknowledges B's ISN+1         A ESTABLISHED    B ESTABLISHED
 *   A sends FIN                      A FIN_WAIT_1     B ESTABLISHED
 *   B acknowledges it                A FIN_WAIT_2     B CLOSE_WAIT
 *   B sends FIN                      A FIN_WAIT_2     B LAST_ACK
 *   A acknowledges it                A TIME_WAIT      B CLOSED
 *
 * So each endpoint's RFC 9293 state is a function of a few facts (SW_E_*), and simultaneous opens and closes,
 * three-segment closes and reordered FINs need no transitions of their own.
 */
#ifndef SW_BPF_TCP_FSM_H
#define SW_BPF_TCP_FSM_H

#include "tcp/fsm_close.h"
#include "tcp/fsm_open.h"

/*
 * Of a connection's anomalies the first of each kind is reported, and the 10th, 100th ... of all: one packet is cheaper
 * to send than its line is to write. An ignored RST always is: it takes back an end that was reported.
 */
SW_STEP_FSO(sw_fsm_ration_anomalies)
{
    __u32 kind = 1u << (o->anomaly & 31);

    if (!(o->events & 1u << SW_EV_ANOMALY))
        return 0;
    if (f->anomalies < ~0u)
        f->anomalies++;
    if (!sw_is_milestone(f->anomalies) && f->anomaly_kinds & kind && o->anomaly != SW_AN_RST_IGNORED)
        o->events &= ~(1u << SW_EV_ANOMALY);
    f->anomaly_kinds |= kind;
    return 0;
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

SW_STEP_FDSO(sw_fsm_check_flags)
{
    struct sw_end *me;
    __u16 c;

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
    if (s->len && (me->did & (SW_E_RST | SW_E_FIN)) == SW_E_RST && s->seq == me->isn + me->hist_rst) {
        me->more |= SW_M_AFTER_RST; /* it goes on where its RST was, which may have been forged */
        me->fin_seq = s->seq + s->len;
    }
    if (s->bad_opt)
        sw_anomaly_add(o, SW_AN_BAD_OPTION);
    return 0;
}

/* The advertised window; shrinking it is an anomaly (RFC 9293 section 3.8.6.2.1). */
SW_STEP_FDSO(sw_fsm_window)
{
    struct sw_end *me, *peer;
    __s32 advance;
    __u32 win;
    __u8 shift;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    shift = s->flags & SW_TCP_SYN ? 0 : me->zscale & 15;
    win = (__u32)s->win << shift;
    if (s->flags & (SW_TCP_FIN | SW_TCP_RST) || !(s->flags & SW_TCP_ACK) || f->flags & SW_F_ENDED)
        return 0;
    if (peer->did & SW_E_SEEN && !sw_end_sent(peer, s->ack - 1))
        return 0; /* acknowledges what was never sent: its window is not valid either */
    if (s->seq != me->seq_hi && !sw_end_sent(me, s->seq))
        return 0; /* not near the sender's sequence numbers */
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

/*
 * An acknowledgement of data that no segment has shown: kept as a claim, if its sender is where it was (a forger would
 * have to know its sequence number). It counts once the other side confirms it. before: seq_hi before the segment.
 */
SW_STEP_FDSO_N(sw_fsm_claim, before)
{
    struct sw_end *peer;

    sw_side_bound(d);
    peer = &f->end[d ^ 1];
    if ((s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK || !(f->flags & SW_F_ESTABLISHED))
        return 0;
    if (s->seq == before && sw_seq_diff(s->ack, peer->seq_hi) > 0)
        f->claimed[d] = s->ack;
    return 0;
}

/* Acknowledges where it is: in flight at most a megabyte, and a keepalive is one before (RFC 9293 section 3.8.4). */
static __always_inline int sw_end_agrees(const struct sw_end *e, __u32 ack)
{
    return e->did & SW_E_SEEN && ack && e->seq_hi + 1 - ack <= 1u << 20;
}

/*
 * A connection that was picked up midstream is like any other once its ends agree, as a capture shows them. Live, both
 * could be forged from outside: there it is this host that has to send on it, by the connection's socket. With an ACK
 * for a request, or from TIME_WAIT, the kernel answers any segment.
 */
static __always_inline void sw_fsm_prove_midstream(struct sw_flow *f, __u32 d, const struct sw_seg *s)
{
    const struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if ((f->flags & (SW_F_MIDSTREAM | SW_F_MIDSTREAM_PROVEN | SW_F_ENDED)) != SW_F_MIDSTREAM ||
        (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
        return;
    if ((s->hook == SW_HOOK_TC_EGRESS && !s->reply) || ((s->hook == SW_HOOK_REPLAY || f->flags & SW_F_NO_EGRESS) &&
                                                        sw_end_agrees(peer, s->ack) && sw_end_agrees(me, peer->ack)))
        f->flags |= SW_F_MIDSTREAM_PROVEN;
}

/* Does it acknowledge something that the peer has sent, its SYN at least? Else its receiver drops it. */
static __always_inline int sw_acks_peer(const struct sw_end *peer, const struct sw_seg *s)
{
    return s->ack - peer->isn - 1 <= peer->nxt - peer->isn - 1;
}

/*
 * The client has reset its handshake. The listener ignored that if it sends its SYN-ACK again (live, by this host: in a
 * capture that may have been on its way), or if the client acknowledges it after all and the listener goes on.
 */
static __always_inline int sw_abort_was_ignored(const struct sw_flow *f, const struct sw_end *me,
                                                const struct sw_end *peer, const struct sw_seg *s)
{
    const __u8 open = SW_E_SYN | SW_E_SYN_ACKED;

    if (s->flags & SW_TCP_SYN)
        return s->sent && s->seq == me->isn && f->synack_ns && f->synack_ns < s->now;
    return (me->did & peer->did & open) == open && sw_acks_peer(peer, s);
}

/*
 * What both ends do is stronger than what a RST claimed: its receiver ignored it if it completes the handshake, or
 * acknowledges data that came after it. True if the connection goes on.
 */
SW_STEP_FDSO(sw_fsm_rst_ignored)
{
    const __u8 open = SW_E_SYN | SW_E_SYN_ACKED;
    struct sw_end *me, *peer;
    int after, ignored;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    if ((s->flags & (SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK || !(peer->did & SW_E_RST))
        return 0;
    after = peer->more & SW_M_AFTER_RST && s->ack == peer->fin_seq;
    switch (f->reason) {
    case SW_WHY_ABORTED: ignored = sw_abort_was_ignored(f, me, peer, s); break;
    case SW_WHY_REFUSED:
        ignored = !(s->flags & SW_TCP_SYN) && (me->did & peer->did & open) == open && sw_acks_peer(peer, s);
        break;
    case SW_WHY_RESET: ignored = !(s->flags & SW_TCP_SYN) && after; break;
    default: ignored = 0;
    }
    if (!ignored)
        return 0;
    if (after && f->reason != SW_WHY_REFUSED) {
        peer->seq_hi = peer->nxt = s->ack;
        me->ack = s->ack;
    }
    peer->did &= ~SW_E_RST;
    peer->more &= ~SW_M_AFTER_RST;
    f->flags &= ~SW_F_ENDED;
    f->ended_ns = 0;
    f->reason = SW_WHY_NONE;
    f->closed_by = me->did & SW_E_FIN ? 1 + d : 0;
    sw_zeek_set(me, SW_Z_ESTABLISHED);
    sw_zeek_set(peer, SW_Z_ESTABLISHED);
    sw_anomaly_add(o, SW_AN_RST_IGNORED);
    o->anomaly = SW_AN_RST_IGNORED; /* before any other of this segment: it says that a logged end was none */
    return 1;
}

SW_STEP_FSO(sw_fsm_progress)
{
    struct sw_end *a, *b;
    const __u8 open = SW_E_SYN | SW_E_SYN_ACKED, shut = SW_E_FIN | SW_E_FIN_ACKED;

    a = &f->end[SW_ORIG];
    b = &f->end[SW_RESP];
    if (f->flags & SW_F_ENDED && !sw_fsm_rst_ignored(f, o->by, s, o))
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
    sw_fsm_prove_midstream(f, o->by, s);
    a->state = sw_end_state(f, a, b);
    b->state = sw_end_state(f, b, a);
    if ((a->did & shut) == shut && (b->did & shut) == shut) {
        sw_flow_set_ended(f, s->now, SW_WHY_FIN);
        o->events |= 1u << SW_EV_CLOSED;
    } else if (!(f->flags & SW_F_HALF_CLOSED_EMITTED) && ((a->did & shut) == shut || (b->did & shut) == shut) &&
               !(a->did & b->did & SW_E_FIN)) {
        f->flags |= SW_F_HALF_CLOSED_EMITTED;
        o->events |= 1u << SW_EV_HALF_CLOSED;
    }
    return 0;
}

/* The SYN was seen after its SYN-ACK: swaps originator and responder. */
SW_STEP_F(sw_flow_flip)
{
    __u64 *a, *b;

    a = (__u64 *)&f->end[SW_ORIG];
    b = (__u64 *)&f->end[SW_RESP];
    for (unsigned int i = 0; i < sizeof(struct sw_end) / sizeof(*a); i++) { /* 128 bytes are much on the BPF stack */
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

SW_STEP_FDSO_N(sw_fsm_control, sent)
{
    int synack_ok = 1;

    sw_side_bound(d);
    if (s->flags & SW_TCP_RST) {
        sw_fsm_rst(f, d, s, o, sent);
        return 0;
    }
    if (s->flags & SW_TCP_SYN) {
        if (s->flags & SW_TCP_ACK)
            synack_ok = sw_fsm_synack(f, d, s, o);
        else
            sw_fsm_record_syn(f, d, s, o);
    }
    if (s->flags & SW_TCP_ACK && synack_ok)
        sw_fsm_ack(f, d, s, o);
    if (s->flags & SW_TCP_FIN && !(s->flags & SW_TCP_SYN))
        sw_fsm_fin(f, d, s, o);
    return 0;
}

/*
 * Processes one segment of the flow. On SW_NEW_FLOW and SW_NEW_PENDING the flow is unchanged, and the caller ends it.
 * o->events are the events to emit, in the order of enum sw_event_kind.
 */
SW_STEP_FIRST(sw_fsm_step)
{
    struct sw_end *me;
    int first, flip, known;
    __u32 d, sent;

    if (!f || !s || !o)
        return SW_SAME_FLOW;
    d = sw_flow_side(f, s);
    sw_side_bound(d);
    me = &f->end[d];
    first = !(f->end[SW_ORIG].did & SW_E_SEEN) && !(f->end[SW_RESP].did & SW_E_SEEN);

    o->by = d;
    if (!s->bad_csum && !first) {
        enum sw_verdict v = sw_fsm_new_connection(f, d, s, o);

        if (v != SW_SAME_FLOW)
            return v;
    }
    me->pkts += s->pkts;
    me->ip_bytes += s->ip_bytes;
    me->payload += s->len;
    /* a SYN that waits may belong to the next connection */
    if (!(f->flags & SW_F_PENDING_SYN) || (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) != SW_TCP_SYN)
        f->last_ns = s->now;
    if (s->bad_csum) { /* its receiver drops it, so it changes nothing */
        sw_hist_scaled(f, d, &me->bad_csum, 'C');
        if (me->bad_csum == 1)
            sw_anomaly_add(o, SW_AN_BAD_CHECKSUM);
        sw_fsm_ration_anomalies(f, s, o);
        return SW_SAME_FLOW;
    }
    sw_fsm_check_flags(f, d, s, o);
    if (f->flags & SW_F_PENDING_SYN && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN) {
        sw_hist_once(f, d, SW_H_SYN, 'S');
    } else {
        if (SW_IF_NEEDED(f->end[d ^ 1].more & SW_M_OTHER_ISN))
            sw_fsm_choose_isn(f, d, s);
        if (SW_IF_NEEDED(f->flags & SW_F_FAR) && sw_fsm_settle_far(f, d, s))
            sw_zeek_data(f, f->flags & SW_F_FAR_RESP ? SW_RESP : SW_ORIG, f->far[0], f->far[1]);
        if (SW_IF_NEEDED(f->flags & SW_F_ESTABLISHED && s->seq != me->seq_hi))
            sw_fsm_beyond(f, d, s);
        if (s->frag && !(s->flags & SW_TCP_RST) && !(f->flags & SW_F_BEYOND))
            f->flags |= SW_F_FRAGMENTED;
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
        if (SW_IF_NEEDED(s->seq == sent && f->flags & SW_F_ESTABLISHED))
            sw_fsm_claim(f, d, s, o, sent);
        f->flags &= ~SW_F_BEYOND;
    }
    me->did |= SW_E_SEEN;
    f->local |= sw_local_end(s);
    if (first && f->flags & SW_F_MIDSTREAM)
        o->events |= 1u << SW_EV_MIDSTREAM;
    sw_fsm_progress(f, s, o);
    if (SW_IF_NEEDED(o->events & 1u << SW_EV_ANOMALY))
        sw_fsm_ration_anomalies(f, s, o);
    return SW_SAME_FLOW;
}

/*
 * In-order data or a plain acknowledgement on an established flow, which changes only the fields of its own direction:
 * no lock. Returns false (nothing changed) if the full state machine must process it. Allowed race: flags or the peer's
 * nxt change on another CPU at the same time; at worst one segment is counted by the previous state.
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
    if ((f->flags & (SW_F_ESTABLISHED | SW_F_ENDED | SW_F_PENDING_SYN | SW_F_FAR)) != SW_F_ESTABLISHED ||
        (f->flags & (SW_F_MIDSTREAM | SW_F_MIDSTREAM_PROVEN)) == SW_F_MIDSTREAM)
        return 0;
    if ((me->did | peer->did) & (SW_E_FIN | SW_E_RST) || !(me->did & SW_E_SEEN) || !(me->more & SW_M_WINDOW))
        return 0;
    if ((peer->did & (SW_E_SYN | SW_E_SYN_ACKED)) == SW_E_SYN)
        return 0;
    if (!(f->hist_seen & (d == SW_RESP ? seen << 8 : seen)))
        return 0;
    if (me->zstate == SW_Z_INACTIVE || peer->zstate == SW_Z_INACTIVE)
        return 0; /* the other Zeek states do not change; a FIN or RST that its receiver ignored may have set them */
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
