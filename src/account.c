/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "account.h"

#include "synward.skel.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static __u64 less(__u64 a, __u64 b)
{
    return a > b ? a - b : 0;
}

/*
 * An eviction leaves no trace: it is what was created and neither ended, nor was promoted, nor is present.
 * Read in this order a packet in between only makes the difference smaller, so nothing is reported lost that
 * still comes; at the end, with nothing attached, it is exact.
 */
int sw_account_update(struct sw_account *a, __u64 flush, bool final)
{
    __u64 before[SW_C_MAX], gone, owed;
    int err = sw_object_counters(a->obj, before);

    if (!err)
        err = sw_object_sweep(a->obj, 0, flush, &a->sweep);
    if (!err)
        err = sw_object_counters(a->obj, a->counters);
    if (err)
        return err;
    if (final)
        memcpy(before, a->counters, sizeof(before));
    /* one that was evicted and rebuilt was created twice, and is not lost */
    gone = a->counters[SW_C_EMBRYO_ENDED] + a->counters[SW_C_EMBRYO_PROMOTED] + a->counters[SW_C_EMBRYO_REVIVED] +
           a->sweep.embryos;
    gone = less(before[SW_C_EMBRYO_CREATED], gone);
    if (gone > a->evicted)
        a->evicted = gone;
    owed = a->counters[SW_C_OPENING_RESOLVED] + (final ? 0 : a->sweep.deferred);
    owed = less(before[SW_C_OPENING_DEFERRED], owed);
    if (owed > a->owed)
        a->owed = owed;
    return 0;
}

static __u64 lost_of_kind(const struct sw_account *a, int kind)
{
    __u64 lost;

    if (kind == SW_LOSS_GUARD)
        return a->counters[SW_C_GUARD_LOST];
    if (!(a->event_mask & 1u << kind))
        return 0;
    lost = a->counters[SW_C_LOST_OPENING + kind];
    if (kind == SW_EV_CONN)
        lost += a->evicted;
    if (kind == SW_EV_OPENING)
        lost += a->owed;
    return lost;
}

int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns)
{
    __u64 delta[SW_LOSSES];
    int err;

    for (int kind = 0; kind < SW_LOSSES; kind++)
        delta[kind] = less(lost_of_kind(a, kind), a->said[kind]);
    err = sw_report_loss(report, delta, now_ns);
    if (err)
        return err;
    for (int kind = 0; kind < SW_LOSSES; kind++)
        a->said[kind] += delta[kind];
    return 0;
}

static bool counted(const struct sw_tally *t)
{
    __u64 any = 0;

    for (int i = 0; i < SW_T_MAX; i++)
        any |= t->item[i];
    for (int i = 0; i < SW_DROP_MAX; i++)
        any |= t->drop[i];
    return any;
}

/* The guard's share: a line for each service that anything came for, and the sums. */
static int tell_services(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final,
                         struct sw_report_stats *stats)
{
    struct sw_tallies *t;
    int err;

    if (!a->obj->rodata->cfg.guard)
        return 0;
    t = malloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    err = sw_tallies_read(bpf_map__fd(a->obj->maps.services), bpf_map__fd(a->obj->maps.service_counters), now_ns, t);
    if (!err)
        sw_tallies_sum(t, &stats->services, &stats->services_awake, &stats->guard);
    for (int i = 1; i < SW_SERVICES && !err; i++) {
        struct sw_report_service one = {.service = t->services[i], .tally = t->tally[i], .final = final};

        if (one.service.port && counted(&one.tally))
            err = sw_report_service(report, &one, now_ns);
    }
    free(t);
    return err;
}

int sw_account_stats(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final)
{
    struct sw_report_stats stats = {
        .flows = a->sweep.flows,
        .flows_max = a->max_flows,
        .embryos = a->sweep.embryos,
        .embryos_max = a->max_embryos,
        .established = a->sweep.established,
        .embryos_evicted = a->evicted,
        .final = final,
    };
    int err = tell_services(a, report, now_ns, final, &stats), stats_err;

    memcpy(stats.counters, a->counters, sizeof(stats.counters));
    for (int kind = 0; kind < SW_LOSSES; kind++)
        stats.lost_total += a->said[kind];
    stats_err = sw_report_stats(report, &stats, now_ns);
    return err ? err : stats_err;
}
