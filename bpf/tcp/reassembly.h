/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out-of-order data: SW_OOO blocks for each endpoint. Pure. */
#ifndef SW_BPF_TCP_REASSEMBLY_H
#define SW_BPF_TCP_REASSEMBLY_H

#include "tcp/sequence.h"
#include "tcp/step.h"

/*
 * The out-of-order blocks are updated with masks instead of branches: nine rounds of three-way choices are a few
 * hundred instructions, but millions of paths for the verifier.
 */

/* Advances nxt over the blocks that it now touches, and frees the blocks that it passed. */
SW_STEP int sw_ooo_absorb(struct sw_end *e)
{
    __u32 nxt;

    if (!e)
        return 0;
    nxt = e->nxt;
    SW_ROLLED
    for (int round = 0; round < SW_OOO; round++) {
        for (int i = 0; i < SW_OOO; i++) {
            __u32 lo = e->ooo[i][0], hi = e->ooo[i][1];
            __u32 hit = sw_mask_ne(lo, hi) & sw_mask_le(lo, nxt);

            nxt = sw_pick(hit & sw_mask_le(nxt, hi), hi, nxt);
            e->ooo[i][0] = lo & ~hit;
            e->ooo[i][1] = hi & ~hit;
        }
    }
    e->nxt = nxt;
    return 0;
}

/*
 * Data [lo, hi) was seen. Beyond nxt it is stored as one of SW_OOO blocks, merged with the first that it touches. If no
 * block is free the last one is extended, so a hole between can be missed: the gap count is then too low, never too
 * high.
 */
SW_STEP int sw_ooo_add(struct sw_end *e, __u32 lo, __u32 hi)
{
    __u32 todo, last_lo, last_hi;

    if (!e)
        return 0;
    todo = ~sw_mask_le(hi, e->nxt);
    /* in order: nxt moves, and no block is taken */
    {
        __u32 in_order = todo & sw_mask_le(lo, e->nxt);

        e->nxt = sw_pick(in_order, hi, e->nxt);
        todo &= ~in_order;
    }
    for (int i = 0; i < SW_OOO; i++) { /* touching a block */
        __u32 a = e->ooo[i][0], b = e->ooo[i][1];
        __u32 hit = todo & sw_mask_ne(a, b) & sw_mask_le(lo, b) & sw_mask_le(a, hi);

        e->ooo[i][0] = sw_pick(hit & sw_mask_le(lo, a), lo, a);
        e->ooo[i][1] = sw_pick(hit & sw_mask_le(b, hi), hi, b);
        todo &= ~hit;
    }
    for (int i = 0; i < SW_OOO; i++) { /* a free block */
        __u32 a = e->ooo[i][0], b = e->ooo[i][1];
        __u32 hit = todo & ~sw_mask_ne(a, b);

        e->ooo[i][0] = sw_pick(hit, lo, a);
        e->ooo[i][1] = sw_pick(hit, hi, b);
        todo &= ~hit;
    }
    last_lo = e->ooo[SW_OOO - 1][0];
    last_hi = e->ooo[SW_OOO - 1][1];
    e->ooo[SW_OOO - 1][0] = sw_pick(todo & sw_mask_le(lo, last_lo), lo, last_lo);
    e->ooo[SW_OOO - 1][1] = sw_pick(todo & sw_mask_le(last_hi, hi), hi, last_hi);
    return sw_ooo_absorb(e);
}

/* Where the hole at nxt ends: at the first block, but not beyond ack. */
SW_STEP int sw_ooo_hole_end(const struct sw_end *e, __u32 ack)
{
    __u32 next = ack;

    if (!e)
        return 0;
    for (int i = 0; i < SW_OOO; i++) {
        __u32 lo = e->ooo[i][0];

        next = sw_pick(sw_mask_ne(lo, e->ooo[i][1]) & sw_mask_le(lo, next), lo, next);
    }
    return (int)next;
}

#endif
