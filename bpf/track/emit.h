/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records for user space. A ring that is full loses the record and counts it by kind: nothing waits.
 * An `opening` is special: in a flood most belong to spoofed sources and the ring for them fills, so
 * one that does not fit is owed, and told before `established` if the connection turns out real.
 */
#ifndef SW_BPF_TRACK_EMIT_H
#define SW_BPF_TRACK_EMIT_H

#include "track/maps.h"

/*
 * The reader is woken when a batch is there, or by its own timer at the latest. Only the few records that
 * cross the mark do it: a wake-up is an interrupt of the CPU's own, dearer than all the rest of the record
 * (7 us in a virtual machine). A reader that is awake finds by polling that there is more.
 */
#define SW_WAKE_BYTES (64 << 10)
#define SW_WAKE_RECORDS 4 /* more than one: CPUs may cross it together */

static __always_inline __u64 sw_wake(void *ring)
{
    __u64 past = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) - SW_WAKE_BYTES;

    return past < SW_WAKE_RECORDS * (sizeof(struct sw_event) + 8) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Of the room's key and where. Returns false if the ring was full; the caller counts. */
static __always_inline int sw_emit_of(struct sw_scratch *sc, struct sw_flow *f, __u64 ts)
{
    struct sw_where *w = &sc->where;
    struct sw_event *e;
    __u32 kind = w->kind;

    if (w->main_ring)
        e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
    else
        e = bpf_ringbuf_reserve(&events_open, sizeof(*e), 0);
    if (!e)
        return 0;
    e->version = SW_CONTRACT_VERSION;
    e->size = sizeof(*e);
    e->kind = kind;
    e->hook = w->hook;
    e->anomaly = kind == SW_EV_ANOMALY ? w->out.anomaly : SW_AN_NONE;
    e->by = w->out.by;
    e->ifindex = w->ifindex;
    e->key = sc->key;
    e->ts = ts;
    __builtin_memcpy(&e->flow, f, sizeof(e->flow));
    if (kind == SW_EV_OPENING && f->flags & SW_F_ESTABLISHED) { /* told late: as it was then */
        e->flow.end[SW_ORIG].state = SW_ST_SYN_SENT;
        e->flow.end[SW_RESP].state = SW_ST_LISTEN;
        e->flow.synack_ns = 0;
        e->flow.est_ns = 0;
    }
    bpf_ringbuf_submit(e, w->main_ring ? sw_wake(&events) : sw_wake(&events_open));
    return 1;
}

#ifndef SW_OLD
SW_STEP int sw_emit_record(__u32 room, struct sw_flow *f, __u64 ts)
{
    struct sw_scratch *sc = sw_room(room);

    if (!f)
        return 0;
    return sc ? sw_emit_of(sc, f, ts) : 0;
}
#else
__noinline int sw_emit_there(__u32 room, __u64 ts)
{
    struct sw_scratch *sc = sw_room(room);

    return sc ? sw_emit_of(sc, &sc->telling, ts) : 0;
}

static __always_inline int sw_emit_record(__u32 room, struct sw_flow *f, __u64 ts)
{
    struct sw_scratch *sc = sw_room(room);

    if (!sc)
        return 0;
    sc->telling = *f;
    return sw_emit_there(room, ts);
}
#endif

static __always_inline void sw_count_at(__u32 i)
{
    __u64 *n = bpf_map_lookup_elem(&counters, &i);

    if (n)
        *n += 1;
}

static __always_inline void sw_emit(__u32 room, __u32 kind, struct sw_flow *f, struct sw_where *w, __u64 ts)
{
    if (!(cfg.event_mask & 1u << kind))
        return;
    w->kind = kind;
    w->main_ring = !!(f->flags & SW_F_ESTABLISHED);
    if (sw_emit_record(room, f, ts))
        sw_count_at(SW_C_TOLD_OPENING + kind);
    else
        sw_count_at(SW_C_LOST_OPENING + kind);
}

/* The opening line: when the SYN comes (late 0), or when it is owed and the flow proved real (late 1). */
static __always_inline void sw_emit_opening(__u32 room, struct sw_flow *f, struct sw_where *w, int late)
{
    if (!(cfg.event_mask & 1u << SW_EV_OPENING))
        return;
    if (late ? f->flags & SW_F_OPENING_TOLD || !(f->flags & SW_F_OPENING_OWED) : 0)
        return;
    w->kind = SW_EV_OPENING;
    w->main_ring = late;
    if (sw_emit_record(room, f, f->syn_ns ? f->syn_ns : f->start_ns)) {
        f->flags |= SW_F_OPENING_TOLD;
        sw_count(SW_C_TOLD_OPENING);
    } else if (!late) {
        f->flags |= SW_F_OPENING_OWED;
        sw_count(SW_C_OPENING_DEFERRED);
        return;
    } else {
        sw_count(SW_C_LOST_OPENING);
    }
    if (late) {
        f->flags &= ~SW_F_OPENING_OWED;
        sw_count(SW_C_OPENING_RESOLVED);
    }
}

/* A flow that ends still owing its opening: that one is lost for good. */
static __always_inline void sw_emit_forfeit(struct sw_flow *f)
{
    if (!(f->flags & SW_F_OPENING_OWED))
        return;
    sw_count(SW_C_LOST_OPENING);
    sw_count(SW_C_OPENING_RESOLVED);
}

#endif
