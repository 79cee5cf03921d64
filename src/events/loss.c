/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/loss.h"
#include "base/clock.h"
#include "loader/map_reader.h"
#include "loader/service_stats.h"
#include "loader/sweep.h"
#include "synward.skel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static __u64 less(__u64 a, __u64 b)
{
    return a > b ? a - b : 0;
}

#define LATE_NS SW_SECOND /* a packet's time is taken before it is counted */

/* The newest look whose evictions are certain: no note of them is young enough to rebuild one. Older ones go. */
static const struct sw_look *ripe_look(struct sw_account *a, __u64 now_ns)
{
    unsigned ripe = 0;

    while (ripe < a->looks && a->look[ripe].before + SW_NOTE_NS + LATE_NS <= now_ns)
        ripe++;
    if (!ripe)
        return NULL;
    a->looks -= ripe - 1;
    memmove(a->look, a->look + ripe - 1, a->looks * sizeof(a->look[0]));
    return &a->look[0];
}

static void keep_look(struct sw_account *a, const struct sw_look *look)
{
    const struct sw_look *last = a->looks ? &a->look[a->looks - 1] : NULL;

    if (a->looks == SW_LOOKS || (last && look->taken < last->taken + SW_SECOND))
        return; /* what is not kept is said later, by the next one */
    a->look[a->looks++] = *look;
}

/* What is lost for good by now of what was missing then; an opening that is owed came back only with its embryo. */
static void settle(struct sw_account *a, const struct sw_look *then, __u64 revived)
{
    __u64 taken = then->taken_by_lru, owed = less(then->owed, revived - then->revived);

    for (unsigned i = 0; i < a->looks; i++) /* it only grows: a later look that says less is the better one */
        if (a->look[i].taken >= then->taken && a->look[i].taken_by_lru < taken)
            taken = a->look[i].taken_by_lru;
    if (less(taken, revived) > a->evicted)
        a->evicted = less(taken, revived);
    if (owed > a->owed)
        a->owed = owed;
}

/*
 * An eviction leaves no trace: it is what was created and neither ended, nor was promoted, nor is present.
 * Read in this order a packet in between only makes the difference smaller. One that was evicted may be rebuilt
 * from its note, was then created twice, and is not lost: so an eviction is said when its note is too old, and
 * nothing is reported lost that still comes; at the end, with nothing attached, it is exact.
 */
int sw_account_update(struct sw_account *a, __u64 now_ns, __u64 flush, bool final)
{
    struct sw_look look = {.taken = now_ns};
    const struct sw_look *ripe;
    __u64 before[SW_C_MAX];
    int err;

    for (unsigned i = 0; i < a->looks; i++)
        if (!a->look[i].before)
            a->look[i].before = now_ns;
    err = sw_counters_read(bpf_map__fd(a->obj->maps.counters), before);
    if (!err)
        err = sw_object_sweep(a->obj, 0, flush, &a->sweep);
    if (!err)
        err = sw_counters_read(bpf_map__fd(a->obj->maps.counters), a->counters);
    if (err)
        return err;
    if (final)
        memcpy(before, a->counters, sizeof(before));
    look.revived = a->counters[SW_C_EMBRYO_REVIVED];
    look.taken_by_lru = a->counters[SW_C_EMBRYO_ENDED] + a->counters[SW_C_EMBRYO_PROMOTED] + a->sweep.embryos;
    look.taken_by_lru = less(before[SW_C_EMBRYO_CREATED], look.taken_by_lru);
    /* what is open at the end stays owed, but not what a last sweep only held back until the rings are read */
    look.owed = a->counters[SW_C_OPENING_RESOLVED] + (final && !a->sweep.held_back ? 0 : a->sweep.deferred);
    look.owed = less(before[SW_C_OPENING_DEFERRED], look.owed);
    if (final)
        a->looks = 0;
    ripe = final ? &look : ripe_look(a, now_ns);
    if (ripe)
        settle(a, ripe, look.revived);
    keep_look(a, &look);
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
