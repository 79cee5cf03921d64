/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * With --ladder: the last control segments of each flow, in maps beside the two tables of flows, so that without it
 * nothing is larger. They are found where the state machine has run under the lock; the fast path never comes here.
 * Whatever fails leaves the flow as it is, and its ladder says that segments are missing. Allowed races: where two CPUs
 * begin or restore one flow at once, a segment may be in it twice, or those before not at all (SW_LADDER_UNKNOWN).
 */
#ifndef SW_BPF_TRACK_LADDER_H
#define SW_BPF_TRACK_LADDER_H

#include "tcp/ladder.h"
#include "track/maps.h"

/* A flood may churn those of half-open flows; those of established ones are never evicted. Sizes as their tables'. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1);
    __type(key, struct sw_key);
    __type(value, struct sw_ladder);
} ladders_open SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct sw_key);
    __type(value, struct sw_ladder);
} ladders SEC(".maps");

/* sw_ladder_add's `where`: SW_LADDER_IN_FLOWS, and the states from bit SW_LADDER_STATES on. */
enum { SW_LADDER_IN_FLOWS = 1, SW_LADDER_STATES = 8 };

/* A flow that has just been moved may still have it in the other map, and so may one whose ladder began late. */
static __always_inline struct sw_ladder *sw_ladder_find(const struct sw_key *key, __u32 in_flows, __u64 start_ns)
{
    struct sw_ladder *l = in_flows ? bpf_map_lookup_elem(&ladders, key) : 0;

    if (!l || l->start_ns != start_ns)
        l = bpf_map_lookup_elem(&ladders_open, key);
    return l && l->start_ns == start_ns ? l : 0;
}

static __always_inline void sw_ladder_put(struct sw_ladder *l, const struct sw_ladder_seg *seg)
{
    __u32 at = l->next;

    sw_opaque(at);
    at &= SW_LADDER - 1;
    l->seg[at] = *seg;
    l->next++;
    if (l->kept < SW_LADDER)
        l->kept++;
    else if (l->lost != SW_LADDER_UNKNOWN)
        l->lost++;
}

static __always_inline void sw_ladder_put_cached(struct sw_ladder *l, const struct sw_cached_seg *c, __u32 ack,
                                                 __u32 src_is_b, __u8 states)
{
    struct sw_ladder_seg seg = {
        .ns = c->ns, .seq = c->seq, .ack = ack, .len = c->len, .flags = c->flags, .src_is_b = src_is_b & 1};

    seg.states = states;
    sw_ladder_put(l, &seg);
}

/* A flow that the SYN cache has restored: its handshake before this segment, without the retransmissions, which are
 * only counted. due: this segment is in the cache's entry already. */
static __always_inline void sw_ladder_restore(struct sw_ladder *l, const struct sw_cached_handshake *n,
                                              const struct sw_seg *s, int due)
{
    const __u32 begun = SW_ST_SYN_SENT | SW_ST_LISTEN << 4, answered = SW_ST_SYN_SENT | SW_ST_SYN_RECEIVED << 4;

    l->lost = (__u32)n->syn_rexmit + n->synack_rexmit;
    if (due && !(s->flags & SW_TCP_ACK) && l->lost)
        l->lost--;
    sw_ladder_put_cached(l, &n->syn, 0, n->src_is_b, sw_ladder_states(begun, n->src_is_b));
    if (n->synack.ns && !due)
        sw_ladder_put_cached(l, &n->synack, n->synack_ack, !n->src_is_b, sw_ladder_states(answered, n->src_is_b));
}

/* Adds the segment in scratch to the ladder of its flow, which began at start_ns. */
SW_PART int sw_ladder_add(__u32 where, __u64 start_ns)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_ladder_seg seg = {0};
    struct sw_ladder *l;
    struct sw_seg *s;

    if (!sc || !cfg.ladder)
        return 0;
    s = &sc->seg;
    seg.ns = s->now;
    seg.seq = s->seq;
    seg.ack = s->ack;
    seg.len = s->len;
    seg.flags = s->flags;
    seg.src_is_b = s->src_is_b;
    seg.states = where >> SW_LADDER_STATES;
    l = sw_ladder_find(&sc->key, where & SW_LADDER_IN_FLOWS, start_ns);
    if (l) {
        sw_ladder_put(l, &seg);
        return 0;
    }
    l = &sc->ladder;
    __builtin_memset(l, 0, sizeof(*l));
    l->start_ns = start_ns;
    if (sc->emit.restored)
        sw_ladder_restore(l, &sc->cached, s, sc->emit.restored == SW_RESTORED_DUE);
    else if (start_ns != s->now)
        l->lost = SW_LADDER_UNKNOWN; /* evicted, or there was no place for it */
    sw_ladder_put(l, &seg);
    /* never into `ladders`: the flow may be ending on another CPU, and nobody would delete it there */
    bpf_map_update_elem(&ladders_open, &sc->key, l, BPF_ANY);
    return 0;
}

/* The flow has been put into `flows`. At worst a segment that another CPU adds now is missing. */
SW_PART int sw_ladder_move(__u32 context, __u64 start_ns)
{
    struct sw_scratch *sc = sw_scratch_of(context);
    struct sw_ladder *l;

    if (!sc || !cfg.ladder)
        return 0;
    l = bpf_map_lookup_elem(&ladders_open, &sc->key);
    if (!l || l->start_ns != start_ns)
        return 0;
    if (!bpf_map_update_elem(&ladders, &sc->key, l, BPF_ANY))
        bpf_map_delete_elem(&ladders_open, &sc->key);
    return 0;
}

/* The record of the flow has been made. */
SW_PART int sw_ladder_delete(__u32 context, __u64 start_ns)
{
    struct sw_scratch *sc = sw_scratch_of(context);
    struct sw_ladder *l;

    if (!sc || !cfg.ladder)
        return 0;
    l = bpf_map_lookup_elem(&ladders, &sc->key);
    if (l && l->start_ns == start_ns)
        bpf_map_delete_elem(&ladders, &sc->key);
    l = bpf_map_lookup_elem(&ladders_open, &sc->key);
    if (l && l->start_ns == start_ns)
        bpf_map_delete_elem(&ladders_open, &sc->key);
    return 0;
}

/* The SYN that waited, and its retransmissions, are those of the next connection. */
SW_PART int sw_ladder_drop_syn(__u32 in_flows, __u64 start_ns, __u32 isn)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_ladder *l;

    if (!sc || !cfg.ladder)
        return 0;
    l = sw_ladder_find(&sc->key, in_flows, start_ns);
    if (!l)
        return 0;
    SW_ROLLED
    for (int i = 0; i < SW_LADDER; i++) {
        __u32 at = l->next - 1;

        sw_opaque(at);
        at &= SW_LADDER - 1;
        if (!l->kept || l->seg[at].seq != isn || (l->seg[at].flags & (SW_TCP_SYN | SW_TCP_ACK)) != SW_TCP_SYN)
            break;
        l->next--;
        l->kept--;
    }
    return 0;
}

#endif
