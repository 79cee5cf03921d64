/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/array.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/flows.h"
#include "loader/map_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OWNERS_REST 24 /* looking for owners takes at most 4 % of a CPU */

static void take(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    struct sw_flows *f = ctx;
    struct sw_flows_block *b = &f->block[f->len - 1];
    struct sw_flow_row row = {.key = *key, .flow = *flow};

    if (f->err || (!f->all && flow->flags & SW_F_ENDED) || !sw_filter_match(&f->filter, key, flow, f->owners))
        return;
    if (f->sort == SW_SORT_RATE) {
        row.rate = sw_flow_rate(&f->before, b->now, b->inst.pid, key, flow);
        f->err = sw_flow_look_add(&f->seen, b->inst.pid, key, flow);
    }
    if (f->stream)
        sw_flows_print_row(f, b, &row);
    else if (!f->err)
        f->err = sw_flow_rows_add(&b->rows, &row);
}

static int add_block(struct sw_flows *f, const struct sw_instance *inst)
{
    struct sw_flows_block *at = sw_array_room(f->block, &f->room, f->len + 1, sizeof(*at));

    if (!at)
        return -ENOMEM;
    f->block = at;
    f->block[f->len++] = (struct sw_flows_block){.inst = *inst, .now = sw_clock_now()};
    if (f->stream)
        sw_flows_print_head(f, &f->block[f->len - 1]);
    return 0;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct sw_flows *f = ctx;
    int err;

    if (!alive && !sw_instance_is_pinned(inst))
        return 0;
    f->elsewhere += sw_choice_is_elsewhere(&f->choice, inst);
    if (!sw_choice_fits(&f->choice, inst))
        return 0;
    if (!inst->map_flows) {
        f->starting = inst->pid;
        return 0;
    }
    if (inst->contract != SW_CONTRACT_VERSION) {
        if (!f->before.ns) /* once */
            sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
        f->other_version = true;
        return 0;
    }
    if (!alive && !f->watch_ns)
        sw_info("pinned state '%s': no synward is running, its programs stay attached", inst->pin);
    err = add_block(f, inst);
    if (!err)
        err = sw_map_flows(inst->map_flows, take, f);
    if (!err)
        err = sw_map_flows(inst->map_half_open, take, f);
    if (err == -ENOENT) { /* a map's id: it has just ended */
        free(f->block[--f->len].rows.row);
        return 0;
    }
    return err ? err : f->err;
}

/* Sockets and /proc again, but where that takes long, as with a hundred thousand open files, not at each look. */
static int find_owners(struct sw_flows *f)
{
    const __u64 now = sw_clock_now();
    int err;

    if ((!f->json && !f->wide && !sw_filter_asks_owner(&f->filter)) || (f->owners && now < f->owners_due_ns))
        return 0;
    sw_owners_free(f->owners);
    err = sw_owners_look(&f->owners);
    f->owners_due_ns = now + OWNERS_REST * (sw_clock_now() - now);
    return err;
}

int sw_flows_look(struct sw_flows *f)
{
    int err;

    f->starting = f->elsewhere = f->err = 0;
    f->clock_offset = f->lines.clock_offset = sw_clock_offset(); /* the clock may be set between two looks */
    f->seen.ns = sw_clock_now();
    err = find_owners(f);
    if (err)
        return err;
    err = sw_instance_walk(look, f);
    sw_flow_look_end(&f->seen);
    for (size_t i = 0; i < f->len; i++)
        sw_flow_rows_sort(&f->block[i].rows, f->sort);
    return err;
}

void sw_flows_forget(struct sw_flows *f)
{
    for (size_t i = 0; i < f->len; i++)
        free(f->block[i].rows.row);
    f->len = 0;
    free(f->before.seen);
    f->before = f->seen;
    memset(&f->seen, 0, sizeof(f->seen));
}

int sw_flows_say_none(const struct sw_flows *f)
{
    if (f->other_version)
        return SW_EXIT_NOT_RUNNING;
    if (!f->starting)
        return sw_choice_say_none(&f->choice, f->elsewhere);
    sw_err("flows: the synward with pid %d is starting", f->starting);
    return SW_EXIT_NOT_RUNNING;
}
