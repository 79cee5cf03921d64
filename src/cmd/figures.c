/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/figures.h"

#include "base/clock.h"
#include "loader/filter.h"
#include "loader/map_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void count_one(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    struct sw_fill *fill = ctx;

    (void)key;
    fill->all++;
    fill->live += !(flow->flags & SW_F_ENDED);
}

static int read_guard(const struct sw_instance *inst, bool alive, struct sw_figures *f)
{
    struct sw_guard guard;
    int err;

    if (!inst->map_guard)
        return 0;
    f->guard = malloc(sizeof(*f->guard));
    if (!f->guard)
        return -ENOMEM;
    f->now = sw_clock_now();
    err = sw_service_stats_read_ids(inst->map_services, inst->map_svc_counters, f->now, f->guard);
    if (!err)
        err = sw_service_stats_guard_id(inst->map_guard, &guard);
    if (err)
        return err;
    f->unprotected = guard.unprotected;
    f->guard_flags = guard.flags;
    f->gateway = guard.gateway;
    f->keys = sw_key_state_of(&guard, f->now, alive);
    sw_service_stats_sum(f->guard, &f->services, &f->active, &f->sum);
    return 0;
}

/* The counters are read before and after the maps, so that packets in between do not count as evictions. */
int sw_figures_read(const struct sw_instance *inst, bool alive, struct sw_figures *f)
{
    __u64 before[SW_C_MAX], gone;
    int err;

    memset(f, 0, sizeof(*f));
    err = sw_map_counters(inst->map_counters, before);
    if (!err)
        err = sw_map_flows(inst->map_half_open, count_one, &f->half_open);
    if (!err)
        err = sw_map_flows(inst->map_flows, count_one, &f->flows);
    if (!err)
        err = sw_map_counters(inst->map_counters, f->counters);
    if (!err)
        err = sw_map_max_entries(inst->map_flows, &f->flows_max);
    if (!err)
        err = sw_map_max_entries(inst->map_half_open, &f->half_open_max);
    if (!err)
        err = sw_filter_get_id(inst->map_filter, &f->filter);
    if (!err)
        err = read_guard(inst, alive, f);
    if (err)
        return err;
    gone = f->counters[SW_C_HALF_OPEN_ENDED] + f->counters[SW_C_HALF_OPEN_PROMOTED] +
           f->counters[SW_C_HALF_OPEN_RESTORED] + f->half_open.all;
    if (before[SW_C_HALF_OPEN_CREATED] > gone)
        f->evicted = before[SW_C_HALF_OPEN_CREATED] - gone;
    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        f->lost += f->counters[SW_C_LOST_OPENING + kind];
        f->emitted += f->counters[SW_C_EMITTED_OPENING + kind];
    }
    return 0;
}

void sw_figures_free(struct sw_figures *f)
{
    free(f->guard);
    f->guard = NULL;
}

const char *sw_clock_text(const struct sw_figures *f, const char *unknown, const char *yes, const char *no)
{
    if (!(f->guard_flags & SW_G_CLOCK_WATCHED))
        return unknown;
    return f->guard_flags & SW_G_CLOCK_SYNCED ? yes : no;
}
