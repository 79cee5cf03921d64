/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Accounting: events that were lost, by kind, and the values of a stats line. */
#ifndef SW_EVENTS_LOSS_H
#define SW_EVENTS_LOSS_H

#include "loader/object.h"
#include "output/report.h"

/* The counters at one time. */
struct sw_counter_snapshot {
    __u64 taken;
    __u64 before;         /* time by which all of it had happened; 0: not known yet */
    __u64 evicted_by_lru; /* half-open flows, in all; some were restored */
    __u64 restored;       /* those */
    __u64 openings_lost;  /* deferred openings of evicted flows that were not restored */
};

#define SW_SNAPSHOTS 32 /* one a second at most, for the lifetime of a cache entry */

/* Where counters and sweeps come from, if it is not an object that is attached. Times are event time. 0 or -errno. */
struct sw_account_source {
    int (*counters)(void *arg, __u64 ret[SW_C_MAX]);
    int (*sweep)(void *arg, __u64 now, __u64 flush, struct sw_sweep *ret);
    void *arg;
};

struct sw_account {
    struct synward_bpf *obj;                /* or NULL, and */
    const struct sw_account_source *source; /* this */
    __u32 event_mask;                       /* enabled kinds: only those can be lost */
    __u64 max_flows, max_half_open;
    __u64 reported[SW_LOSSES]; /* in loss lines so far */
    __u64 evicted;             /* half-open flows evicted by the LRU that can no longer be restored; never decreases */
    __u64 openings_lost;       /* deferred openings of these */
    __u64 counters[SW_C_MAX];  /* of the last snapshot */
    const struct sw_owners *owners;
    const struct sw_export_counts *exports; /* NULL: nothing is exported */
    struct sw_sweep sweep;                  /* of the last sweep */
    bool by_need;                           /* only when there may be something to end */
    bool quiet;                             /* at the last sweep there was as much activity as at the one before */
    __u64 activity;                         /* at the last sweep */
    struct sw_counter_snapshot snapshot[SW_SNAPSHOTS];
    unsigned snapshots;
};

/* Sweeps, an object at the kernel's clock, and reads all counters, in an order that can only understate evictions while
 * packets come. now_ns is that clock. final: nothing is attached any more, what is missing is lost. */
int sw_account_update(struct sw_account *a, __u64 now_ns, __u64 flush, bool final);

/* All that was lost so far, by kind; with `--pin` since the pins were made. */
void sw_account_lost(const struct sw_account *a, __u64 ret_lost[SW_LOSSES]);

/* Reports what was lost since the last time, if anything. */
int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns);
/* With the guard on also a `service` line for each service with traffic, before the stats line. */
int sw_account_stats(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final);

#endif
