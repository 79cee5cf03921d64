/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arithmetic in sequence space (RFC 9293 section 3.4), and masks that replace branches. Pure. */
#ifndef SW_BPF_TCP_SEQUENCE_H
#define SW_BPF_TCP_SEQUENCE_H

#include "compat.h"

#include <linux/types.h>

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

/* lo <= x <= hi in sequence space; false if hi is before lo */
static __always_inline int sw_seq_within(__u32 x, __u32 lo, __u32 hi)
{
    return sw_seq_diff(x, lo) >= 0 && sw_seq_diff(x, hi) <= 0 && sw_seq_diff(hi, lo) >= 0;
}

#endif
