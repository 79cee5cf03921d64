/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/seconds.h"

#include "base/random.h"

#include <errno.h>
#include <stdlib.h>

/* A hash table with open addressing; a second that is 0 again keeps its place until the table is made anew. */
struct slot {
    __u64 second; /* + 1; 0: free */
    __s64 n;
};

struct sw_open_seconds {
    struct slot *slot;
    size_t mask, used;
    __u64 key;
};

static struct slot *find(struct slot *slot, size_t mask, __u64 key, __u64 second)
{
    size_t at = (second ^ key) * 0x9e3779b97f4a7c15ull >> 20;

    while (slot[at & mask].second && slot[at & mask].second != second + 1)
        at++;
    return &slot[at & mask];
}

int sw_open_seconds_new(struct sw_open_seconds **ret)
{
    struct sw_open_seconds *s = calloc(1, sizeof(*s));

    if (s)
        s->slot = calloc(64, sizeof(*s->slot));
    if (!s || !s->slot || sw_random(&s->key, sizeof(s->key))) {
        sw_open_seconds_free(s);
        return -ENOMEM;
    }
    s->mask = 63;
    *ret = s;
    return 0;
}

void sw_open_seconds_free(struct sw_open_seconds *s)
{
    if (s)
        free(s->slot);
    free(s);
}

/* Half full: a new table, of those that are not 0. */
static int make_room(struct sw_open_seconds *s)
{
    size_t live = 0, size = 64;
    struct slot *slot;

    if (2 * s->used <= s->mask)
        return 0;
    for (size_t i = 0; i <= s->mask; i++)
        live += s->slot[i].n != 0;
    while (size < 4 * (live + 1))
        size *= 2;
    slot = calloc(size, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    for (size_t i = 0; i <= s->mask; i++)
        if (s->slot[i].n)
            *find(slot, size - 1, s->key, s->slot[i].second - 1) = s->slot[i];
    free(s->slot);
    s->slot = slot;
    s->mask = size - 1;
    s->used = live;
    return 0;
}

int sw_open_seconds_add(struct sw_open_seconds *s, __u64 second, int n)
{
    struct slot *at;
    int err = make_room(s);

    if (err)
        return err;
    at = find(s->slot, s->mask, s->key, second);
    s->used += !at->second;
    at->second = second + 1;
    at->n += n;
    return 0;
}

static __u64 positive(__s64 n)
{
    return n > 0 ? (__u64)n : 0;
}

__u64 sw_open_seconds_sum(const struct sw_open_seconds *s, __u64 from, __u64 to)
{
    __u64 sum = 0;

    if (to < from)
        return 0;
    if (to - from > s->mask) {
        for (size_t i = 0; i <= s->mask; i++)
            if (s->slot[i].second && s->slot[i].second - 1 >= from && s->slot[i].second - 1 <= to)
                sum += positive(s->slot[i].n);
        return sum;
    }
    for (__u64 at = from; at <= to; at++)
        sum += positive(find(s->slot, s->mask, s->key, at)->n);
    return sum;
}
