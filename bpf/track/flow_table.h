/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segment to flow: look up, judge, tell. Embryos (LRU) hold what is not established, so that a flood
 * can only push out its own kind; `flows` holds what is, and is never evicted from.
 */
#ifndef SW_BPF_TRACK_FLOW_TABLE_H
#define SW_BPF_TRACK_FLOW_TABLE_H

#include "track/clock.h"
#include "track/emit.h"
#include "track/lock.h"
#include "track/syn_cache.h"

#define SW_EEXIST 17 /* errno.h is not for BPF */

/* For the guard's books: did this segment complete a handshake, or end it? The rest of a fragment may never come. */
static __always_inline void sw_settles(const struct sw_flow *f, __u32 told, __u32 frag, struct sw_where *w)
{
    if (!cfg.guard || frag || f->flags & SW_F_COOKIE || f->direction_by > SW_BY_SYNACK)
        return;
    if (told & 1u << SW_EV_ESTABLISHED)
        w->completed = 1 + !f->orig_is_b;
    else if (told & (1u << SW_EV_REFUSED | 1u << SW_EV_RESET) && !(f->flags & SW_F_ESTABLISHED) &&
             w->out.by == SW_RESP) /* the client's word may be forged, and the listener need not believe it */
        w->aborted = 1 + !f->orig_is_b;
}

/* Everything that one segment has to tell, in the order of the kinds. */
SW_STEP int sw_tell(struct sw_flow *f, __u64 now)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);
    struct sw_where *w;
    __u32 told;

    if (!f)
        return 0;
    if (!sc)
        return 0;
    w = &sc->where;
    told = w->out.events;
    sw_settles(f, told, sc->seg.frag, w);
    if (told & 1u << SW_EV_OPENING)
        sw_emit_opening(SW_ROOM_PACKET, f, w, 0);
    if (told & 1u << SW_EV_ESTABLISHED)
        sw_emit_opening(SW_ROOM_PACKET, f, w, 1);
    if (told & 1u << SW_EV_MIDSTREAM) /* a RST may be the first that is seen: begin with the beginning */
        sw_emit(SW_ROOM_PACKET, SW_EV_MIDSTREAM, f, w, now);
    told &= ~(1u << SW_EV_MIDSTREAM);
    for (__u32 kind = SW_EV_ESTABLISHED; kind <= SW_EV_ANOMALY; kind++)
        if (told & 1u << kind)
            sw_emit(SW_ROOM_PACKET, kind, f, w, now);
    return 0;
}

/* Ends a claimed flow: its conn line, its counters, its place in the map. */
SW_STEP int sw_end_flow(__u32 room, struct sw_flow *f, __u64 now)
{
    struct sw_scratch *sc = sw_room(room);
    struct sw_key *key;

    if (!f)
        return 0;
    if (!sc)
        return 0;
    key = &sc->key;
    if (!(f->flags & SW_F_IN_FLOWS)) {
        /* it may be evicted at any moment, and is then counted as lost: only who takes it out of the map tells it */
        sc->telling = *f;
        sw_note_drop(key); /* first: nothing may bring it back */
        if (bpf_map_delete_elem(&embryos, key))
            return 0;
        sw_count(SW_C_EMBRYO_ENDED);
        f = &sc->telling;
    }
    sw_emit_forfeit(f);
    sw_emit(room, SW_EV_CONN, f, &sc->where, now);
    if (f->flags & SW_F_IN_FLOWS && !bpf_map_delete_elem(&flows, key))
        sw_count(SW_C_FLOW_ENDED);
    return 0;
}

/* Established: from the embryos to where nothing evicts. A full map leaves it with the embryos. */
static __always_inline int sw_promote(struct sw_key *key, struct sw_flow *f)
{
    long err;

    f->flags |= SW_F_IN_FLOWS;
    err = bpf_map_update_elem(&flows, key, f, BPF_NOEXIST);
    if (!err)
        return 1;
    f->flags &= ~SW_F_IN_FLOWS;
    if (err != -SW_EEXIST)
        sw_count(SW_C_FLOWS_FULL);
    return 0;
}

/*
 * The flow's first segment, judged in scratch and then put among the embryos; or the first that is
 * seen again of a flow rebuilt there. Another CPU may have been faster: then its flow takes the segment.
 * True if an embryo was counted as created.
 */
SW_PART int sw_begin(void)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);
    struct sw_flow *f, *kept;
    struct sw_where *w;
    struct sw_key *key;
    struct sw_lock *l;
    struct sw_seg *s;
    __u32 before;
    int err;

    if (!sc)
        return 0;
    key = &sc->key;
    s = &sc->seg;
    w = &sc->where;
    f = &sc->flow;
    l = sw_lock_of(key);
    if (!l)
        return 0;
    before = w->out.events;
    sw_step_locked(f, s, &w->out, l);
    if (f->flags & (SW_F_ESTABLISHED | SW_F_OVER) && f->syn_ns)
        sw_note_drop(key); /* what is told now may not be told again */
    if (f->flags & SW_F_ESTABLISHED && sw_promote(key, f)) {
        sw_count(SW_C_EMBRYO_CREATED);
        sw_count(SW_C_EMBRYO_PROMOTED);
        kept = bpf_map_lookup_elem(&flows, key);
        sw_tell(kept ? kept : f, s->now);
        return 1;
    }
    kept = f->flags & SW_F_ESTABLISHED ? bpf_map_lookup_elem(&flows, key) : 0;
    if (kept) { /* two CPUs rebuilt it at once, and the other was faster */
        w->out.events = before;
        sw_step_locked(kept, s, &w->out, l);
        sw_tell(kept, s->now);
        return 0;
    }
    err = bpf_map_update_elem(&embryos, key, f, f->flags & SW_F_REUSED ? BPF_ANY : BPF_NOEXIST);
    kept = bpf_map_lookup_elem(&embryos, key);
    if (err && kept) {
        w->out.events = before;
        sw_step_locked(kept, s, &w->out, l);
    } else if (err || !kept) {
        sw_count(SW_C_EMBRYOS_FULL);
        sw_tell(f, s->now);
        sw_emit_forfeit(f);
        return 0;
    } else {
        sw_count(SW_C_EMBRYO_CREATED);
    }
    sw_tell(kept, s->now);
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST | SW_TCP_FIN)) == SW_TCP_SYN && !err && !s->bad_csum &&
        !kept->syn_rexmit) { /* else it is in the note from which this was rebuilt */
        sw_note_syn(key, s, kept->flags, sc);
        if (cfg.guard && s->hook != SW_HOOK_TC_EGRESS)
            w->opened = 1 + !s->src_is_b;
    } else if (cfg.guard && kept->direction_by == SW_BY_SYNACK && s->hook != SW_HOOK_XDP_INGRESS) {
        w->opened = 1 + s->src_is_b; /* whatever way its SYN took: the listener has answered */
    }
    return !err;
}

/* Restart on a live four-tuple: a pending SYN whose answer is at hand begins the flow, unseen details left out. */
static __always_inline void sw_begin_pending(struct sw_flow *f, __u32 isn, __u8 orig_is_b)
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
    f->flags |= SW_F_INFERRED | SW_F_FIRST_ORIG;
    sw_hist_once(f, SW_ORIG, SW_H_SYN, 'S');
}

/* The four-tuple passes to a new connection: the old one's conn line first, then `reused`. */
static __always_inline void sw_renew(struct sw_scratch *sc, struct sw_flow *f, struct sw_lock *l, int pending, int born)
{
    struct sw_seg *s = &sc->seg;
    __u32 isn = f->pend_isn;
    __u8 orig_is_b = f->pend_side == SW_ORIG ? f->orig_is_b : !f->orig_is_b;

    if (!sw_claim_end(f, l))
        goto begin; /* the sweep has just told it */
    if (!(f->flags & SW_F_OVER)) {
        f->reason = SW_WHY_REUSED;
        f->flags |= SW_F_OVER;
        f->over_ns = s->now;
    }
    sc->where.out.anomaly = SW_AN_NONE;
    sw_end_flow(SW_ROOM_PACKET, f, s->now);
begin:
    if (!born) {
        __builtin_memset(&sc->flow, 0, sizeof(sc->flow));
        if (pending)
            s->flip = 0; /* its SYN was seen: nothing to guess */
        sw_flow_init(&sc->flow, s);
    }
    sc->flow.flags |= SW_F_REUSED;
    if (pending)
        sw_begin_pending(&sc->flow, isn, orig_is_b);
    sc->where.out.events = 1u << SW_EV_REUSED;
    sw_begin();
}

/*
 * The fast path, before anything else is touched. What it does not take is looked up once more by sw_track:
 * handing the flow over would cost stack, of which the deepest chain of calls has just enough.
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
    if (!f || (cfg.guard && f->flags & SW_F_UNPROVEN))
        return 0;
    s->now = sw_now_coarse();
    if (!sw_fsm_fast(f, s))
        return 0;
    sw_count(SW_C_FAST_PATH);
    return 1;
}

/* The segment in the packet's room. */
SW_PART int sw_track(void)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);
    struct sw_where *w;
    struct sw_flow *f;
    struct sw_lock *l;
    struct sw_key *key;
    struct sw_seg *s;
    int verdict, born;

    if (!sc)
        return 0;
    key = &sc->key;
    s = &sc->seg;
    born = sc->born;
    sc->born = 0;
    w = &sc->where;
    __builtin_memset(w, 0, sizeof(*w));
    w->ifindex = s->ifindex;
    w->hook = s->hook;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f) {
        f = bpf_map_lookup_elem(&embryos, key);
        if (!f && !(s->flags & SW_TCP_SYN))
            f = bpf_map_lookup_elem(&flows, key); /* another CPU may have moved it between the two looks */
    }
    l = sw_lock_of(key);
    if (!l) {
        sw_count(SW_C_INTERNAL);
        return 0; /* fail open */
    }
    if (!f) {
        int revived = born ? 0 : sw_revive();

        if (!revived && !born) {
            __builtin_memset(&sc->flow, 0, sizeof(sc->flow));
            sw_flow_init(&sc->flow, s);
        }
        if (sw_begin() && revived)
            sw_count(SW_C_EMBRYO_REVIVED); /* its first embryo was counted, too, and is not lost */
        return 0;
    }
    if ((s->hook == SW_HOOK_TC_EGRESS || cfg.replay) && f->flags & SW_F_UNPROVEN && s->src_is_b != f->orig_is_b)
        f->flags &= ~SW_F_UNPROVEN; /* its socket speaks */
    if (s->flags & SW_TCP_SYN && !(f->flags & SW_F_ESTABLISHED))
        sw_note_more(key, s);
    verdict = born ? SW_NEW_FLOW : sw_step_locked(f, s, &w->out, l);
    if (verdict != SW_GO_ON) {
        sw_renew(sc, f, l, verdict == SW_NEW_PENDING, born);
        return 0;
    }
    if (w->out.events && f->flags & (SW_F_ESTABLISHED | SW_F_OVER) && !(f->flags & SW_F_IN_FLOWS))
        sw_note_drop(key);
    if (f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_IN_FLOWS) &&
        (w->out.events & 1u << SW_EV_ESTABLISHED || f->flags & SW_F_MIDSTREAM) && !(f->flags & SW_F_OVER)) {
        /* told between: the flags it sets belong into both, and the embryo's memory is free once deleted */
        f->flags |= SW_F_IN_FLOWS;
        sw_tell(f, s->now);
        if (!sw_promote(key, f))
            return 0;
        bpf_map_delete_elem(&embryos, key);
        sw_count(SW_C_EMBRYO_PROMOTED);
        return 0;
    }
    sw_tell(f, s->now);
    if (f->flags & SW_F_OVER && w->out.events && !cfg.linger && sw_claim_end(f, l))
        sw_end_flow(SW_ROOM_PACKET, f, s->now);
    return 0;
}

#endif
