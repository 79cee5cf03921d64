/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The books: what the kernel could not tell, by kind, and the figures of a stats line. */
#ifndef SW_EVENTS_LOSS_H
#define SW_EVENTS_LOSS_H

#include "loader/object.h"
#include "output/report.h"

/* What the counters said once. */
struct sw_look {
    __u64 taken;
    __u64 before;       /* all of it had happened by then; 0: not known yet */
    __u64 taken_by_lru; /* embryos, in all; some of them were rebuilt */
    __u64 revived;      /* those */
    __u64 owed;         /* openings that went with the embryos and did not come back */
};

#define SW_LOOKS 32 /* one a second at most, for as long as a note lives */

struct sw_account {
    struct synward_bpf *obj;
    __u32 event_mask; /* kinds that were wanted: only those can be lost */
    __u64 max_flows, max_embryos;
    __u64 said[SW_LOSSES];    /* told in loss lines so far */
    __u64 evicted;            /* embryos that the LRU took and that can not be rebuilt any more; never goes back */
    __u64 owed;               /* openings that went with them */
    __u64 counters[SW_C_MAX]; /* of the last look */
    struct sw_sweep sweep;    /* of the last sweep */
    struct sw_look look[SW_LOOKS];
    unsigned looks;
};

/* Sweeps at the kernel's clock and looks at all counters, in the order that can only understate evictions
 * while packets come. now_ns is that clock. final: nothing is attached any more, what is missing is lost. */
int sw_account_update(struct sw_account *a, __u64 now_ns, __u64 flush, bool final);

/* Tells what was lost since the last time, if anything. */
int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns);
/* With the guard on also a `service` line for each service that anything came for, before the stats line. */
int sw_account_stats(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final);

#endif
