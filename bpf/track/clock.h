/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exact clock, and a coarse one that is at most a tick behind. */
#ifndef SW_BPF_TRACK_CLOCK_H
#define SW_BPF_TRACK_CLOCK_H

#include "track/maps.h"

static __always_inline __u64 sw_now(void)
{
    return cfg.replay ? *(volatile __u64 *)&replay_now : bpf_ktime_get_ns();
}

/* The CPU's last reading of the clock, and the tick that it was in. */
struct sw_clock {
    __u64 tick;
    __u64 ns;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_clock);
} clock SEC(".maps");

/*
 * At most a tick (1 to 10 ms) behind sw_now: read once a tick, because reading the clock takes a third of the fast
 * path's time. For the time a flow was last seen, not for measurements.
 */
static __always_inline __u64 sw_now_coarse(void)
{
    struct sw_clock *c;
    __u32 zero = 0;
    __u64 tick;

    if (cfg.replay)
        return sw_now();
    c = bpf_map_lookup_elem(&clock, &zero);
    if (!c)
        return sw_now();
    tick = bpf_jiffies64();
    if (c->tick != tick) {
        c->tick = tick;
        c->ns = bpf_ktime_get_ns();
    }
    return c->ns;
}

#endif
