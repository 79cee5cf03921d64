/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/service_share.h"
#include "synward.h"

#include <stdbool.h>
#include <stdlib.h>

static int compare_uids(const void *a, const void *b)
{
    __u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

    return x < y ? -1 : x > y;
}

/* The owners of all places of a class, sorted; how many. */
static size_t owners(const struct sw_share_place *places, size_t len, enum sw_share_class class, __u32 ret[SW_SERVICES])
{
    size_t n = 0;

    for (size_t i = 0; i < len && n < SW_SERVICES; i++)
        if (places[i].class == class)
            ret[n++] = places[i].uid;
    qsort(ret, n, sizeof(*ret), compare_uids);
    return n;
}

size_t sw_share_most(const struct sw_share_place *places, size_t len, enum sw_share_class class, __u32 *ret_uid)
{
    __u32 uids[SW_SERVICES] = {0};
    size_t n = owners(places, len, class, uids), most = 0, run = 0;

    *ret_uid = 0;
    for (size_t i = 0; i < n; i++) {
        run = i && uids[i] == uids[i - 1] ? run + 1 : 1;
        if (run <= most)
            continue;
        most = run;
        *ret_uid = uids[i];
    }
    return most;
}

size_t sw_share_held(const struct sw_share_place *places, size_t len, __u32 uid)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += places[i].class == SW_SHARE_USER && places[i].uid == uid;
    return n;
}

static int by_uid(const void *a, const void *b)
{
    const struct sw_share_newcomer *x = a, *y = b;

    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_claim(const void *a, const void *b)
{
    const struct sw_share_newcomer *x = a, *y = b;

    if (x->class != y->class)
        return x->class > y->class ? -1 : 1;
    if (x->before != y->before)
        return x->before < y->before ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

void sw_share_order(struct sw_share_newcomer *newcomers, size_t len, const struct sw_share_place *places,
                    size_t places_len)
{
    __u32 uids[SW_SERVICES] = {0};
    size_t n = owners(places, places_len, SW_SHARE_USER, uids), at = 0, before = 0;

    if (!len)
        return;
    qsort(newcomers, len, sizeof(*newcomers), by_uid);
    for (size_t i = 0; i < len; i++) {
        struct sw_share_newcomer *one = &newcomers[i];

        if (!i || one->uid != newcomers[i - 1].uid) {
            for (; at < n && uids[at] < one->uid; at++)
                ;
            for (before = 0; at < n && uids[at] == one->uid; at++)
                before++;
        }
        one->before = one->class == SW_SHARE_USER ? before++ : 0;
    }
    qsort(newcomers, len, sizeof(*newcomers), by_claim);
}

static int youngest(const struct sw_share_place *places, size_t len, enum sw_share_class class, __u32 uid)
{
    int best = -1;

    for (size_t i = 0; i < len; i++)
        if (places[i].class == class && places[i].uid == uid && (best < 0 || places[i].born >= places[best].born))
            best = (int)i;
    return best;
}

int sw_share_victim(const struct sw_share_place *places, size_t len, const struct sw_share_newcomer *newcomer)
{
    size_t share = len / SW_SHARE_PART, most;
    __u32 uid;

    if (newcomer->class == SW_SHARE_USER && newcomer->before >= share)
        return -1;
    for (enum sw_share_class class = SW_SHARE_GONE; class < newcomer->class; class ++) {
        if (sw_share_most(places, len, class, &uid))
            return youngest(places, len, class, uid);
    }
    if (newcomer->class != SW_SHARE_USER)
        return -1;
    most = sw_share_most(places, len, SW_SHARE_USER, &uid);
    return most > share ? youngest(places, len, SW_SHARE_USER, uid) : -1;
}
