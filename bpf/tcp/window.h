/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments beyond their receiver's window (RFC 9293 section 3.10.7.4): it ignores them, so their sequence numbers count
 * for nothing here. But segments may have been missed, and with them acknowledgements that have moved the window: what
 * lies beyond is remembered, and counts once the receiver acknowledges it. Pure.
 */
#ifndef SW_BPF_TCP_WINDOW_H
#define SW_BPF_TCP_WINDOW_H

#include "tcp/zeek.h"

/*
 * The receive window of an endpoint as far as it is certain: where its window scale is not known, for its SYN was not
 * seen or is cut, the largest that it can be (RFC 7323 section 2.3). The SYN of a peer that does not scale settles it,
 * too.
 */
static __always_inline __u32 sw_window_at_most(const struct sw_end *me, const struct sw_end *peer)
{
    int known =
        me->did & SW_E_SYN && !(me->more & SW_M_INFERRED) && (me->opts & SW_OPT_WSCALE || !(me->opts & SW_OPT_CUT));
    int unscaled =
        peer->did & SW_E_SYN && !(peer->more & SW_M_INFERRED) && !(peer->opts & (SW_OPT_WSCALE | SW_OPT_CUT));

    return known || unscaled ? me->win : me->win << 14;
}

/* Where a sequence number of `me` lies: 0 near the window of its peer, -1 far before it, 1 beyond it. It begins with
 * what the peer has acknowledged, seen here or not; old duplicates lie a window before it. */
static __always_inline int sw_seq_off_window(const struct sw_end *me, const struct sw_end *peer, __u32 claimed,
                                             __u32 seq)
{
    __u32 from = claimed && sw_seq_diff(claimed, peer->ack) > 0 ? claimed : peer->ack;
    __u32 win = sw_window_at_most(peer, me);

    if (sw_seq_diff(seq, from) > 0)
        return seq - from > win;
    return from - seq > win + SW_Z_JUMP ? -1 : 0;
}

/*
 * Does this segment acknowledge what lay beyond its sender's window? From outside both could be forged: live, it must
 * be this host's own, or exactly where its sender is. A capture shows what both ends have sent.
 */
static __always_inline int sw_far_is_acked(const struct sw_flow *f, const struct sw_end *me, const struct sw_seg *s)
{
    return (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK &&
           sw_seq_within(s->ack, f->far[0], f->far[1]) &&
           (s->seq == me->seq_hi || s->hook == SW_HOOK_TC_EGRESS || s->hook == SW_HOOK_REPLAY ||
            f->flags & SW_F_NO_EGRESS);
}

/*
 * The sender of what lies beyond the window goes on there for more than a window, and of the other side nothing comes:
 * its acknowledgements take another path. In a capture only: live, somebody else could have sent all of it.
 */
static __always_inline int sw_far_goes_on(const struct sw_flow *f, const struct sw_end *me, const struct sw_end *peer,
                                          const struct sw_seg *s)
{
    return s->hook == SW_HOOK_REPLAY && f->flags & SW_F_FAR_ALONE && s->seq == f->far[1] &&
           f->far[1] - f->far[0] > sw_window_at_most(peer, me);
}

/*
 * What lay beyond the window counts now if the segment acknowledges it, or if what was before it has come since. It is
 * void if its sender goes on from where it was. True if the caller has to add the data; a call from here would be too
 * deep for the BPF stack.
 */
SW_STEP_FDS(sw_fsm_settle_far)
{
    struct sw_end *me, *e;
    __u32 p;

    sw_side_bound(d);
    p = f->flags & SW_F_FAR_RESP ? SW_RESP : SW_ORIG;
    sw_side_bound(p);
    if ((f->flags & (SW_F_FAR | SW_F_ENDED)) != SW_F_FAR)
        return 0;
    me = &f->end[d];
    e = &f->end[p];
    if (p != d)
        f->flags &= ~SW_F_FAR_ALONE;
    if (f->far[0] != e->seq_hi && !(p == d ? sw_far_goes_on(f, me, &f->end[d ^ 1], s) : sw_far_is_acked(f, me, s))) {
        if (p == d && s->seq == e->seq_hi && s->seq + sw_seg_space(s) != f->far[0])
            f->flags &= ~SW_F_FAR;
        return 0;
    }
    f->flags &= ~SW_F_FAR;
    if (sw_seq_diff(f->far[1], e->seq_hi) > 0)
        e->seq_hi = f->far[1];
    return 1;
}

/*
 * Sets SW_F_BEYOND if the segment lies off the window of its receiver, as far as that is known; else clears it. Not one
 * that is exactly where its sender is, nor what this host sends itself: neither is guessed from outside.
 */
SW_STEP_FDS(sw_fsm_beyond)
{
    struct sw_end *me, *peer;
    __u32 past, from;
    int off;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    f->flags &= ~SW_F_BEYOND;
    if ((f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM | SW_F_ENDED)) != SW_F_ESTABLISHED ||
        s->flags & (SW_TCP_SYN | SW_TCP_RST) || s->hook == SW_HOOK_TC_EGRESS || s->seq == me->seq_hi ||
        !(peer->did & SW_E_SEEN) || (!peer->ack && f->flags & SW_F_INFERRED) ||
        !(peer->win || peer->more & SW_M_WINDOW))
        return 0;
    off = sw_seq_off_window(me, peer, f->claimed[d ^ 1], s->seq);
    if (!off)
        return 0;
    f->flags |= SW_F_BEYOND;
    if (off < 0)
        return 0;
    past = s->seq + sw_seg_space(s);
    from = s->cap < s->len ? past : s->seq; /* what a capture has cut off was not seen */
    if ((f->flags & (SW_F_FAR | SW_F_FAR_RESP)) != (SW_F_FAR | (d == SW_RESP ? SW_F_FAR_RESP : 0)) ||
        from != f->far[1]) {
        f->far[0] = from;
        f->flags |= SW_F_FAR_ALONE;
    }
    f->far[1] = past;
    f->flags &= ~SW_F_FAR_RESP;
    f->flags |= SW_F_FAR | (d == SW_RESP ? SW_F_FAR_RESP : 0);
    return 0;
}

#endif
