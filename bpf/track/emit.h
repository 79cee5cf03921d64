/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records for user space. If a ring is full the record is lost and counted by kind: nothing waits. Anomalies, which one
 * packet can cause, have a ring of their own, so that they take no space of other events. `opening` is
 * special: in a flood most are of spoofed sources and fill their ring, so one that does not fit is deferred, and
 * emitted before `established` if the handshake completes.
 */
#ifndef SW_BPF_TRACK_EMIT_H
#define SW_BPF_TRACK_EMIT_H

#include "track/ladder.h"

/*
 * The reader is woken when a batch is complete, or by its own timer at the latest. Only the few records that cross the
 * threshold wake it: a wake-up is a self-interrupt, which costs more than all the rest of the record (7 us in a virtual
 * machine). A reader that is running polls for more records.
 */
#define SW_WAKE_BYTES (64 << 10)
#define SW_WAKE_RECORDS 4 /* more than one: several CPUs may cross it together */

static __always_inline __u64 sw_wake(void *ring)
{
    __u64 past = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) - SW_WAKE_BYTES;
    __u32 longest = cfg.ladder ? sizeof(struct sw_conn_event) : sizeof(struct sw_event);

    return past < SW_WAKE_RECORDS * (longest + 8) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/*
 * After a record was submitted, to whichever ring: a reader for which nothing has come for a while does not poll. To
 * submit is to exchange the record's header, which is a full barrier, and the reader has one between setting its word
 * and looking at the rings: so either it has seen this record, or its word is seen here. Who takes the word back wakes
 * it afterwards, with a record that says nothing: what others submit in between is before that one.
 */
static __always_inline void sw_wake_sleeper(void)
{
    void *nothing;

    if (!SW_READ_ONCE(reader_sleeps))
        return;
    SW_WRITE_ONCE(reader_sleeps, 0);
    nothing = bpf_ringbuf_reserve(&events, sizeof(__u64), 0);
    if (nothing)
        bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
    else
        SW_WRITE_ONCE(reader_sleeps, 1);
}

static __always_inline void sw_event_fill(struct sw_event *e, const struct sw_scratch *sc, const struct sw_flow *f,
                                          __u64 ts, __u32 size)
{
    const struct sw_emit_ctx *w = &sc->emit;

    e->version = SW_CONTRACT_VERSION;
    e->size = size;
    e->kind = w->kind;
    e->hook = w->hook;
    e->anomaly = w->kind == SW_EV_ANOMALY ? w->out.anomaly : SW_AN_NONE;
    e->by = w->out.by;
    e->ifindex = w->ifindex;
    e->key = sc->key;
    e->ts = ts;
    __builtin_memcpy(&e->flow, f, sizeof(e->flow));
}

/* `conn` with its ladder, which are lost or read together. */
static __always_inline int sw_emit_reserve_conn(struct sw_scratch *sc, struct sw_flow *f, __u64 ts)
{
    struct sw_ladder *l = sw_ladder_find(&sc->key, f->flags & SW_F_IN_FLOWS, f->start_ns);
    const __u32 open = sc->emit.ring == SW_RING_OPEN;
    struct sw_conn_event *e;

    if (open)
        e = bpf_ringbuf_reserve(&events_open, sizeof(*e), 0);
    else
        e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
    if (!e)
        return 0;
    sw_event_fill(&e->event, sc, f, ts, sizeof(*e));
    if (l) {
        __builtin_memcpy(&e->ladder, l, sizeof(e->ladder));
    } else {
        __builtin_memset(&e->ladder, 0, sizeof(e->ladder));
        e->ladder.lost = SW_LADDER_UNKNOWN;
    }
    if (open)
        bpf_ringbuf_submit(e, sw_wake(&events_open));
    else
        bpf_ringbuf_submit(e, sw_wake(&events));
    sw_wake_sleeper();
    return 1;
}

/* Uses key and emit context of the scratch. Returns false if the ring was full; the caller counts. */
static __always_inline int sw_emit_reserve(struct sw_scratch *sc, struct sw_flow *f, __u64 ts)
{
    struct sw_emit_ctx *w = &sc->emit;
    struct sw_event *e;
    __u32 kind = w->kind;

    if (cfg.ladder && kind == SW_EV_CONN)
        return sw_emit_reserve_conn(sc, f, ts);
    if (w->ring == SW_RING_MAIN)
        e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
    else if (w->ring == SW_RING_OPEN)
        e = bpf_ringbuf_reserve(&events_open, sizeof(*e), 0);
    else
        e = bpf_ringbuf_reserve(&events_anomaly, sizeof(*e), 0);
    if (!e)
        return 0;
    sw_event_fill(e, sc, f, ts, sizeof(*e));
#ifndef SW_OLD
    if (kind != SW_EV_CONN && kind != SW_EV_TIMEOUT)
        e->flow.end_claimed = 0; /* who moves it to `flows` has claimed it, but it does not end */
#endif
    if (kind == SW_EV_OPENING && f->flags & SW_F_ESTABLISHED) { /* emitted late: with the state of that time */
        e->flow.end[SW_ORIG].state = SW_ST_SYN_SENT;
        e->flow.end[SW_RESP].state = SW_ST_LISTEN;
        e->flow.synack_ns = 0;
        e->flow.est_ns = 0;
    }
    if (w->ring == SW_RING_MAIN)
        bpf_ringbuf_submit(e, sw_wake(&events));
    else if (w->ring == SW_RING_OPEN)
        bpf_ringbuf_submit(e, sw_wake(&events_open));
    else
        bpf_ringbuf_submit(e, sw_wake(&events_anomaly));
    sw_wake_sleeper();
    return 1;
}

#ifndef SW_OLD
SW_STEP int sw_emit_record(__u32 context, struct sw_flow *f, __u64 ts)
{
    struct sw_scratch *sc = sw_scratch_of(context);

    if (!f)
        return 0;
    return sc ? sw_emit_reserve(sc, f, ts) : 0;
}
#else
__noinline int sw_emit_snapshot(__u32 context, __u64 ts)
{
    struct sw_scratch *sc = sw_scratch_of(context);

    return sc ? sw_emit_reserve(sc, &sc->snapshot, ts) : 0;
}

static __always_inline int sw_emit_record(__u32 context, struct sw_flow *f, __u64 ts)
{
    struct sw_scratch *sc = sw_scratch_of(context);

    if (!sc)
        return 0;
    sc->snapshot = *f;
    return sw_emit_snapshot(context, ts);
}
#endif

/*
 * An ignored RST, which takes back what has been emitted, stays in the flow's own ring; and an anomaly after which
 * `conn` follows at once, so that `conn` is the last.
 */
static __always_inline __u8 sw_ring_of(__u32 kind, __u32 anomaly, const struct sw_flow *f)
{
    if (kind == SW_EV_ANOMALY && anomaly != SW_AN_RST_IGNORED && (cfg.close_delay || !(f->flags & SW_F_ENDED)))
        return SW_RING_ANOMALY;
    return f->flags & SW_F_ESTABLISHED ? SW_RING_MAIN : SW_RING_OPEN;
}

/* The filter excludes it, and the guard needs it. */
static __always_inline int sw_is_silent(const struct sw_flow *f)
{
    return cfg.guard && f->flags & SW_F_FILTERED;
}

static __always_inline void sw_emit(__u32 context, __u32 kind, struct sw_flow *f, struct sw_emit_ctx *w, __u64 ts)
{
    if (!(cfg.event_mask & 1u << kind) || sw_is_silent(f))
        return;
    w->kind = kind;
    w->ring = sw_ring_of(kind, w->out.anomaly, f);
    if (sw_emit_record(context, f, ts))
        sw_count_in(context, SW_C_EMITTED_OPENING + kind);
    else
        sw_count_in(context, SW_C_LOST_OPENING + kind);
}

/* `opening`: when the SYN comes (late 0), or deferred until the handshake completes (late 1). */
static __always_inline void sw_emit_opening(__u32 context, struct sw_flow *f, struct sw_emit_ctx *w, int late)
{
    if (!(cfg.event_mask & 1u << SW_EV_OPENING) || sw_is_silent(f))
        return;
    if (late ? f->flags & SW_F_OPENING_EMITTED || !(f->flags & SW_F_OPENING_DEFERRED) : 0)
        return;
    w->kind = SW_EV_OPENING;
    w->ring = late ? SW_RING_MAIN : SW_RING_OPEN;
    if (sw_emit_record(context, f, f->syn_ns ? f->syn_ns : f->start_ns)) {
        f->flags |= SW_F_OPENING_EMITTED;
        sw_count(SW_C_EMITTED_OPENING);
    } else if (!late) {
        f->flags |= SW_F_OPENING_DEFERRED;
        sw_count(SW_C_OPENING_DEFERRED);
        return;
    } else {
        sw_count(SW_C_LOST_OPENING);
    }
    if (late) {
        f->flags &= ~SW_F_OPENING_DEFERRED;
        sw_count(SW_C_OPENING_RESOLVED);
    }
}

/* A flow that ends with a deferred `opening`: the record is lost. */
static __always_inline void sw_emit_opening_lost(__u32 context, const struct sw_flow *f)
{
    if (!(f->flags & SW_F_OPENING_DEFERRED))
        return;
    sw_count_in(context, SW_C_LOST_OPENING);
    sw_count_in(context, SW_C_OPENING_RESOLVED);
}

#endif
