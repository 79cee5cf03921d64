/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that have ended and whose `conn` has been emitted. Their segments may still come: a FIN again whose
 * acknowledgement was lost, a SYN-ACK again, the RST that answers one. They begin no connection, as long as TIME_WAIT
 * can last (RFC 9293 section 3.4.2); a SYN does. Pure.
 */
#ifndef SW_BPF_TCP_ENDED_H
#define SW_BPF_TCP_ENDED_H

#include "tcp/zeek.h"

/* Did both ends, or a RST, end it? A connection that only timed out may go on. */
static __always_inline int sw_ended_for_good(const struct sw_flow *f)
{
    return f->flags & SW_F_ESTABLISHED && (f->reason == SW_WHY_FIN || f->reason == SW_WHY_RESET ||
                                           f->end[SW_ORIG].did & f->end[SW_RESP].did & SW_E_FIN);
}

static __always_inline void sw_ended_set(struct sw_ended *e, const struct sw_flow *f)
{
    __u32 a = f->orig_is_b ? SW_RESP : SW_ORIG, b = f->orig_is_b ? SW_ORIG : SW_RESP;

    sw_side_bound(a);
    sw_side_bound(b);
    e->ns = f->ended_ns;
    e->seq_hi[0] = f->end[a].seq_hi;
    e->seq_hi[1] = f->end[b].seq_hi;
}

/* Is it of this connection: by its numbers, nothing that the connection did not have at its end? */
static __always_inline int sw_ended_matches(const struct sw_ended *e, const struct sw_seg *s)
{
    __u32 seq_hi = s->src_is_b ? e->seq_hi[1] : e->seq_hi[0], peer_hi = s->src_is_b ? e->seq_hi[0] : e->seq_hi[1];

    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN || s->now > e->ns + SW_LATE_NS)
        return 0;
    return seq_hi - s->seq <= SW_Z_JUMP && seq_hi - (s->seq + sw_seg_space(s)) <= SW_Z_JUMP &&
           (!(s->flags & SW_TCP_ACK) || peer_hi - s->ack <= SW_Z_JUMP);
}

#endif
