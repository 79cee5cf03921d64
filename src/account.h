/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The books: what the kernel could not tell, by kind, and the figures of a stats line. */
#ifndef SW_ACCOUNT_H
#define SW_ACCOUNT_H

#include "object.h"
#include "report.h"

struct sw_account {
    struct synward_bpf *obj;
    __u32 event_mask; /* kinds that were wanted: only those can be lost */
    __u64 max_flows, max_embryos;
    __u64 said[SW_LOSSES];    /* told in loss lines so far */
    __u64 evicted;            /* embryos that the LRU took; never goes back */
    __u64 owed;               /* openings that went with them */
    __u64 counters[SW_C_MAX]; /* of the last look */
    struct sw_sweep sweep;    /* of the last sweep */
};

/* Sweeps at the kernel's clock and looks at all counters, in the order that can only understate evictions
 * while packets come. final: nothing is attached any more, openings still owed count as lost. */
int sw_account_update(struct sw_account *a, __u64 flush, bool final);

/* Tells what was lost since the last time, if anything. */
int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns);
/* With the guard on also a `service` line for each service that anything came for, before the stats line. */
int sw_account_stats(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final);

#endif
