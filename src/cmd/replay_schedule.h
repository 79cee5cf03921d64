/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a replay sweeps. Expiry goes by whole seconds since the first frame, but a sweep walks the
 * maps, so the seconds at which nothing can expire are left out. Pure; times in event time.
 */
#ifndef SW_CMD_REPLAY_SCHEDULE_H
#define SW_CMD_REPLAY_SCHEDULE_H

#include "synward.h"

struct sw_replay_schedule {
    __u64 began; /* at the first frame */
    __u64 swept; /* at the last sweep */
    __u64 fresh; /* at the first frame since then, 0: none came */
    __u64 floor; /* at the last frame: a sweep that was put off is not dated before it */
    __u64 least; /* no flow expires sooner after its last segment */
    __u64 step;  /* between two sweeps at least */
};

void sw_replay_schedule_start(struct sw_replay_schedule *p, const struct sw_config *cfg, __u64 now);
/* The last frame came at `last` and the next one comes at `ts`. */
void sw_replay_schedule_frame(struct sw_replay_schedule *p, __u64 last, __u64 ts);
/* The next time to sweep. due: sw_sweep.next of the last sweep; stats: the next stats line; all ones: never. */
__u64 sw_replay_schedule_next(const struct sw_replay_schedule *p, __u64 due, __u64 stats);
void sw_replay_schedule_swept(struct sw_replay_schedule *p, __u64 at);

#endif
