/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log-linear histogram of durations: eight buckets to each power of two, so that the middle of one is off by at most
 * a sixteenth, 6.3 %. From 1 ns to 2^44 ns, 4.9 hours.
 */
#ifndef SW_OUTPUT_HANDSHAKES_H
#define SW_OUTPUT_HANDSHAKES_H

#include <linux/types.h>

#define SW_HANDSHAKE_BITS 44
#define SW_HANDSHAKE_BUCKETS ((SW_HANDSHAKE_BITS - 2) * 8)

struct sw_handshakes {
    __u64 n, min, max;
    __u32 bucket[SW_HANDSHAKE_BUCKETS];
};

static inline unsigned int sw_handshakes_bucket(__u64 ns)
{
    unsigned int e;

    if (ns >> SW_HANDSHAKE_BITS)
        return SW_HANDSHAKE_BUCKETS - 1;
    if (ns < 8)
        return ns;
    e = 63 - __builtin_clzll(ns);
    return (e - 2) * 8 + (ns >> (e - 3) & 7);
}

static inline __u64 sw_handshakes_middle(unsigned int bucket)
{
    unsigned int shift = bucket / 8 - 1;

    return bucket < 8 ? bucket : ((8ULL + bucket % 8) << shift) + (1ULL << shift) / 2;
}

static inline void sw_handshakes_add(struct sw_handshakes *h, __u64 ns)
{
    __u32 *bucket = &h->bucket[sw_handshakes_bucket(ns)];

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

    for (unsigned int i = 0; i < SW_HANDSHAKE_BUCKETS && seen < rank; i++) {
        seen += h->bucket[i];
        ns = sw_handshakes_middle(i);
    }
    if (ns < h->min)
        return h->min;
    return ns > h->max ? h->max : ns;
}

#endif
