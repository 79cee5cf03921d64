/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expiry, in the kernel: walks both maps, ends what its time has come for, copies nothing out. */
#ifndef SW_BPF_TRACK_SWEEP_H
#define SW_BPF_TRACK_SWEEP_H

#include "tcp/timeouts.h"
#include "track/clock.h"
#include "track/flow_table.h"

struct sw_sweep_ctx {
    __u64 now;
    __u64 flush;
    __u64 seen;
    __u64 live;
    __u64 held;
    __u64 deferred;
    __u64 next;
};

/* Is there room for the records of one ended flow? What has none waits for the next sweep. */
static __always_inline int sw_sweep_room(const struct sw_flow *f)
{
    __u64 used, size;

    if (f->flags & SW_F_ESTABLISHED) {
        used = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
        size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
    } else {
        used = bpf_ringbuf_query(&events_open, BPF_RB_AVAIL_DATA);
        size = bpf_ringbuf_query(&events_open, BPF_RB_RING_SIZE);
    }
    return used < size / 2;
}

/* What is told of a flow is told of its room. */
static __always_inline struct sw_where *sw_sweep_at(struct sw_scratch *sc, const struct sw_key *key,
                                                    const struct sw_flow *f)
{
    struct sw_where *w = &sc->where;

    sc->key = *key;
    __builtin_memset(w, 0, sizeof(*w));
    w->ifindex = f->ifindex;
    w->hook = cfg.replay ? SW_HOOK_REPLAY : SW_HOOK_SWEEP;
    return w;
}

static long sw_sweep_one(void *map, struct sw_key *key, struct sw_flow *f, struct sw_sweep_ctx *c)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_SWEEP);
    struct sw_config limits = cfg;
    struct sw_where *w;
    struct sw_lock *l;
    __u64 at;
    __u32 why;

    (void)map;
    if (!sc)
        return 0;
    c->seen++;
    why = sw_expiry(f, &limits, c->now, c->flush);
    if (why == SW_WHY_NONE) {
        if (!(f->flags & SW_F_OVER))
            c->live++;
        if (f->flags & SW_F_OPENING_OWED)
            c->deferred++;
        if (cfg.update_interval && f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_OVER) &&
            c->now >= f->told_ns + cfg.update_interval) {
            f->told_ns = c->now;
            w = sw_sweep_at(sc, key, f);
            sw_emit(SW_ROOM_SWEEP, SW_EV_UPDATE, f, w, c->now);
        }
        at = sw_expiry_at(f, &limits);
        if (at < c->next)
            c->next = at;
        return 0;
    }
    if (!sw_sweep_room(f)) {
        c->held++;
        if (f->flags & SW_F_OPENING_OWED)
            c->deferred++;
        return 0;
    }
    w = sw_sweep_at(sc, key, f);
    l = sw_lock_of(&sc->key);
    if (!l)
        return 0;
    if (!sw_claim_end(f, l))
        return 0;
    if (!(f->flags & SW_F_OVER)) {
        f->flags |= SW_F_OVER;
        f->over_ns = c->now;
        f->reason = why;
        if (why != SW_WHY_END_OF_INPUT)
            sw_emit(SW_ROOM_SWEEP, SW_EV_TIMEOUT, f, w, c->now);
    }
    sw_end_flow(SW_ROOM_SWEEP, f, c->now);
    c->seen--;
    return 0;
}

/* One flow by its key, as user space found it. What is left of it is told like sw_sweep_all's, added up. */
static __always_inline int sw_sweep_key(const void *bytes)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_SWEEP);
    struct sw_sweep_ctx c = {0};
    struct sw_flow *f;
    __u32 in_flows;

    if (!sc)
        return 0;
    __builtin_memcpy(&sc->key, bytes, sizeof(sc->key));
    f = bpf_map_lookup_elem(&flows, &sc->key);
    if (!f)
        f = bpf_map_lookup_elem(&embryos, &sc->key);
    if (!f)
        return 0;
    c.now = sweep.now ? sweep.now : sw_now();
    c.flush = sweep.flush;
    c.next = ~0ULL;
    in_flows = f->flags & SW_F_IN_FLOWS;
    sw_sweep_one(0, &sc->key, f, &c);
    sweep.established += in_flows ? c.live : 0;
    sweep.held_back += c.held;
    sweep.deferred += c.deferred;
    if (c.next < sweep.next)
        sweep.next = c.next;
    return !!c.seen;
}

#ifndef SW_OLD
static __always_inline int sw_sweep_all(void)
{
    struct sw_sweep_ctx c = {0};

    c.now = sweep.now ? sweep.now : sw_now();
    c.flush = sweep.flush;
    c.next = ~0ULL;
    bpf_for_each_map_elem(&embryos, sw_sweep_one, &c, 0);
    sweep.embryos = c.seen;
    c.seen = 0;
    c.live = 0;
    bpf_for_each_map_elem(&flows, sw_sweep_one, &c, 0);
    sweep.flows = c.seen;
    sweep.established = c.live;
    sweep.held_back = c.held;
    sweep.deferred = c.deferred;
    sweep.next = c.next;
    return 0;
}
#endif

#endif
