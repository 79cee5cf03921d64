/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watch/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *key;   /* NULL: of no key */
    void *item;  /* waits; or NULL */
    size_t size; /* of the item that waits, or was begun last */
    __u64 order; /* of the item */
    __u64 from;  /* not before */
    bool used, busy;
    bool first; /* the item goes before others */
};

struct sw_plan {
    struct sw_plan_rules rules;
    void (*drop)(void *item);
    __u64 full; /* when all of the burst is there again */
    __u64 order;
    size_t waiting, bytes, high; /* bytes: of what waits; high: entries behind it were never used */
    struct entry entries[SW_PLAN_ENTRIES];
};

int sw_plan_open(const struct sw_plan_rules *rules, void (*drop)(void *item), struct sw_plan **ret)
{
    struct sw_plan *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->rules = *rules;
    p->drop = drop;
    *ret = p;
    return 0;
}

void sw_plan_close(struct sw_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->high; i++) {
        if (p->entries[i].item)
            p->drop(p->entries[i].item);
        free(p->entries[i].key);
    }
    free(p);
}

/* When there is room for one more in the rate. */
static __u64 rate_from(const struct sw_plan *p)
{
    const __u64 burst_ns = (p->rules.burst - 1) * p->rules.every_ns;

    return p->full > burst_ns ? p->full - burst_ns : 0;
}

static bool take_rate(struct sw_plan *p, __u64 now)
{
    if (now < rate_from(p))
        return false;
    p->full = (p->full > now ? p->full : now) + p->rules.every_ns;
    return true;
}

static struct entry *find(struct sw_plan *p, const char *key)
{
    for (size_t i = 0; key && i < p->high; i++)
        if (p->entries[i].used && p->entries[i].key && !strcmp(p->entries[i].key, key))
            return &p->entries[i];
    return NULL;
}

static struct entry *cleared(struct entry *e)
{
    free(e->key);
    *e = (struct entry){0};
    return e;
}

/* One that nothing is known of any more, or a new one, or one that only cools down; NULL: there is none. */
static struct entry *find_free(struct sw_plan *p, __u64 now)
{
    struct entry *cools = NULL;

    for (size_t i = 0; i < p->high; i++) {
        struct entry *e = &p->entries[i];

        if (e->used && (e->item || e->busy))
            continue;
        if (!e->used || now >= e->from)
            return cleared(e);
        if (!cools || e->from < cools->from)
            cools = e;
    }
    if (p->high < SW_PLAN_ENTRIES)
        return &p->entries[p->high++];
    return cools ? cleared(cools) : NULL;
}

/* The newest that waits and is not to go before others, nor is the one at `keep`; NULL: there is none. */
static struct entry *find_last(struct sw_plan *p, size_t keep)
{
    struct entry *last = NULL;

    for (size_t i = 0; i < p->high; i++) {
        struct entry *e = &p->entries[i];

        if (i != keep && e->item && !e->busy && !e->first && (!last || e->order > last->order))
            last = e;
    }
    return last;
}

static void put(struct sw_plan *p, struct entry *e, void *item, size_t size)
{
    e->item = item;
    e->size = size;
    p->waiting++;
    p->bytes += size;
}

static void *take(struct sw_plan *p, struct entry *e)
{
    void *item = e->item;

    e->item = NULL;
    p->waiting--;
    p->bytes -= e->size;
    return item;
}

/* False: nothing waits that may be displaced. */
static bool displace(struct sw_plan *p, size_t keep, size_t *displaced)
{
    struct entry *last = find_last(p, keep);

    if (!last)
        return false;
    p->drop(take(p, last));
    cleared(last);
    ++*displaced;
    return true;
}

/* For so many bytes, where e's own item, if it has one, makes room for them. */
static bool has_room(struct sw_plan *p, const struct entry *e, size_t size, bool displaces, size_t *displaced)
{
    const size_t keep = e ? (size_t)(e - p->entries) : SW_PLAN_ENTRIES;

    while (p->bytes - (e && e->item ? e->size : 0) + size > SW_PLAN_BYTES)
        if (!displaces || !displace(p, keep, displaced))
            return false;
    return true;
}

/* A place for an item of no key, or of one that nothing is known of. */
static enum sw_plan_result find_place(struct sw_plan *p, const char *key, bool displaces, __u64 now, size_t *displaced,
                                      struct entry **ret)
{
    struct entry *e = find_free(p, now);

    if (!e && displaces && displace(p, SW_PLAN_ENTRIES, displaced))
        e = find_free(p, now);
    if (!e)
        return SW_PLAN_FULL;
    if (!p->rules.per && !take_rate(p, now))
        return SW_PLAN_OVER_RATE;
    e->key = p->rules.per ? strdup(key) : NULL;
    if (p->rules.per && !e->key)
        return SW_PLAN_NO_MEMORY;
    e->used = true;
    *ret = e;
    return SW_PLAN_TAKEN;
}

enum sw_plan_result sw_plan_add(struct sw_plan *p, const char *key, bool first, void *item, size_t size, __u64 now,
                                size_t *ret_displaced)
{
    struct entry *e = find(p, p->rules.per ? key : NULL);
    const bool displaces = p->rules.per && (first || e);
    enum sw_plan_result result = SW_PLAN_TAKEN;

    *ret_displaced = 0;
    if (!has_room(p, e, size, displaces, ret_displaced))
        return SW_PLAN_FULL;
    if (!e)
        result = find_place(p, key, displaces, now, ret_displaced, &e);
    if (result != SW_PLAN_TAKEN)
        return result;
    if (e->item) { /* in its place, so that a key that never rests is not always last */
        p->drop(take(p, e));
        e->first |= first;
        result = SW_PLAN_REPLACED;
    } else {
        e->first = first;
        e->order = p->order++;
    }
    put(p, e, item, size);
    return result;
}

static bool goes_before(const struct entry *a, const struct entry *b)
{
    return a->first != b->first ? a->first : a->order < b->order;
}

bool sw_plan_next(struct sw_plan *p, __u64 now, struct sw_plan_task *ret)
{
    struct entry *next = NULL;

    for (size_t i = 0; p->waiting && i < p->high; i++) {
        struct entry *e = &p->entries[i];

        if (e->item && !e->busy && now >= e->from && (!next || goes_before(e, next)))
            next = e;
    }
    if (!next || (p->rules.per && !take_rate(p, now)))
        return false;
    *ret = (struct sw_plan_task){.entry = next - p->entries, .item = take(p, next)};
    next->busy = true;
    next->from = now + p->rules.cooldown_ns;
    return true;
}

void sw_plan_ended(struct sw_plan *p, const struct sw_plan_task *task)
{
    p->entries[task->entry].busy = false;
}

bool sw_plan_again(struct sw_plan *p, const struct sw_plan_task *task, __u64 from)
{
    struct entry *e = &p->entries[task->entry];

    e->busy = false;
    if (e->item)
        return false;
    put(p, e, task->item, e->size); /* with its order: nothing was put in its place since */
    if (from > e->from)
        e->from = from;
    return true;
}

size_t sw_plan_waiting(const struct sw_plan *p)
{
    return p->waiting;
}

__u64 sw_plan_due(const struct sw_plan *p)
{
    __u64 due = ~0ull, rate = p->rules.per ? rate_from(p) : 0;

    for (size_t i = 0; p->waiting && i < p->high; i++) {
        const struct entry *e = &p->entries[i];

        if (e->item && !e->busy && e->from < due)
            due = e->from;
    }
    return due < rate ? rate : due;
}
