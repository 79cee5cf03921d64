/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/replay_schedule.h"

#include <stddef.h>

#define GAP_STEPS 1000 /* a silence of any length costs at most about this many sweeps */

static __u64 lesser(__u64 a, __u64 b)
{
    return a < b ? a : b;
}

void sw_replay_schedule_start(struct sw_replay_schedule *p, const struct sw_config *cfg, __u64 now)
{
    const __u64 limits[] = {cfg->close_delay,  cfg->t_syn_sent, cfg->t_syn_received, cfg->t_established,
                            cfg->t_close_wait, cfg->t_fin_wait, cfg->t_last_ack,     cfg->t_midstream};

    *p = (struct sw_replay_schedule){.began = now, .swept = now, .fresh = now, .floor = now, .step = SW_SECOND};
    p->least = cfg->update_interval ? cfg->update_interval : ~0ULL;
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        p->least = lesser(p->least, limits[i]);
}

void sw_replay_schedule_frame(struct sw_replay_schedule *p, __u64 last, __u64 ts)
{
    if (!p->fresh)
        p->fresh = last;
    p->floor = last;
    p->step = (ts - last) / GAP_STEPS > SW_SECOND ? (ts - last) / GAP_STEPS : SW_SECOND;
}

void sw_replay_schedule_swept(struct sw_replay_schedule *p, __u64 at)
{
    p->swept = at;
    p->fresh = 0;
}

/* Flows of the last sweep expire when it computed; flows that changed since expire after `least` at the earliest. */
__u64 sw_replay_schedule_next(const struct sw_replay_schedule *p, __u64 due, __u64 stats)
{
    due = lesser(due, stats);
    if (p->fresh)
        due = lesser(due, p->fresh + p->least);
    if (due == ~0ULL)
        return due;
    if (due < p->swept + p->step)
        due = p->swept + p->step;
    if (due < p->floor)
        due = p->floor;
    return p->began + (due - p->began + SW_SECOND - 1) / SW_SECOND * SW_SECOND;
}
