/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Durations for percentiles, in bounded memory: the first SW_DURATIONS_EXACT are kept as they are. More become a
 * log-linear histogram, 32 buckets to each power of two, so that the middle of one is off by at most 1/64, 1.6 %;
 * from 1 ns to 2^44 ns, 4.9 hours. At most 5 kB each.
 */
#ifndef SW_PAGE_DURATIONS_H
#define SW_PAGE_DURATIONS_H

#include <linux/types.h>
#include <stdbool.h>

#define SW_DURATIONS_EXACT 256

struct sw_durations {
    __u64 n, min, max;
    __u64 *exact;  /* room for SW_DURATIONS_EXACT; NULL: none yet, or spilled */
    __u32 *bucket; /* NULL: not spilled */
    bool sorted;   /* exact is */
};

int sw_durations_add(struct sw_durations *d, __u64 ns); /* 0 or -ENOMEM */
void sw_durations_clear(struct sw_durations *d);        /* frees; as if nothing had been added */

/* What so many of a hundred do not exceed, by nearest rank; 0 if there are none. Sorts, so not const. */
__u64 sw_durations_percentile(struct sw_durations *d, unsigned int percent);

#endif
