/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The letters of Zeek's history. Pure.
 *
 * Letters: s SYN, h SYN-ACK, a pure ACK, d data, f FIN, r RST, c bad checksum, g gap, t retransmission,
 * w zero window, i FIN+RST, q SYN with FIN or RST, ^ flipped. a d i q once a side; s h f r again only
 * with another sequence number; c g t w at the 1st, 10th, 100th … time.
 */
#ifndef SW_BPF_TCP_ZEEK_HISTORY_H
#define SW_BPF_TCP_ZEEK_HISTORY_H

#include "tcp/flow.h"
#include "tcp/sequence.h"

enum { SW_H_SYN = 1, SW_H_FIN = 2, SW_H_RST = 4, SW_H_DATA = 8, SW_H_ACK = 16, SW_H_FIN_RST = 32, SW_H_MULTI = 64 };

/* true if the letter was present already */
static __always_inline int sw_hist_once(struct sw_flow *f, enum sw_side d, __u16 bit, char letter)
{
    __u16 mask = d == SW_RESP ? bit << 8 : bit;

    if (f->hist_seen & mask)
        return 1;
    f->hist_seen |= mask;
    sw_hist_add(f, d, letter);
    return 0;
}

/* Is n a power of ten, up to a million? */
static __always_inline int sw_is_milestone(__u32 n)
{
    return !(sw_mask_ne(n, 1) & sw_mask_ne(n, 10) & sw_mask_ne(n, 100) & sw_mask_ne(n, 1000) & sw_mask_ne(n, 10000) &
             sw_mask_ne(n, 100000) & sw_mask_ne(n, 1000000));
}

/* Counts, and adds the letter at each power of ten. */
SW_STEP int sw_hist_scaled(struct sw_flow *f, __u32 d, __u32 *count, __u32 letter)
{
    if (!f || !count)
        return 0;
    if (sw_is_milestone(++*count))
        sw_hist_add(f, d, (char)letter);
    return 0;
}

#endif
