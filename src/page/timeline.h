/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers over time, in bounded memory: at most SW_TIMELINE_BINS bins of one width, which grows, in steps that people
 * read (1 ms to years), until the times so far fit. So times may come in any order, and from a day as from a second.
 */
#ifndef SW_PAGE_TIMELINE_H
#define SW_PAGE_TIMELINE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SW_TIMELINE_BINS 600

struct sw_timeline {
    unsigned int cells; /* of each bin */
    __u32 sums;         /* 1 << cell: it adds up; else it keeps the largest */
    unsigned int step;  /* of the widths */
    __u64 first;        /* number of the first bin: its time / width */
    size_t len;
    __u64 *value; /* SW_TIMELINE_BINS * cells; what keeps the largest is one more than it, 0 is none */
};

int sw_timeline_add(struct sw_timeline *t, __u64 ns, unsigned int cell, __u64 value); /* 0 or -ENOMEM */
void sw_timeline_clear(struct sw_timeline *t);

__u64 sw_timeline_width_ms(const struct sw_timeline *t);
/* False: nothing was added there (of a cell that adds up: 0). */
bool sw_timeline_get(const struct sw_timeline *t, size_t bin, unsigned int cell, __u64 *ret);

#endif
