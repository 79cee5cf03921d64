/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segment to flow: look up, run the state machine, emit (flow_events.h). `half_open` (LRU) holds flows that are not
 * established, so that a flood can evict nothing else; `flows` holds established ones and evicts nothing.
 */
#ifndef SW_BPF_TRACK_FLOW_TABLE_H
#define SW_BPF_TRACK_FLOW_TABLE_H

#include "tcp/timeouts.h"
#include "track/clock.h"
#include "track/filter.h"
#include "track/flow_events.h"
#include "track/lock.h"
#include "track/owner.h"
#include "track/promote.h"
#include "track/syn_restore.h"

/* With the guard: what began midstream stays in `half_open` until this host sends on it, or its two directions come in
 * by different interfaces, as what is forwarded does. A SYN-ACK does not say that it goes on. */
static __always_inline int sw_is_stray(const struct sw_flow *f, const struct sw_seg *s)
{
#ifdef SW_OLD
    return 0;
#endif
    return cfg.guard && (f->flags & (SW_F_MIDSTREAM | SW_F_MIDSTREAM_PROVEN)) == SW_F_MIDSTREAM &&
           (s->flags & SW_TCP_SYN || (!cfg.one_sided && !cfg.replay && s->ifindex == f->ifindex));
}

/* With the guard: this host takes part in the connection, as client or as server. */
static __always_inline void sw_note_sent(struct sw_flow *f, const struct sw_seg *s)
{
    if (cfg.guard && s->flags & SW_TCP_SYN)
        f->local |= sw_local_syn(s);
}

/*
 * With the guard: is it only claimed that the connection is established? Then it takes a place of those that are
 * (sw_share_take). True if the guard has to look whether it is claimed of a service (sw_account_claimed). That a
 * listener has answered on this four-tuple says nothing: its handshake may have been another one. Of what a listener
 * has answered that is no service's, or in a tunnel, nobody has said yet that it is unconfirmed. And midstream a
 * segment proves it that this host only forwards, but not to the guard. A SYN-ACK of this host, or another answer for a
 * request, says that there is a listener.
 */
static __always_inline int sw_judge_claim(struct sw_flow *f, const struct sw_seg *s)
{
    const int by_socket = s->sent && !s->forwarded && !s->reply && !(s->flags & SW_TCP_SYN);

    if ((f->listener == SW_L_CONFIRMED && f->local & (SW_LOCAL_SYN | SW_LOCAL_SENT)) || f->flags & SW_F_COOKIE)
        return 0;
    if (f->flags & SW_F_MIDSTREAM_PROVEN && (f->local & SW_LOCAL_SENT || f->flags & SW_F_NO_EGRESS))
        return 0;
    if (f->local & SW_LOCAL_SYN) {
        if (f->local & SW_LOCAL_SYNACK && !by_socket)
            sw_flow_mark(f, SW_F_UNCONFIRMED);
        return 0;
    }
    if (by_socket)
        return 0;
    sw_flow_mark(f, SW_F_CLAIMED);
    return 1;
}

#ifndef SW_OLD
/* With the guard: another CPU has put the flow into `half_open`, and this segment has established it: the next one, or
 * the sweep, moves it. */
static __always_inline void sw_hold(struct sw_flow *f, const struct sw_seg *s, struct sw_emit_ctx *w)
{
    if (!cfg.guard || f->held || (f->flags & (SW_F_ESTABLISHED | SW_F_IN_FLOWS | SW_F_ENDED)) != SW_F_ESTABLISHED ||
        sw_is_stray(f, s))
        return;
    w->claim = sw_judge_claim(f, s);
    f->held = SW_HELD_WAITS;
}
#endif

/*
 * `half_open` is full: in it, the flow would evict another one. Does the SYN cache hold all that is known of it? Then
 * it stays there alone, as if it had been evicted at once, and its next segment restores it. So it is for a SYN that
 * arrived, and for what answers it if no socket of this host is known to. Not for what the guard accounts.
 */
static __always_inline int sw_cache_is_enough(const struct sw_flow *f, const struct sw_seg *s,
                                              const struct sw_emit_ctx *w)
{
    const __u32 kind = s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST | SW_TCP_FIN);

    if (!(kind & SW_TCP_SYN) || kind & (SW_TCP_RST | SW_TCP_FIN) || s->frag || s->bad_csum || f->anomalies ||
        w->out.events & ~(1u << SW_EV_OPENING) ||
        f->flags & (SW_F_ESTABLISHED | SW_F_ENDED | SW_F_REUSED | SW_F_FILTERED))
        return 0;
    if (w->restored) /* its note has taken the segment, unless both ends have begun */
        return w->restored == SW_RESTORED && !cfg.guard && !f->owner[0].cookie && !f->owner[1].cookie &&
               (kind == SW_TCP_SYN) == (s->src_is_b == f->orig_is_b);
    return kind == SW_TCP_SYN && !s->sent && !cfg.gateway; /* sw_edge_has_passed */
}

/*
 * The flow's first segment, or the first one of a flow that was restored in scratch: processed in scratch, then
 * inserted into `half_open`. If another CPU was faster, its flow takes the segment. True if a half-open flow was
 * counted as created.
 */
SW_PART int sw_track_new(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_flow *f, *kept;
    struct sw_emit_ctx *w;
    struct sw_key *key;
    struct sw_lock *l;
    struct sw_seg *s;
    __u32 before;
    int err, place;

    if (!sc)
        return 0;
    key = &sc->key;
    s = &sc->seg;
    w = &sc->emit;
    f = &sc->flow;
    l = sw_lock_of(sc->hash);
    if (!l || !sw_filter_may_begin(f, s))
        return 0;
    before = w->out.events;
    sw_step_locked(f, s, &w->out, l);
    if (f->flags & (SW_F_ESTABLISHED | SW_F_ENDED) && f->syn_ns)
        sw_syn_cache_delete(SW_CTX_PACKET); /* events emitted now must not be emitted again */
    sw_note_sent(f, s);
    sw_owner_take(sc, f);
    place = f->flags & SW_F_ESTABLISHED && !sw_is_stray(f, s);
    if (cfg.guard && place)
        w->claim = sw_judge_claim(f, s);
    if (place && sw_promote(SW_CTX_PACKET, key, f)) {
        sw_count(SW_C_HALF_OPEN_CREATED);
        sw_count(SW_C_HALF_OPEN_PROMOTED);
        kept = bpf_map_lookup_elem(&flows, key);
        sw_emit_all(kept ? kept : f, s->now);
        return 1;
    }
    kept = f->flags & SW_F_ESTABLISHED ? bpf_map_lookup_elem(&flows, key) : 0;
    if (kept) { /* two CPUs restored it at once, and the other was faster */
        w->out.events = before;
        sw_step_locked(kept, s, &w->out, l);
        sw_emit_all(kept, s->now);
        return 0;
    }
    if ((__s64)SW_READ_ONCE(half_open_room) <= 0 && sw_cache_is_enough(f, s, w)) {
        if (!w->restored && !sw_syn_cache_begin())
            return 0;
        sw_count(SW_C_HALF_OPEN_CREATED);
        sw_emit_all(f, s->now);
        if (!w->restored)
            sw_syn_cache_opened(sw_cached_opening(f));
        return 1;
    }
    err = bpf_map_update_elem(&half_open, key, f, f->flags & SW_F_REUSED ? BPF_ANY : BPF_NOEXIST);
    kept = bpf_map_lookup_elem(&half_open, key);
    if (err && kept) {
        w->out.events = before;
        sw_step_locked(kept, s, &w->out, l);
#ifndef SW_OLD
        sw_hold(kept, s, w);
#endif
    } else if (err || !kept) {
        sw_count(SW_C_HALF_OPEN_FULL);
        sw_emit_all(f, s->now);
        sw_emit_opening_lost(SW_CTX_PACKET, f);
        return 0;
    } else {
        sw_count(SW_C_HALF_OPEN_CREATED);
        sw_half_open_gives(-1);
    }
    sw_emit_all(kept, s->now);
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST | SW_TCP_FIN)) == SW_TCP_SYN && !err && !s->bad_csum &&
        !kept->syn_rexmit) { /* else it is in the cache entry that this was restored from */
        sw_syn_cache_insert(sc, sw_cached_opening(kept));
    }
    return !err;
}

/* A new connection on a live four-tuple: the pending SYN begins the flow; details that were not stored are left out. */
static __always_inline void sw_flow_from_pending_syn(struct sw_flow *f, __u32 isn, __u8 orig_is_b)
{
    f->orig_is_b = orig_is_b;
    f->direction_by = SW_BY_SYN;
    f->flags &= ~(SW_F_FLIPPED | SW_F_MIDSTREAM);
    f->hist_len = 0;
    f->end[SW_RESP].state = SW_ST_LISTEN;
    f->end[SW_ORIG].did |= SW_E_SYN | SW_E_SEEN;
    f->end[SW_ORIG].zstate = SW_Z_SYN_SENT;
    f->end[SW_ORIG].state = SW_ST_SYN_SENT;
    sw_end_start(&f->end[SW_ORIG], isn, isn + 1);
    f->end[SW_ORIG].opts = SW_OPT_CUT;
    f->flags |= SW_F_INFERRED | SW_F_FIRST_ORIG;
    sw_hist_once(f, SW_ORIG, SW_H_SYN, 'S');
}

/* The pending SYN and its retransmissions were counted to the old connection, and are the new one's. */
static __always_inline void sw_take_pending_syn(struct sw_flow *f, __u32 side, const struct sw_cached_handshake *n)
{
    struct sw_end *e;
    __u32 count = 1u + n->syn_rexmit;

    sw_side_bound(side);
    e = &f->end[side];
    e->pkts -= count;
    e->ip_bytes -= (__u64)count * n->syn.ip_bytes;
    e->payload -= (__u64)count * n->syn.len;
}

/* May the listener have a request of the connection whose four-tuple a new one takes over? A gateway cannot ask whether
 * it took the acknowledgement. */
static __always_inline int sw_listener_has(__u32 listener)
{
    return sw_listener_waits(listener) || listener == SW_L_ABORTED || (cfg.gateway && listener == SW_L_COMPLETED);
}

/* A new connection takes over the four-tuple: conn of the old one first, then `reused`. */
static __always_inline void sw_track_reuse(struct sw_scratch *sc, struct sw_flow *f, struct sw_lock *l, int pending,
                                           int from_cookie)
{
    struct sw_seg *s = &sc->seg;
    __u32 isn = f->pend_isn, side = f->pend_side;
    __u8 orig_is_b = side == SW_ORIG ? f->orig_is_b : !f->orig_is_b;
    int whole = 0;

    sc->emit.listener = f->listener;
    sc->emit.listener_isn = f->listener_isn;
    if (!from_cookie && f->flags & SW_F_PENDING_SYN && (pending || s->seq == isn))
        whole = sw_syn_cache_restore() == SW_RESTORED_DUE;
    if (!sw_claim_end(f, l)) {
        whole = 0; /* the sweep has just ended it, with the SYN in its record */
        goto begin;
    }
    if (whole)
        sw_take_pending_syn(f, side, &sc->cached);
    if (whole && cfg.ladder)
        sw_ladder_drop_syn(f->flags & SW_F_IN_FLOWS, f->start_ns, isn);
    if (!(f->flags & SW_F_ENDED)) {
        f->reason = SW_WHY_REUSED;
        f->flags |= SW_F_ENDED;
        f->ended_ns = s->now;
    }
    sc->emit.out.anomaly = SW_AN_NONE;
    sw_end_flow(SW_CTX_PACKET, f, s->now);
begin:
    if (!from_cookie && !whole) {
        __builtin_memset(&sc->flow, 0, sizeof(sc->flow));
        if (pending)
            s->flip = 0; /* its SYN was seen: the direction is known */
        sw_flow_init(&sc->flow, s);
    }
    sc->flow.flags |= SW_F_REUSED;
    sc->emit.restored = whole ? SW_RESTORED_DUE : 0;
    /* the listener may still have the old one, and send its SYN-ACK again; what the cache says may be of this segment
     */
    sc->flow.listener = sw_listener_has(sc->emit.listener) ? sc->emit.listener : SW_L_NONE;
    sc->flow.listener_isn = sc->emit.listener_isn;
    if (whole) {
        if (!sw_filter_is_out(s->out, &sc->flow))
            sw_emit_opening(SW_CTX_PACKET, &sc->flow, &sc->emit, 0);
        sw_syn_cache_go_on(sc);
    } else if (pending) {
        sw_flow_from_pending_syn(&sc->flow, isn, orig_is_b);
    }
    sc->emit.out.events = 1u << SW_EV_REUSED;
    sw_track_new();
}

/* With the guard: what arrived may be all that there is of the connection. This host has not sent on it. */
static __always_inline int sw_is_unconfirmed(const struct sw_flow *f)
{
    return f->flags & SW_F_UNCONFIRMED || (f->flags & (SW_F_MIDSTREAM | SW_F_MIDSTREAM_PROVEN)) == SW_F_MIDSTREAM;
}

/*
 * The fast path, before anything else. sw_track looks up the other segments again: passing the flow on would need
 * stack, and the deepest call chain has none to spare.
 */
static __always_inline int sw_track_fast(struct sw_key *key, struct sw_seg *s)
{
    struct sw_flow *f;

#ifdef SW_OLD
    return 0;
#endif
    if ((s->flags & (SW_TCP_SYN | SW_TCP_FIN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
        return 0;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f || (cfg.guard && sw_is_unconfirmed(f)))
        return 0;
    s->now = sw_now_coarse();
    if (!sw_fsm_fast(f, s))
        return 0;
    sw_count(SW_C_FAST_PATH);
    sw_filter_count(f, s);
    return 1;
}

/* Tracks the segment in the per-CPU scratch. */
SW_PART int sw_track(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_emit_ctx *w;
    struct sw_flow *f;
    struct sw_lock *l;
    struct sw_key *key;
    struct sw_seg *s;
    int verdict, from_cookie;

    if (!sc)
        return 0;
    key = &sc->key;
    s = &sc->seg;
#ifndef SW_OLD
    from_cookie = sc->from_cookie;
    sc->from_cookie = 0;
#else
    from_cookie = 0;
#endif
    w = &sc->emit;
    __builtin_memset(w, 0, sizeof(*w));
    w->ifindex = s->ifindex;
    w->hook = s->hook;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        sw_syn_cache_touch_next(sc->hash);
    if (!f) {
        f = bpf_map_lookup_elem(&half_open, key);
        if (!f && !(s->flags & SW_TCP_SYN))
            f = bpf_map_lookup_elem(&flows, key); /* another CPU may have moved it between the two lookups */
    }
    l = sw_lock_of(sc->hash);
    if (!l) {
        sw_count(SW_C_INTERNAL);
        return 0; /* fail open */
    }
    if (!f && s->bad_csum && (cfg.guard || !cfg.replay))
        return 0; /* its receiver drops it: it begins nothing */
    if (!f) {
        /* a SYN that waited was for a flow, and was counted in its record */
        int restored = !from_cookie && sw_syn_cache_restore() == SW_RESTORED;

        if (!restored && !from_cookie) {
            if (sw_is_late()) {
                w->late = 1;
                sw_count(SW_C_LATE);
                return 0;
            }
            __builtin_memset(&sc->flow, 0, sizeof(sc->flow));
            sw_flow_init(&sc->flow, s);
        }
        w->restored = restored ? SW_RESTORED : 0;
        if (sw_track_new() && restored)
            sw_count(SW_C_HALF_OPEN_RESTORED); /* its first entry was counted, too, and is not lost */
        return 0;
    }
    sw_filter_count(f, s);
    if (s->flags & SW_TCP_SYN && !(f->flags & (SW_F_ESTABLISHED | SW_F_PENDING_SYN)))
        sw_syn_cache_update(); /* else the entry is the pending SYN's */
    w->waits = f->flags & SW_F_PENDING_SYN && f->pend_isn == s->seq && f->pend_side == sw_flow_side(f, s);
    verdict = from_cookie ? SW_NEW_FLOW : sw_step_locked(f, s, &w->out, l);
    if (verdict != SW_SAME_FLOW) {
        sw_track_reuse(sc, f, l, verdict == SW_NEW_PENDING, from_cookie);
        return 0;
    }
    sw_note_sent(f, s);
    sw_owner_take(sc, f);
    if (w->out.events && f->flags & (SW_F_ESTABLISHED | SW_F_ENDED) && !(f->flags & SW_F_IN_FLOWS))
        sw_syn_cache_delete(SW_CTX_PACKET);
    if (f->flags & SW_F_PENDING_SYN && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN && s->seq == f->pend_isn &&
        !s->bad_csum)
        sw_syn_cache_pend(w->waits);
    if (f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_IN_FLOWS) &&
        (w->out.events & 1u << SW_EV_ESTABLISHED || f->flags & SW_F_MIDSTREAM || (cfg.guard && f->held)) &&
        !sw_is_stray(f, s) && !(f->flags & SW_F_ENDED) && sw_claim_move(f, l)) {
        if (cfg.guard && !f->held)
            w->claim = sw_judge_claim(f, s);
        /* emitted before the move: both copies need the flags that it sets, and the old entry is freed by the delete */
        sw_flow_mark(f, SW_F_IN_FLOWS);
        sw_emit_all(f, s->now);
        sw_move(SW_CTX_PACKET, key, f);
        return 0;
    }
    sw_emit_all(f, s->now);
    if (f->flags & SW_F_ENDED && w->out.events && f->end_claimed)
        sw_end_moved(key, f);
    if (f->flags & SW_F_ENDED && w->out.events && !cfg.close_delay && !sw_reset_is_doubted(f) && sw_claim_end(f, l))
        sw_end_flow(SW_CTX_PACKET, f, s->now);
    return 0;
}

#endif
