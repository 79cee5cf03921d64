/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/loss.h"
#include "base/clock.h"
#include "loader/map_reader.h"
#include "loader/service_stats.h"
#include "loader/sweep.h"
#include "synward.skel.h"
#include "synward_filter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static __u64 less(__u64 a, __u64 b)
{
    return a > b ? a - b : 0;
}

#define LATE_NS SW_SECOND /* a packet's time is taken before it is counted */

/* The newest snapshot whose evictions are certain: their cache entries are too old to restore them. Drops older ones.
 */
static const struct sw_counter_snapshot *certain_snapshot(struct sw_account *a, __u64 now_ns)
{
    unsigned certain = 0;

    while (certain < a->snapshots && a->snapshot[certain].before + SW_SYN_CACHE_NS + LATE_NS <= now_ns)
        certain++;
    if (!certain)
        return NULL;
    a->snapshots -= certain - 1;
    memmove(a->snapshot, a->snapshot + certain - 1, a->snapshots * sizeof(a->snapshot[0]));
    return &a->snapshot[0];
}

static void keep_snapshot(struct sw_account *a, const struct sw_counter_snapshot *snapshot)
{
    const struct sw_counter_snapshot *last = a->snapshots ? &a->snapshot[a->snapshots - 1] : NULL;

    if (a->snapshots == SW_SNAPSHOTS || (last && snapshot->taken < last->taken + SW_SECOND))
        return; /* what is not kept is reported later, by the next snapshot */
    a->snapshot[a->snapshots++] = *snapshot;
}

/* Counts what was missing in a snapshot and is lost by now. A deferred opening returns only with its half-open flow. */
static void count_evictions(struct sw_account *a, const struct sw_counter_snapshot *then, __u64 restored)
{
    __u64 taken = then->evicted_by_lru, openings_lost = less(then->openings_lost, restored - then->restored);

    for (unsigned i = 0; i < a->snapshots; i++) /* the true value only grows: a later, smaller one is more exact */
        if (a->snapshot[i].taken >= then->taken && a->snapshot[i].evicted_by_lru < taken)
            taken = a->snapshot[i].evicted_by_lru;
    if (less(taken, restored) > a->evicted)
        a->evicted = less(taken, restored);
    if (openings_lost > a->openings_lost)
        a->openings_lost = openings_lost;
}

static int read_counters(const struct sw_account *a, __u64 ret[SW_C_MAX])
{
    return a->source ? a->source->counters(a->source->arg, ret)
                     : sw_counters_read(bpf_map__fd(a->obj->maps.counters), ret);
}

static int sweep(struct sw_account *a, __u64 now_ns, __u64 flush)
{
    return a->source ? a->source->sweep(a->source->arg, now_ns, flush, &a->sweep)
                     : sw_object_sweep(a->obj, 0, flush, &a->sweep);
}

/*
 * Grows with each segment that may have changed the tables, or when a flow ends: those in order of connections that are
 * known do not. And with each change of the filter, which the sweep applies.
 */
static __u64 activity(const struct sw_account *a, const __u64 counters[SW_C_MAX])
{
    static struct sw_filter_map filter;
    const __u32 zero = 0;
    __u64 sum =
        counters[SW_C_TCP] - counters[SW_C_FAST_PATH] + counters[SW_C_HALF_OPEN_ENDED] + counters[SW_C_FLOW_ENDED];

    if (a->obj && !bpf_map_lookup_elem(bpf_map__fd(a->obj->maps.filter), &zero, &filter))
        sum += filter.generation;
    return sum;
}

/* A segment is counted before it is in a table, so a sweep after it may not have found it: the next one has. */
static bool has_work(struct sw_account *a, __u64 now_ns, const __u64 counters[SW_C_MAX])
{
    const __u64 before = a->activity;
    const bool was_quiet = a->quiet, any = a->sweep.half_open || a->sweep.flows;
    const bool timed = a->obj && (a->obj->rodata->cfg.guard || a->obj->rodata->cfg.update_interval);

    a->activity = activity(a, counters);
    a->quiet = a->activity == before;
    return !was_quiet || !a->quiet || a->sweep.held_back || now_ns >= a->sweep.next || (any && timed);
}

/*
 * An eviction leaves no trace: it is what was created and neither ended, nor was promoted, nor is present. Read in this
 * order a packet in between only makes the difference smaller. An evicted flow may be restored from the SYN cache; it
 * is then created twice, and not lost. So an eviction is reported when its cache entry is too old, and nothing is
 * reported lost that may still come; at the end, with nothing attached, the count is exact.
 */
int sw_account_update(struct sw_account *a, __u64 now_ns, __u64 flush, bool final)
{
    struct sw_counter_snapshot snapshot = {.taken = now_ns};
    const struct sw_counter_snapshot *certain;
    __u64 before[SW_C_MAX];
    int err;

    for (unsigned i = 0; i < a->snapshots; i++)
        if (!a->snapshot[i].before)
            a->snapshot[i].before = now_ns;
    err = read_counters(a, before);
    if (err)
        return err;
    if (!a->by_need || flush || final || has_work(a, now_ns, before)) {
        err = sweep(a, now_ns, flush);
        if (!err)
            err = read_counters(a, a->counters);
        if (err)
            return err;
    } else {
        memcpy(a->counters, before, sizeof(before));
    }
    if (final)
        memcpy(before, a->counters, sizeof(before));
    snapshot.restored = a->counters[SW_C_HALF_OPEN_RESTORED];
    snapshot.evicted_by_lru =
        a->counters[SW_C_HALF_OPEN_ENDED] + a->counters[SW_C_HALF_OPEN_PROMOTED] + a->sweep.half_open;
    snapshot.evicted_by_lru = less(before[SW_C_HALF_OPEN_CREATED], snapshot.evicted_by_lru);
    /* what is open at the end stays owed, but not what a last sweep only held back until the rings are read */
    snapshot.openings_lost =
        a->counters[SW_C_OPENING_RESOLVED] + (final && !a->sweep.held_back ? 0 : a->sweep.deferred);
    snapshot.openings_lost = less(before[SW_C_OPENING_DEFERRED], snapshot.openings_lost);
    if (final)
        a->snapshots = 0;
    certain = final ? &snapshot : certain_snapshot(a, now_ns);
    if (certain)
        count_evictions(a, certain, snapshot.restored);
    keep_snapshot(a, &snapshot);
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
        lost += a->openings_lost;
    return lost;
}

void sw_account_lost(const struct sw_account *a, __u64 ret_lost[SW_LOSSES])
{
    for (int kind = 0; kind < SW_LOSSES; kind++)
        ret_lost[kind] = lost_of_kind(a, kind);
}

int sw_account_loss(struct sw_account *a, struct sw_report *report, __u64 now_ns)
{
    __u64 delta[SW_LOSSES];
    int err;

    for (int kind = 0; kind < SW_LOSSES; kind++)
        delta[kind] = less(lost_of_kind(a, kind), a->reported[kind]);
    err = sw_report_loss(report, delta, now_ns);
    if (err)
        return err;
    for (int kind = 0; kind < SW_LOSSES; kind++)
        a->reported[kind] += delta[kind];
    return 0;
}

static bool counted(const struct sw_svc_counters *t)
{
    __u64 any = 0;

    for (int i = 0; i < SW_T_MAX; i++)
        any |= t->item[i];
    for (int i = 0; i < SW_DROP_MAX; i++)
        any |= t->drop[i];
    return any;
}

/* The guard's part: a line for each service with traffic, and the sums. */
static int report_services(const struct sw_account *a, struct sw_report *report, __u64 now_ns, bool final,
                           struct sw_report_stats *stats)
{
    struct sw_service_stats *t;
    int err;

    if (!a->obj || !a->obj->rodata->cfg.guard)
        return 0;
    t = malloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    err = sw_service_stats_read(bpf_map__fd(a->obj->maps.services), bpf_map__fd(a->obj->maps.svc_counters), now_ns, t);
    if (!err)
        err = sw_service_stats_unprotected(bpf_map__fd(a->obj->maps.guard), &stats->services_unprotected);
    if (!err)
        err = sw_service_stats_keys(bpf_map__fd(a->obj->maps.guard), now_ns, true, &stats->keys);
    if (!err)
        sw_service_stats_sum(t, &stats->services, &stats->services_active, &stats->guard);
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
        .half_open = a->sweep.half_open,
        .half_open_max = a->max_half_open,
        .established = a->sweep.established,
        .half_open_evicted = a->evicted,
        .final = final,
    };
    int err = report_services(a, report, now_ns, final, &stats), stats_err;

    memcpy(stats.counters, a->counters, sizeof(stats.counters));
    sw_owners_counts(a->owners, &stats.owners_found, &stats.owners_unknown);
    if (a->exports)
        stats.exports = *a->exports;
    for (int kind = 0; kind < SW_LOSSES; kind++)
        stats.lost_total += a->reported[kind];
    stats_err = sw_report_stats(report, &stats, now_ns);
    return err ? err : stats_err;
}
