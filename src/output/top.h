/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The most frequent targets of a stream, in bounded memory: space-saving counters (Metwally, Agrawal, El Abbadi 2005).
 * Up to SW_TOP_SLOTS different targets are counted exactly. Beyond, a new one takes over the slot of the least frequent
 * one with its count, which is then the error: a slot's count is too high by at most that. Whatever came more often
 * than total / SW_TOP_SLOTS has a slot.
 */
#ifndef SW_OUTPUT_TOP_H
#define SW_OUTPUT_TOP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SW_TOP_SLOTS 1024
#define SW_TOP_CHAINS 2048

struct sw_top_slot {
    __u8 ip[16];
    __be16 port;
    __u16 next;  /* of its chain, one more than the slot's number; 0: the last */
    __u16 place; /* in the heap */
    __u64 count, error;
};

struct sw_top {
    __u64 seed; /* random, so that nobody can choose targets of one chain */
    __u64 total;
    unsigned int len;
    bool over; /* there were more targets than slots */
    __u16 chain[SW_TOP_CHAINS];
    __u16 heap[SW_TOP_SLOTS]; /* slots, the smallest count first */
    struct sw_top_slot slot[SW_TOP_SLOTS];
};

/* Counts it. Returns its slot; *ret_new: which was free, or another one's until now. */
unsigned int sw_top_add(struct sw_top *t, const __u8 ip[16], __be16 port, bool *ret_new);
/* So many of it at once. */
unsigned int sw_top_add_many(struct sw_top *t, const __u8 ip[16], __be16 port, __u64 n, bool *ret_new);

bool sw_top_has(const struct sw_top *t, const __u8 ip[16], __be16 port); /* it has a slot */
/* How often it came: at least and at most. Also of what has no slot. */
void sw_top_bounds(const struct sw_top *t, const __u8 ip[16], __be16 port, __u64 *ret_least, __u64 *ret_most);

/* The n slots of the most frequent ones, by the count that is certain; returns how many there are. */
size_t sw_top_best(const struct sw_top *t, unsigned int *ret_slots, size_t n);

#endif
