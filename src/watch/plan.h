/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which event is acted on, and when: a rate with a burst, and either each event for itself or by keys. Times are
 * parameters, in ns.
 *
 * Without keys an event over the rate is dropped. With keys (`per`) one key is acted on once at a time and at most once
 * in `cooldown`; the newest event that comes meanwhile, or over the rate, waits and takes the place of an older one:
 * the last word on a key is acted on, as long as no more than SW_PLAN_ENTRIES keys wait, nor more than SW_PLAN_BYTES.
 * What is `first` goes before others, and takes the place of one if there is no room, and so does the newer word on a
 * key where there are too many bytes; what only cools down is forgotten for one that comes.
 */
#ifndef SW_WATCH_PLAN_H
#define SW_WATCH_PLAN_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    SW_PLAN_ENTRIES = 1024,   /* waiting events; with keys, keys that are acted on, wait or cool down */
    SW_PLAN_BYTES = 64 << 20, /* of what waits; what was begun and is to begin again is beyond that */
};

struct sw_plan_rules {
    __u64 every_ns; /* of the rate, one in so many ns; 0: no limit */
    __u64 burst;    /* at least 1 */
    __u64 cooldown_ns;
    bool per; /* by keys */
};

struct sw_plan; /* opaque */

enum sw_plan_result {
    SW_PLAN_TAKEN,
    SW_PLAN_REPLACED,  /* taken, instead of one of its key that waited */
    SW_PLAN_OVER_RATE, /* not taken, as with the next two */
    SW_PLAN_FULL,
    SW_PLAN_NO_MEMORY,
};

/* An action that was begun: what sw_plan_next gives and sw_plan_ended takes back. */
struct sw_plan_task {
    size_t entry;
    void *item;
};

int sw_plan_open(const struct sw_plan_rules *rules, void (*drop)(void *item), struct sw_plan **ret); /* 0 or -ENOMEM */
void sw_plan_close(struct sw_plan *p); /* drops what waits; NULL is fine */

/*
 * key: with `per`; else NULL, and all are in order. item, of so many bytes, belongs to the plan if it is taken; what it
 * replaces is dropped, and so are those of other keys whose place it needs: *ret_displaced.
 */
enum sw_plan_result sw_plan_add(struct sw_plan *p, const char *key, bool first, void *item, size_t size, __u64 now,
                                size_t *ret_displaced);

/* What may begin now, those that are `first`, then the oldest; the item is the caller's. False: nothing. */
bool sw_plan_next(struct sw_plan *p, __u64 now, struct sw_plan_task *ret);
void sw_plan_ended(struct sw_plan *p, const struct sw_plan_task *task);
/* It has ended, and is to begin once more, not before from. False: a newer one waits; the item is the caller's. */
bool sw_plan_again(struct sw_plan *p, const struct sw_plan_task *task, __u64 from);

size_t sw_plan_waiting(const struct sw_plan *p);
__u64 sw_plan_due(const struct sw_plan *p); /* when the next one may begin, if nothing else happens; ~0: never */

#endif
