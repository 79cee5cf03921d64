/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a segment has caused becomes records, and a flow that has ended goes, with its `conn`. */
#ifndef SW_BPF_TRACK_FLOW_EVENTS_H
#define SW_BPF_TRACK_FLOW_EVENTS_H

#include "track/emit.h"
#include "track/ended.h"
#include "track/histograms.h"
#include "track/share.h"
#include "track/syn_cache.h"

/*
 * Does the kernel take the RST of a client whose handshake its listener waits for? On its number, whatever it
 * acknowledges; without timestamps that could be old; with a whole checksum; and where the first segment came, not in a
 * VLAN that this host does not have, or by an interface that does not reach its source. And if the kernel went on after
 * one, it did not take it. After a cookie of the kernel there is nothing that could go on.
 */
static __always_inline int sw_rst_is_taken(const struct sw_flow *f, const struct sw_scratch *sc, __u32 listener_ack)
{
    const struct sw_seg *s = &sc->seg;

    if (f->listener == SW_L_COOKIE)
        return s->seq == listener_ack;
    return f->listener == SW_L_OPENED && !sc->at.opt_len && s->seq == listener_ack && !s->sum_partial &&
           s->ifindex == f->ifindex && s->vlan[0] == f->vlan[0] && s->vlan[1] == f->vlan[1];
}

/*
 * For the guard's accounting: did this segment complete the listener's handshake, or abort it? Not a fragment: the rest
 * may never come. Not with options of IPv4 or extension headers of IPv6, among them some for which the kernel throws a
 * packet away, and not from a tunnel, which perhaps nothing here unpacks.
 */
static __always_inline void sw_handshake_outcome(struct sw_flow *f, __u32 events, const struct sw_scratch *sc,
                                                 struct sw_emit_ctx *w)
{
    const struct sw_seg *s = &sc->seg;
    __u32 side;

    if (!cfg.guard || !sw_listener_waits(f->listener) || s->frag)
        return;
    if (!s->sent && (sc->at.tunnel || sc->at.tcp - sc->at.ip != (sc->at.v6 ? 40 : 20)))
        return;
    if (events & 1u << SW_EV_ESTABLISHED && !s->sent && s->ack == f->listener_isn + 1 && f->listener != SW_L_REOPENED)
        w->resolved = SW_L_COMPLETED;
    if (events & (1u << SW_EV_REFUSED | 1u << SW_EV_RESET) && !(f->flags & SW_F_ESTABLISHED)) {
        side = sw_flow_side(f, s) ^ 1;
        sw_side_bound(side);
        if (s->sent ? s->seq == f->listener_isn + 1 : sw_rst_is_taken(f, sc, f->end[side].ack))
            w->resolved = SW_L_ABORTED;
    }
    if (w->resolved)
        f->listener = w->resolved;
}

/* Emits all events of one segment, in the order of the kinds. */
SW_STEP int sw_emit_all(struct sw_flow *f, __u64 now)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_emit_ctx *w;
    __u32 events;

    if (!f)
        return 0;
    if (!sc)
        return 0;
    w = &sc->emit;
    events = w->out.events;
    sw_handshake_outcome(f, events, sc, w);
    if (events & 1u << SW_EV_OPENING)
        sw_emit_opening(SW_CTX_PACKET, f, w, 0);
    if (events & 1u << SW_EV_ESTABLISHED)
        sw_emit_opening(SW_CTX_PACKET, f, w, 1);
    if (events & 1u << SW_EV_ESTABLISHED)
        sw_histograms_handshake(f);
    if (events & 1u << SW_EV_MIDSTREAM) /* a RST may be the first segment seen: `midstream` comes first */
        sw_emit(SW_CTX_PACKET, SW_EV_MIDSTREAM, f, w, now);
    events &= ~(1u << SW_EV_MIDSTREAM);
    for (__u32 kind = SW_EV_ESTABLISHED; kind <= SW_EV_ANOMALY; kind++)
        if (events & 1u << kind)
            sw_emit(SW_CTX_PACKET, kind, f, w, now);
    return 0;
}

/* Ends a claimed flow: emits conn, counts it, removes it from its map. */
SW_STEP int sw_end_flow(__u32 context, struct sw_flow *f, __u64 now)
{
    struct sw_scratch *sc = sw_scratch_of(context);
    struct sw_key *key;
    __u32 flags;

    if (!f)
        return 0;
    if (!sc)
        return 0;
    key = &sc->key;
    if (!(f->flags & SW_F_IN_FLOWS)) {
        /* it may be evicted at any moment and is then counted as lost: conn is emitted only if the delete succeeds */
        sc->snapshot = *f;
        sw_syn_cache_delete(context); /* first: it must not be restored */
        if (bpf_map_delete_elem(&half_open, key))
            return 0;
        sw_half_open_gives(1);
        sw_count_in(context, SW_C_HALF_OPEN_ENDED);
        f = &sc->snapshot;
    }
    sw_emit_opening_lost(context, f);
    sw_histograms_conn(f, context);
    sw_emit(context, SW_EV_CONN, f, &sc->emit, now);
    if (cfg.ladder)
        sw_ladder_delete(context, f->start_ns);
    if (sw_ended_for_good(f))
        sw_ended_add(sc, f);
    flags = f->flags; /* its memory may be another flow's then */
    if (flags & SW_F_IN_FLOWS && !bpf_map_delete_elem(&flows, key)) {
        sw_count_in(context, SW_C_FLOW_ENDED);
        sw_share_leave(flags);
    }
    return 0;
}

#endif
