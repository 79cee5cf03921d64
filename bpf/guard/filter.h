/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter beside the guard. The guard counts the handshakes of a service, and lets its connections pass, by their
 * flows: what the filter excludes of a service is followed all the same, but without events.
 */
#ifndef SW_BPF_GUARD_FILTER_H
#define SW_BPF_GUARD_FILTER_H

#include "guard/service.h"
#include "track/sweep.h"

/* Is one end a service? Either, so that both directions are judged alike. */
static __always_inline int sw_is_guarded(struct sw_key *key)
{
    return sw_service_of(key, 0) || sw_service_of(key, 1);
}

/* The flow goes on without events. A record ends what was reported of it. */
static __always_inline void sw_filter_silence(struct sw_scratch *sc, const struct sw_key *key, struct sw_flow *f)
{
    struct sw_emit_ctx *w;

    if (!sw_sweep_ring_has_space(f)) {
        sc->sweep.held_back++;
        return;
    }
    w = sw_sweep_emit_ctx(sc, key, f);
    sc->snapshot = *f;
    __sync_fetch_and_or(&f->flags, SW_F_FILTERED); /* first: no event comes after the record */
    __sync_fetch_and_and(&f->flags, ~SW_F_OPENING_DEFERRED);
    sc->snapshot.reason = SW_WHY_FILTERED;
    sc->snapshot.ended_ns = sc->sweep.now;
    sw_emit_opening_lost(SW_CTX_SWEEP, &sc->snapshot);
    sw_histograms_conn(&sc->snapshot, SW_CTX_SWEEP);
    sw_emit(SW_CTX_SWEEP, SW_EV_CONN, &sc->snapshot, w, sc->sweep.now);
}

static long sw_filter_one(void *map, struct sw_key *key, struct sw_flow *f, void *unused)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);

    (void)map;
    (void)unused;
    if (!sc)
        return 0;
    sc->key = *key;
    if (!sw_sweep_is_out(f))
        return 0;
    if (cfg.guard && (sw_service_of_swept(&sc->key, 0) || sw_service_of_swept(&sc->key, 1)))
        sw_filter_silence(sc, key, f);
    else
        sw_sweep_end(sc, key, f, SW_WHY_FILTERED);
    return 0;
}

/*
 * The filter was changed: ends the flows that it excludes, for nothing more is seen of them. Twice, because a packet
 * that was judged by the old rules may begin a flow meanwhile. Returns how many wait for space in a ring.
 */
static __always_inline __u64 sw_filter_sweep(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);
    struct sw_filter_map *m = sw_filter_map_get();

    if (!m || !sc)
        return 0;
    if (m->generation != m->swept) {
        m->swept = m->generation;
        m->passes = 2;
    }
    if (!m->passes)
        return 0;
    sw_sweep_begin(sc);
    bpf_for_each_map_elem(&half_open, sw_filter_one, 0, 0);
    bpf_for_each_map_elem(&flows, sw_filter_one, 0, 0);
    m->held_back = sc->sweep.held_back;
    if (!m->held_back)
        m->passes--;
    return m->held_back;
}

#endif
