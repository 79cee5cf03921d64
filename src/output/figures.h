/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The values of a stats and a service line. */
#ifndef SW_OUTPUT_FIGURES_H
#define SW_OUTPUT_FIGURES_H

#include "base/key_state.h"
#include "synward.h"

#include <stdbool.h>

/* Connections since the start; of those that never came to the process the kernel counts lost_conn. */
struct sw_export_counts {
    __u64 exported;
    __u64 lost; /* their records could not be sent, or were refused */
};

/* The values of a stats line; counters are sums over CPUs, indexed by enum sw_counter. */
struct sw_report_stats {
    __u64 counters[SW_C_MAX];
    __u64 flows, flows_max;
    __u64 half_open, half_open_max;
    __u64 established;
    __u64 lost_total;        /* events lost since start, all kinds */
    __u64 half_open_evicted; /* half-open flows evicted by the LRU: their conn lines are lost (kind conn) */
    __u64 services;          /* protected, and of these not calm; 0 without the guard */
    __u64 services_active;
    __u64 owners_found;   /* ends of this host that were established, with their process; 0 without --owner=process */
    __u64 owners_unknown; /* and without */
    struct sw_export_counts exports; /* 0 without --export */
    __u64 services_unprotected;      /* listening sockets for which there was no place */
    struct sw_svc_counters guard;    /* sum over all services and CPUs */
    struct sw_key_state keys;        /* not given: without a key file */
    bool final;                      /* the last line of a run */
};

/* The values of a service line. */
struct sw_report_service {
    struct sw_service service;
    struct sw_svc_counters tally; /* summed over CPUs */
    bool final;
};

/* How long it has been in its state; 0 also: unknown. */
static inline __u64 sw_service_in_state(const struct sw_service *s, __u64 now_ns)
{
    return now_ns > s->since ? now_ns - s->since : 0;
}

static inline __u64 sw_svc_counters_dropped(const struct sw_svc_counters *t)
{
    __u64 sum = 0;

    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        sum += t->drop[i];
    return sum;
}

#endif
