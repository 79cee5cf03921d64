/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/durations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 44, SUB_BITS = 5, SUB = 1 << SUB_BITS, BUCKETS = (BITS - SUB_BITS + 1) * SUB };

static unsigned int bucket_of(__u64 ns)
{
    unsigned int e;

    if (ns >> BITS)
        return BUCKETS - 1;
    if (ns < SUB)
        return ns;
    e = 63 - __builtin_clzll(ns);
    return (e - SUB_BITS + 1) * SUB + (ns >> (e - SUB_BITS) & (SUB - 1));
}

static __u64 middle_of(unsigned int bucket)
{
    unsigned int shift = bucket / SUB - 1;

    return bucket < SUB ? bucket : ((SUB + (__u64)(bucket % SUB)) << shift) + (1ULL << shift) / 2;
}

static int spill(struct sw_durations *d)
{
    d->bucket = calloc(BUCKETS, sizeof(*d->bucket));
    if (!d->bucket)
        return -ENOMEM;
    for (unsigned int i = 0; i < SW_DURATIONS_EXACT; i++)
        d->bucket[bucket_of(d->exact[i])]++;
    free(d->exact);
    d->exact = NULL;
    return 0;
}

int sw_durations_add(struct sw_durations *d, __u64 ns)
{
    if (!d->n && !d->exact) {
        d->exact = calloc(SW_DURATIONS_EXACT, sizeof(*d->exact));
        if (!d->exact)
            return -ENOMEM;
    }
    if (d->n == SW_DURATIONS_EXACT && !d->bucket && spill(d))
        return -ENOMEM;
    if (d->bucket) {
        __u32 *b = &d->bucket[bucket_of(ns)];
        *b += *b != ~0u;
    } else {
        d->exact[d->n] = ns;
        d->sorted = false;
    }
    if (!d->n || ns < d->min)
        d->min = ns;
    if (ns > d->max)
        d->max = ns;
    d->n++;
    return 0;
}

void sw_durations_clear(struct sw_durations *d)
{
    free(d->exact);
    free(d->bucket);
    memset(d, 0, sizeof(*d));
}

static int by_value(const void *a, const void *b)
{
    __u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

    return (x > y) - (x < y);
}

__u64 sw_durations_percentile(struct sw_durations *d, unsigned int percent)
{
    __u64 rank = (d->n * percent + 99) / 100, seen = 0, ns = d->max;

    if (!d->n)
        return 0;
    rank += !rank;
    if (!d->bucket) {
        if (!d->sorted)
            qsort(d->exact, d->n, sizeof(*d->exact), by_value);
        d->sorted = true;
        return d->exact[rank - 1];
    }
    for (unsigned int i = 0; i < BUCKETS && seen < rank && rank < d->n; i++) {
        seen += d->bucket[i];
        ns = middle_of(i);
    }
    if (ns < d->min)
        return d->min;
    return ns > d->max ? d->max : ns;
}
