/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a stats and a service line say. */
#ifndef SW_OUTPUT_FIGURES_H
#define SW_OUTPUT_FIGURES_H

#include "synward.h"

#include <stdbool.h>

/* Everything a stats line says; counters are sums over CPUs, indexed by enum sw_counter. */
struct sw_report_stats {
    __u64 counters[SW_C_MAX];
    __u64 flows, flows_max;
    __u64 embryos, embryos_max;
    __u64 established;
    __u64 lost_total;      /* events lost since start, all kinds */
    __u64 embryos_evicted; /* embryos that the LRU took: their conn lines are lost (kind conn) */
    __u64 services;        /* protected, and of these not calm; 0 without the guard */
    __u64 services_awake;
    struct sw_tally guard; /* sum over all services and CPUs */
    bool final;            /* the last line of a run */
};

/* What a service line says. */
struct sw_report_service {
    struct sw_service service;
    struct sw_tally tally; /* summed over CPUs */
    bool final;
};

/* How long it has been in its state; 0 also: unknown. */
static inline __u64 sw_service_in_state(const struct sw_service *s, __u64 now_ns)
{
    return now_ns > s->since ? now_ns - s->since : 0;
}

static inline __u64 sw_tally_dropped(const struct sw_tally *t)
{
    __u64 sum = 0;

    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        sum += t->drop[i];
    return sum;
}

#endif
