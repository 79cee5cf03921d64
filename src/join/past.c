/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/past.h"

#include "base/random.h"

#include <errno.h>
#include <stdlib.h>

#define NOBODY (~0u)

/* A ring, oldest first; each is in the chain of its bucket, of which there are as many as places. */
struct past {
    __u64 key, ts;
    __u32 next;
    __u8 file;
};

struct sw_past {
    struct past *at;
    __u32 *bucket;
    __u32 room, most; /* powers of two */
    __u64 first, end; /* count up; the place is the rest */
    __u64 seed[2];
};

static __u64 mix(const struct sw_past *p, __u64 v)
{
    v = (v ^ p->seed[0]) * 0xff51afd7ed558ccdull;
    v ^= v >> 32;
    v = (v ^ p->seed[1]) * 0xc4ceb9fe1a85ec53ull;
    return v ^ v >> 29;
}

/* Both ISNs, or the one that it has. */
static __u64 key_of(const struct sw_past *p, const struct sw_join_view *v)
{
    const int has = v->has_isn[SW_ORIG] | v->has_isn[SW_RESP] << 1;
    const __u64 isn =
        (__u64)(v->has_isn[SW_ORIG] ? v->isn[SW_ORIG] : 0) << 32 | (v->has_isn[SW_RESP] ? v->isn[SW_RESP] : 0);

    return mix(p, mix(p, isn) + (__u64)has);
}

static int make(__u32 room, struct past **ret_at, __u32 **ret_bucket)
{
    *ret_at = calloc(room, sizeof(**ret_at));
    *ret_bucket = calloc(room, sizeof(**ret_bucket));
    if (!*ret_at || !*ret_bucket) {
        free(*ret_at);
        free(*ret_bucket);
        return -ENOMEM;
    }
    for (__u32 i = 0; i < room; i++)
        (*ret_bucket)[i] = NOBODY;
    return 0;
}

int sw_past_new(size_t most, struct sw_past **ret)
{
    struct sw_past *p = calloc(1, sizeof(*p));
    int err = p ? sw_random(p->seed, sizeof(p->seed)) : -ENOMEM;

    if (!err)
        err = make(64, &p->at, &p->bucket);
    if (err) {
        free(p);
        return err;
    }
    p->room = p->most = 64;
    while (p->most < most && p->most < 1u << 28)
        p->most *= 2;
    *ret = p;
    return 0;
}

void sw_past_free(struct sw_past *p)
{
    if (!p)
        return;
    free(p->at);
    free(p->bucket);
    free(p);
}

static void put(struct sw_past *p, const struct past *one)
{
    const __u32 place = p->end++ & (p->room - 1);
    __u32 *bucket = &p->bucket[one->key & (p->room - 1)];

    p->at[place] = *one;
    p->at[place].next = *bucket;
    *bucket = place;
}

/* The oldest is the last of its chain. */
static void drop_oldest(struct sw_past *p)
{
    const __u32 place = p->first++ & (p->room - 1);
    __u32 *link = &p->bucket[p->at[place].key & (p->room - 1)];

    while (*link != place)
        link = &p->at[*link].next;
    *link = NOBODY;
}

static int grow(struct sw_past *p)
{
    struct sw_past more = *p;
    int err;

    more.room *= 2;
    more.first = more.end = 0;
    err = make(more.room, &more.at, &more.bucket);
    if (err)
        return err;
    for (__u64 i = p->first; i != p->end; i++)
        put(&more, &p->at[i & (p->room - 1)]);
    free(p->at);
    free(p->bucket);
    *p = more;
    return 0;
}

/* One of a key and file is enough, so chains stay short, whatever lines say. */
static struct past *with(const struct sw_past *p, __u64 key, unsigned int file, bool *ret_other)
{
    *ret_other = false;
    for (__u32 i = p->bucket[key & (p->room - 1)]; i != NOBODY; i = p->at[i].next)
        if (p->at[i].key == key) {
            if (p->at[i].file == file)
                return &p->at[i];
            *ret_other = true;
        }
    return NULL;
}

int sw_past_add(struct sw_past *p, const struct sw_join_view *v, unsigned int file, __u64 *ret_forgot)
{
    const struct past one = {.key = key_of(p, v), .ts = v->ts, .file = (__u8)file};
    bool other;
    struct past *same = with(p, one.key, file, &other);

    *ret_forgot = 0;
    if (same) {
        same->ts = one.ts > same->ts ? one.ts : same->ts;
        return 0;
    }
    if (p->end - p->first == p->room) {
        int err = p->room < p->most ? grow(p) : 0;

        if (err)
            return err;
        if (p->end - p->first == p->room) {
            *ret_forgot = p->at[p->first & (p->room - 1)].ts;
            drop_oldest(p);
        }
    }
    put(p, &one);
    return 0;
}

enum sw_past_found sw_past_find(const struct sw_past *p, const struct sw_join_view *v, unsigned int file)
{
    bool other;

    if (with(p, key_of(p, v), file, &other))
        return SW_PAST_DOUBLE;
    return other ? SW_PAST_OTHER : SW_PAST_NEVER;
}

void sw_past_expire(struct sw_past *p, __u64 before)
{
    while (p->first != p->end && p->at[p->first & (p->room - 1)].ts < before)
        drop_oldest(p);
}
