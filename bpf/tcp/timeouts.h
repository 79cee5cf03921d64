/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a flow expires. Pure. */
#ifndef SW_BPF_TCP_TIMEOUTS_H
#define SW_BPF_TCP_TIMEOUTS_H

#include "tcp/flow.h"

#define SW_SYNACK_RTO_NS 1500000000ull /* Linux sends a SYN-ACK again after 1 s, with room for the timer */

/* With the guard: the client has reset its handshake, by a RST that this host's listener may not have taken. */
static __always_inline int sw_reset_is_doubted(const struct sw_flow *f)
{
    return f->listener && !(f->flags & SW_F_ESTABLISHED) && f->synack_ns && f->end[SW_ORIG].did & SW_E_RST;
}

/*
 * How long a flow that has ended is kept. After a RST that the listener did not take it sends its SYN-ACK again: at
 * most so much later as the handshake had lasted, and the first interval. If it has done so before, a further one will
 * not be taken either, and a SYN may have begun the flow anew in between.
 */
static __always_inline __u64 sw_close_delay(const struct sw_flow *f, const struct sw_config *c)
{
    __u64 next;

    if (!sw_reset_is_doubted(f))
        return c->close_delay;
    next = SW_SYNACK_RTO_NS + (f->ended_ns > f->synack_ns ? f->ended_ns - f->synack_ns : 0);
    if (next > c->t_syn_received || f->listener == SW_L_RESET_UNDONE)
        next = c->t_syn_received;
    return next > c->close_delay ? next : c->close_delay;
}

/* The timeout of a flow that has not ended, by its states. */
static __always_inline __u64 sw_expiry_limit(const struct sw_flow *f, const struct sw_config *c)
{
    const struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    if ((f->flags & (SW_F_UNCONFIRMED | SW_F_NO_SOCKET)) == (SW_F_UNCONFIRMED | SW_F_NO_SOCKET))
        return 0; /* else its socket has sent while it was looked up */
    if (a->did & b->did & SW_E_FIN)
        return c->t_last_ack;
    if ((a->did | b->did) & SW_E_FIN)
        return (a->did | b->did) & SW_E_FIN_ACKED ? c->t_close_wait : c->t_fin_wait;
    if (f->flags & SW_F_ESTABLISHED)
        return f->flags & SW_F_MIDSTREAM && !(f->flags & SW_F_MIDSTREAM_PROVEN) ? c->t_midstream : c->t_established;
    if (f->flags & SW_F_MIDSTREAM)
        return c->t_midstream;
    return a->did & b->did & SW_E_SYN ? c->t_syn_received : c->t_syn_sent;
}

/* When it expires if no segment comes, or an update is due. */
static __always_inline __u64 sw_expiry_at(const struct sw_flow *f, const struct sw_config *c)
{
    __u64 at;

    if (f->flags & SW_F_ENDED)
        return f->ended_ns + sw_close_delay(f, c);
    at = f->last_ns + sw_expiry_limit(f, c);
    if (c->update_interval && f->flags & SW_F_ESTABLISHED && f->update_ns + c->update_interval < at)
        at = f->update_ns + c->update_interval;
    return at;
}

/*
 * SW_WHY_NONE: it is kept. Otherwise it is removed now, for this reason; a flow that has ended keeps its own reason.
 * flush: 0 by time, 1 also flows within the close delay, 2 all flows.
 */
static __always_inline enum sw_reason sw_expiry(const struct sw_flow *f, const struct sw_config *c, __u64 now,
                                                __u64 flush)
{
    __u64 last = f->flags & SW_F_ENDED ? f->ended_ns : f->last_ns;
    __u64 idle = now > last ? now - last : 0;

    if (f->flags & SW_F_ENDED)
        return flush || idle >= sw_close_delay(f, c) ? (enum sw_reason)f->reason : SW_WHY_NONE;
    if (flush == 2)
        return SW_WHY_END_OF_INPUT;
    if (idle < sw_expiry_limit(f, c))
        return SW_WHY_NONE;
    if (!(f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)) && !(f->end[SW_RESP].did & SW_E_SEEN) &&
        f->end[SW_ORIG].did & SW_E_SYN)
        return SW_WHY_UNANSWERED;
    return SW_WHY_TIMEOUT;
}

#endif
