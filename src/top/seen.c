/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/seen.h"

#include "synward_hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 1024

static struct sw_top_seen_slot *place(const struct sw_top_seen *s, __u64 hash, __u64 start_ns)
{
    size_t at = (sw_hash_slot(hash) ^ (__u32)start_ns) & (s->size - 1);

    while (s->slot[at].start_ns && (s->slot[at].hash != hash || s->slot[at].start_ns != start_ns))
        at = (at + 1) & (s->size - 1);
    return &s->slot[at];
}

static int grow(struct sw_top_seen *s)
{
    struct sw_top_seen more = {.size = s->size ? 2 * s->size : FIRST, .len = s->len};

    more.slot = calloc(more.size, sizeof(*more.slot));
    if (!more.slot)
        return -ENOMEM;
    for (size_t i = 0; i < s->size; i++)
        if (s->slot[i].start_ns)
            *place(&more, s->slot[i].hash, s->slot[i].start_ns) = s->slot[i];
    free(s->slot);
    *s = more;
    return 0;
}

int sw_top_seen_add(struct sw_top_seen *s, __u64 hash, __u64 start_ns, __u64 bytes)
{
    struct sw_top_seen_slot *at;

    if (2 * (s->len + 1) > s->size && grow(s))
        return -ENOMEM;
    start_ns += !start_ns; /* 0 is a free slot */
    at = place(s, hash, start_ns);
    s->len += !at->start_ns;
    *at = (struct sw_top_seen_slot){.hash = hash, .start_ns = start_ns, .bytes = bytes};
    return 0;
}

bool sw_top_seen_find(const struct sw_top_seen *s, __u64 hash, __u64 start_ns, __u64 *ret_bytes)
{
    const struct sw_top_seen_slot *at;

    if (!s->len)
        return false;
    start_ns += !start_ns;
    at = place(s, hash, start_ns);
    *ret_bytes = at->bytes;
    return at->start_ns;
}

void sw_top_seen_clear(struct sw_top_seen *s)
{
    if (s->len)
        memset(s->slot, 0, s->size * sizeof(*s->slot));
    s->len = 0;
}

void sw_top_seen_free(struct sw_top_seen *s)
{
    free(s->slot);
    *s = (struct sw_top_seen){0};
}
