/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which segments are control segments: those that a ladder keeps. Pure. */
#ifndef SW_BPF_TCP_LADDER_H
#define SW_BPF_TCP_LADDER_H

#include "tcp/zeek_history.h"

/* Both states, in the order of enum sw_side, and which sides have sent data and a plain acknowledgement. */
static __always_inline __u32 sw_ladder_mark(const struct sw_flow *f)
{
    const __u32 once = (SW_H_DATA | SW_H_ACK) * 0x101u;

    return (f->end[SW_ORIG].state & 15) | (f->end[SW_RESP].state & 15) << 4 | (f->hist_seen & once) << 8;
}

/* SYN, FIN, RST; what changes a state; the first data and the first plain acknowledgement of each side. Marks from
 * before and after the segment. */
static __always_inline int sw_ladder_keeps(const struct sw_seg *s, __u32 before, __u32 after)
{
    return s->flags & (SW_TCP_SYN | SW_TCP_FIN | SW_TCP_RST) || before != after;
}

/* The states in a mark, as sw_ladder_seg has them. */
static __always_inline __u8 sw_ladder_states(__u32 mark, __u32 orig_is_b)
{
    return orig_is_b ? (mark & 15) << 4 | (mark >> 4 & 15) : mark & 0xff;
}

#endif
