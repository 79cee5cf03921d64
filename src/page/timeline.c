/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY (24 * 3600000ULL)

/* Milliseconds; each is a multiple of the one before, so that bins merge whole. The last one times the number of bins
 * is more than all nanoseconds that 64 bits hold. */
static const __u64 widths[] = {1,       5,       10,    50,      100,      500,           1000,          5000,
                               10000,   30000,   60000, 300000,  600000,   1800000,       3600000,       3 * 3600000ULL,
                               DAY / 4, DAY / 2, DAY,   7 * DAY, 28 * DAY, 12 * 28 * DAY, 120 * 28 * DAY};

__u64 sw_timeline_width_ms(const struct sw_timeline *t)
{
    return widths[t->step];
}

static __u64 bin_of(const struct sw_timeline *t, __u64 ns)
{
    return ns / 1000000 / widths[t->step];
}

static void merge(const struct sw_timeline *t, unsigned int cell, __u64 *into, __u64 value)
{
    if (t->sums & 1u << cell)
        *into += value;
    else if (value > *into)
        *into = value;
}

static void coarsen(struct sw_timeline *t)
{
    __u64 ratio = widths[t->step + 1] / widths[t->step], first = t->first / ratio, to = 0;

    for (size_t i = 0; i < t->len; i++) {
        to = (t->first + i) / ratio - first;
        for (unsigned int c = 0; c < t->cells; c++) {
            __u64 v = t->value[i * t->cells + c];
            t->value[i * t->cells + c] = 0;
            merge(t, c, &t->value[to * t->cells + c], v);
        }
    }
    t->len = to + 1;
    t->first = first;
    t->step++;
}

/* The bin of that time, with room for it. */
static size_t make_room(struct sw_timeline *t, __u64 ns)
{
    __u64 bin = bin_of(t, ns), last;

    if (!t->len) {
        t->first = bin;
        t->len = 1;
    }
    for (;;) {
        bin = bin_of(t, ns);
        last = t->first + t->len - 1;
        if ((bin > last ? bin : last) - (bin < t->first ? bin : t->first) < SW_TIMELINE_BINS)
            break;
        coarsen(t);
    }
    if (bin < t->first) {
        size_t more = t->first - bin, size = t->cells * sizeof(*t->value);
        memmove(t->value + more * t->cells, t->value, t->len * size);
        memset(t->value, 0, more * size);
        t->first = bin;
        t->len += more;
    } else if (bin > last) {
        t->len = bin - t->first + 1;
    }
    return bin - t->first;
}

int sw_timeline_add(struct sw_timeline *t, __u64 ns, unsigned int cell, __u64 value)
{
    if (!t->value) {
        t->value = calloc((size_t)SW_TIMELINE_BINS * t->cells, sizeof(*t->value));
        if (!t->value)
            return -ENOMEM;
    }
    if (!(t->sums & 1u << cell))
        value += value != ~0ULL;
    merge(t, cell, &t->value[make_room(t, ns) * t->cells + cell], value);
    return 0;
}

void sw_timeline_clear(struct sw_timeline *t)
{
    free(t->value);
    t->value = NULL;
    t->len = 0;
    t->step = 0;
}

bool sw_timeline_get(const struct sw_timeline *t, size_t bin, unsigned int cell, __u64 *ret)
{
    __u64 v = t->value[bin * t->cells + cell];
    bool sum = t->sums & 1u << cell;

    *ret = sum ? v : v - 1;
    return sum || v;
}
