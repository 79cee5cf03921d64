/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that have ended and whose `conn` has been emitted. Their segments may still come: a FIN again whose
 * acknowledgement was lost, a SYN-ACK again, the RST that answers one. They begin no connection, as long as TIME_WAIT
 * can last (RFC 9293 section 3.4.2); a SYN does. Pure.
 */
#ifndef SW_BPF_TCP_ENDED_H
#define SW_BPF_TCP_ENDED_H

#include "tcp/zeek.h"

/*
 * Did both ends, or a RST, end it? A connection that only timed out may go on, and a RST whose receiver was never seen
 * cannot be compared with what that expected.
 */
static __always_inline int sw_ended_for_good(const struct sw_flow *f)
{
    const struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    if (!(f->flags & SW_F_ESTABLISHED))
        return 0;
    if (f->reason == SW_WHY_RESET)
        return a->did & b->did & SW_E_SEEN;
    return f->reason == SW_WHY_FIN || a->did & b->did & SW_E_FIN;
}

/* Of an endpoint that was never seen, what the other one has acknowledged. */
static __always_inline void sw_ended_set_end(struct sw_ended *e, int i, const struct sw_end *me,
                                             const struct sw_end *peer)
{
    __u32 hi = me->did & SW_E_SEEN ? me->seq_hi : peer->ack, sent = hi - me->isn;

    e->seq_hi[i] = hi;
    e->back[i] = sent > SW_Z_JUMP && sent < 0x80000000 ? sent : SW_Z_JUMP;
}

static __always_inline void sw_ended_set(struct sw_ended *e, const struct sw_flow *f)
{
    __u32 a = f->orig_is_b ? SW_RESP : SW_ORIG, b = f->orig_is_b ? SW_ORIG : SW_RESP;

    sw_side_bound(a);
    sw_side_bound(b);
    e->ns = f->ended_ns;
    sw_ended_set_end(e, 0, &f->end[a], &f->end[b]);
    sw_ended_set_end(e, 1, &f->end[b], &f->end[a]);
}

/* Is it of this connection: by its numbers, nothing that the connection did not have at its end? */
static __always_inline int sw_ended_matches(const struct sw_ended *e, const struct sw_seg *s)
{
    __u32 hi = s->src_is_b ? e->seq_hi[1] : e->seq_hi[0], peer_hi = s->src_is_b ? e->seq_hi[0] : e->seq_hi[1];
    __u32 back = s->src_is_b ? e->back[1] : e->back[0], peer_back = s->src_is_b ? e->back[0] : e->back[1];

    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN || s->now > e->ns + SW_LATE_NS)
        return 0;
    return hi - s->seq <= back && hi - (s->seq + sw_seg_space(s)) <= back &&
           (!(s->flags & SW_TCP_ACK) || peer_hi - s->ack <= peer_back);
}

#endif
