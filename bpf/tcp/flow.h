/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Helpers for a flow, and its first segment. Pure: time and configuration are parameters.
 */
#ifndef SW_BPF_TCP_FLOW_H
#define SW_BPF_TCP_FLOW_H

#include "packet/segment.h"

static __always_inline enum sw_side sw_flow_side(const struct sw_flow *f, const struct sw_seg *s)
{
    return s->src_is_b == f->orig_is_b ? SW_ORIG : SW_RESP;
}

/* The bits of sw_flow.local that a SYN of this host sets, alone or with ACK. */
static __always_inline __u8 sw_local_syn(const struct sw_seg *s)
{
    if (!s->sent || s->forwarded)
        return 0;
    return s->flags & SW_TCP_ACK ? SW_LOCAL_SYN | SW_LOCAL_SYNACK : SW_LOCAL_SYN;
}

/* The bits of sw_flow.local that a segment sets. */
static __always_inline __u8 sw_local_end(const struct sw_seg *s)
{
    __u8 end = (s->local & 1) << (s->src_is_b & 1);

    return end && !s->reply && !(s->flags & (SW_TCP_SYN | SW_TCP_RST)) ? end | SW_LOCAL_SENT : end;
}

/* The listener's handshake is neither complete nor reset. */
static __always_inline int sw_listener_waits(__u32 listener)
{
    return listener == SW_L_OPENED || listener == SW_L_RESET_UNDONE || listener == SW_L_COOKIE ||
           listener == SW_L_REOPENED;
}

/* Adds a letter: upper case for the originator. SW_F_HIST_FULL says that letters were left out. */
static __always_inline void sw_hist_add(struct sw_flow *f, enum sw_side d, char letter)
{
    __u32 n = f->hist_len;

    if (letter != '^' && d == SW_RESP)
        letter |= 0x20;
    sw_opaque(n);
    if (n >= SW_HIST_MAX) {
        f->flags |= SW_F_HIST_FULL;
        return;
    }
    f->hist[n] = letter;
    f->hist_len = n + 1;
}

/*
 * Initialises a flow for its first segment; *f is zero. The segment itself is processed afterwards, by sw_fsm_step.
 */
static __always_inline void sw_flow_init(struct sw_flow *f, const struct sw_seg *s)
{
    f->start_ns = s->now;
    f->last_ns = s->now;
    f->update_ns = s->now;
    f->ifindex = s->ifindex;
    f->vlan[0] = s->vlan[0];
    f->vlan[1] = s->vlan[1];
    f->hook = s->hook;
    f->orig_is_b = s->src_is_b;
    f->end[SW_ORIG].wscale = SW_WSCALE_NONE;
    f->end[SW_RESP].wscale = SW_WSCALE_NONE;
    f->end[SW_ORIG].state = SW_ST_LISTEN;
    f->end[SW_RESP].state = SW_ST_LISTEN;
    if (s->one_sided)
        f->flags |= SW_F_NO_EGRESS;
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST)) == SW_TCP_SYN) {
        f->direction_by = SW_BY_SYN;
        return;
    }
    f->direction_by = s->flags & SW_TCP_SYN && s->flags & SW_TCP_ACK ? SW_BY_SYNACK : SW_BY_MIDSTREAM;
    if (!(s->flags & SW_TCP_SYN)) {
        f->flags |= SW_F_MIDSTREAM;
        f->end[SW_ORIG].state = f->end[SW_RESP].state = SW_ST_ESTABLISHED;
    }
    if (s->flip) {
        f->orig_is_b = !s->src_is_b;
        f->flags |= SW_F_FLIPPED;
        f->direction_by = s->flip_by;
        sw_hist_add(f, SW_ORIG, '^');
    }
}

#endif
