/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expiry in the kernel: walks both maps and ends expired flows, without copying them to user space. */
#ifndef SW_BPF_TRACK_SWEEP_H
#define SW_BPF_TRACK_SWEEP_H

#include "tcp/timeouts.h"
#include "track/clock.h"
#include "track/flow_table.h"

/* Does the ring have space for the records of one ended flow? Otherwise it waits for the next sweep. */
static __always_inline int sw_sweep_ring_has_space(const struct sw_flow *f)
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

/* Fills the emit context for a flow. */
static __always_inline struct sw_emit_ctx *sw_sweep_emit_ctx(struct sw_scratch *sc, const struct sw_key *key,
                                                             const struct sw_flow *f)
{
    struct sw_emit_ctx *w = &sc->emit;

    sc->key = *key;
    __builtin_memset(w, 0, sizeof(*w));
    w->ifindex = f->ifindex;
    w->hook = cfg.replay ? SW_HOOK_REPLAY : SW_HOOK_SWEEP;
    return w;
}

static __always_inline struct sw_sweep_ctx *sw_sweep_begin(struct sw_scratch *sc)
{
    struct sw_sweep_ctx *c = &sc->sweep;

    __builtin_memset(c, 0, sizeof(*c));
    c->now = sweep.now ? sweep.now : sw_now();
    c->flush = sweep.flush;
    c->next = ~0ULL;
    return c;
}

/* Ends a flow, unless its ring has no space. */
static __always_inline void sw_sweep_end(struct sw_scratch *sc, const struct sw_key *key, struct sw_flow *f, __u32 why)
{
    struct sw_sweep_ctx *c = &sc->sweep;
    struct sw_emit_ctx *w;
    struct sw_lock *l;

    if (!sw_sweep_ring_has_space(f)) {
        c->held_back++;
        if (f->flags & SW_F_OPENING_DEFERRED)
            c->deferred++;
        return;
    }
    w = sw_sweep_emit_ctx(sc, key, f);
    l = sw_lock_of(sw_key_hash(&sc->key));
    if (!l)
        return;
    if (!sw_claim_end(f, l))
        return;
    if (!(f->flags & SW_F_ENDED)) {
        f->flags |= SW_F_ENDED;
        f->ended_ns = c->now;
        f->reason = why;
        if (why != SW_WHY_END_OF_INPUT && why != SW_WHY_FILTERED)
            sw_emit(SW_CTX_SWEEP, SW_EV_TIMEOUT, f, w, c->now);
    }
    sw_end_flow(SW_CTX_SWEEP, f, c->now);
    c->seen--;
}

#ifndef SW_OLD
/* One that was held, and there is a place now: the walk through `flows` comes to it again. Not while a segment of it is
 * processed: the next sweep does it. It is not looked up: that would keep it in the LRU table. */
static __always_inline int sw_sweep_promote(struct sw_scratch *sc, const struct sw_key *key, struct sw_flow *f)
{
    struct sw_lock *l;
    int moved = 0;

    if (!cfg.guard || !f->held ||
        (f->flags & (SW_F_ESTABLISHED | SW_F_ENDED | SW_F_IN_FLOWS | SW_F_NO_SOCKET)) != SW_F_ESTABLISHED)
        return 0;
    sc->key = *key;
    l = sw_lock_of(sw_key_hash(&sc->key));
    if (!l || !sw_lock_try(l))
        return 0;
    if (!(f->flags & SW_F_ENDED) && sw_claim_move(f, l))
        moved = sw_move(SW_CTX_SWEEP, &sc->key, f);
    sw_lock_drop(l);
    return moved;
}
#endif

/* For each element of a map of flows. */
static long sw_sweep_one(void *map, const void *at_key, void *value, void *unused)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);
    const struct sw_key *key = at_key;
    struct sw_config limits = cfg;
    struct sw_flow *f = value;
    struct sw_sweep_ctx *c;
    struct sw_emit_ctx *w;
    __u64 at;
    __u32 why;

    (void)map;
    (void)unused;
    if (!sc)
        return 0;
    c = &sc->sweep;
#ifndef SW_OLD
    if (sw_sweep_promote(sc, key, f))
        return 0;
    if (f->flags & SW_F_CLAIMED)
        c->share[SW_SHARE_CLAIMED]++;
    else if (f->flags & SW_F_UNCONFIRMED)
        c->share[SW_SHARE_UNCONFIRMED]++;
#endif
    c->seen++;
    why = sw_expiry(f, &limits, c->now, c->flush);
    if (why == SW_WHY_NONE) {
        if (!(f->flags & SW_F_ENDED))
            c->live++;
        if (f->flags & SW_F_OPENING_DEFERRED)
            c->deferred++;
        if ((f->flags & (SW_F_UNCONFIRMED | SW_F_ESTABLISHED | SW_F_ENDED)) == (SW_F_UNCONFIRMED | SW_F_ESTABLISHED))
            c->unconfirmed++;
        if (cfg.update_interval && f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_ENDED) &&
            c->now >= f->update_ns + cfg.update_interval) {
            f->update_ns = c->now;
            w = sw_sweep_emit_ctx(sc, key, f);
            sw_emit(SW_CTX_SWEEP, SW_EV_UPDATE, f, w, c->now);
        }
        at = sw_expiry_at(f, &limits);
        if (at < c->next)
            c->next = at;
        return 0;
    }
    sw_sweep_end(sc, key, f, why);
    return 0;
}

SW_PART int sw_sweep_judge(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);
    struct sw_filter_map *m = sw_filter_map_get();

    return sc && m ? sw_filter_judge(m, &sc->key, sw_filter_is_v4(&sc->key)) : 0;
}

/* Is it excluded by a filter that was set after it began? Its key is in scratch. One that has ended has its own reason.
 */
static __always_inline int sw_sweep_is_out(const struct sw_flow *f)
{
    if (f->flags & (SW_F_ENDED | SW_F_FILTERED))
        return 0;
    return sw_filter_is_out(sw_sweep_judge(), f);
}

/* Sweeps one flow by its key, which user space found. Adds to the same results as sw_sweep_all. */
static __always_inline int sw_sweep_key(const void *bytes)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);
    struct sw_sweep_ctx *c;
    struct sw_flow *f;
    __u32 in_flows;

    if (!sc)
        return 0;
    __builtin_memcpy(&sc->key, bytes, sizeof(sc->key));
    f = bpf_map_lookup_elem(&flows, &sc->key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, &sc->key);
    if (!f)
        return 0;
    c = sw_sweep_begin(sc);
    in_flows = f->flags & SW_F_IN_FLOWS;
    if (sw_sweep_is_out(f)) {
        c->seen = 1;
        sw_sweep_end(sc, &sc->key, f, SW_WHY_FILTERED);
    } else {
        sw_sweep_one(0, &sc->key, f, 0);
    }
    sweep.established += in_flows ? c->live : 0;
    sweep.held_back += c->held_back;
    sweep.deferred += c->deferred;
    if (c->next < sweep.next)
        sweep.next = c->next;
    return !!c->seen;
}

#ifndef SW_OLD
static __always_inline int sw_sweep_all(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);
    struct sw_share before[SW_SHARES];
    struct sw_sweep_ctx *c;

    if (!sc)
        return 0;
    c = sw_sweep_begin(sc);
    bpf_for_each_map_elem(&half_open, sw_sweep_one, 0, 0);
    sweep.half_open = c->seen;
    c->seen = 0;
    c->live = 0;
    for (int i = 0; i < SW_SHARES; i++) {
        c->share[i] = 0;
        before[i].taken = SW_READ_ONCE(shares[i].taken);
        before[i].left = SW_READ_ONCE(shares[i].left);
    }
    bpf_for_each_map_elem(&flows, sw_sweep_one, 0, 0);
    for (int i = 0; i < SW_SHARES && cfg.guard; i++)
        sw_share_check(&shares[i], &before[i], c->share[i]);
    sweep.flows = c->seen;
    sweep.established = c->live;
    sweep.held_back = c->held_back;
    sweep.deferred = c->deferred;
    sweep.next = c->next;
    sweep.unconfirmed = c->unconfirmed;
    return 0;
}
#endif

#endif
