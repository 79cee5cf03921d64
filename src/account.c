/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "account.h"

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
    __u64 lost = a->counters[SW_C_LOST_OPENING + kind];

    if (!(a->event_mask & 1u << kind))
        return 0;
    if (kind == SW_EV_CONN)
        lost += a->evicted;
    if (kind == SW_EV_OPENING)
        lost += a->owed;
    return lost;
}

int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns)
{
    __u64 delta[SW_EV_MAX];
    int err;

    for (int kind = 0; kind < SW_EV_MAX; kind++)
        delta[kind] = less(lost_of_kind(a, kind), a->said[kind]);
    err = sw_report_loss(report, delta, now_ns);
    if (err)
        return err;
    for (int kind = 0; kind < SW_EV_MAX; kind++)
        a->said[kind] += delta[kind];
    return 0;
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

    memcpy(stats.counters, a->counters, sizeof(stats.counters));
    for (int kind = 0; kind < SW_EV_MAX; kind++)
        stats.lost_total += a->said[kind];
    return sw_report_stats(report, &stats, now_ns);
}
