/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one segment is to the tracker, the flow's small helpers, and its birth. Pure: time and
 * configuration are parameters.
 */
#ifndef SW_BPF_TCP_FLOW_H
#define SW_BPF_TCP_FLOW_H

#include "packet/segment.h"

struct sw_out {
    __u32 events; /* 1 << enum sw_event_kind */
    __u8 anomaly; /* enum sw_anomaly, with SW_EV_ANOMALY */
    __u8 by;      /* enum sw_side of the sender */
    __u8 pad[2];
};

/* a - b in sequence space: negative if a is before b */
static __always_inline __s32 sw_seq_diff(__u32 a, __u32 b)
{
    return (__s32)(a - b);
}

/* all ones if a is at or before b in sequence space, else 0 */
static __always_inline __u32 sw_mask_le(__u32 a, __u32 b)
{
    __u32 m = (__u32)((__s32)(a - b - 1) >> 31);

    sw_opaque(m);
    return m;
}

/* all ones if a != b, else 0 */
static __always_inline __u32 sw_mask_ne(__u32 a, __u32 b)
{
    __u32 x = a ^ b, m = -((x | -x) >> 31);

    sw_opaque(m);
    return m;
}

/* m ? a : b for a mask */
static __always_inline __u32 sw_pick(__u32 m, __u32 a, __u32 b)
{
    return (a & m) | (b & ~m);
}

/* lo <= x <= hi in sequence space; nothing is within what ends before it begins */
static __always_inline int sw_seq_within(__u32 x, __u32 lo, __u32 hi)
{
    return sw_seq_diff(x, lo) >= 0 && sw_seq_diff(x, hi) <= 0 && sw_seq_diff(hi, lo) >= 0;
}

static __always_inline enum sw_side sw_flow_side(const struct sw_flow *f, const struct sw_seg *s)
{
    return s->src_is_b == f->orig_is_b ? SW_ORIG : SW_RESP;
}

/* Adds a letter: upper case for the originator. A full history is marked, not silent. */
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
 * A new flow for the segment that begins it; *f is zero. The segment itself is judged afterwards,
 * by sw_fsm_step.
 */
static __always_inline void sw_flow_init(struct sw_flow *f, const struct sw_seg *s)
{
    f->start_ns = s->now;
    f->last_ns = s->now;
    f->told_ns = s->now;
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
