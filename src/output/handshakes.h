/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A histogram of durations with their least and greatest, by the buckets of synward_histogram.h, in half their memory.
 */
#ifndef SW_OUTPUT_HANDSHAKES_H
#define SW_OUTPUT_HANDSHAKES_H

#include "synward_histogram.h"

struct sw_handshakes {
    __u64 n, min, max;
    __u32 bucket[SW_HG_BUCKETS];
};

static inline void sw_handshakes_add(struct sw_handshakes *h, __u64 ns)
{
    __u32 at = sw_histogram_bucket(ns), *bucket = &h->bucket[at < SW_HG_BUCKETS ? at : SW_HG_BUCKETS - 1];

    if (!h->n || ns < h->min)
        h->min = ns;
    if (ns > h->max)
        h->max = ns;
    h->n++;
    *bucket += *bucket != ~0u;
}

/* What so many of a hundred do not exceed; 0 if there are none. */
static inline __u64 sw_handshakes_percentile(const struct sw_handshakes *h, unsigned int percent)
{
    __u64 rank = (h->n * percent + 99) / 100, seen = 0, ns = h->max;

    for (__u32 i = 0; i < SW_HG_BUCKETS && seen < rank; i++) {
        seen += h->bucket[i];
        ns = sw_histogram_middle(i);
    }
    if (ns < h->min)
        return h->min;
    return ns > h->max ? h->max : ns;
}

#endif
