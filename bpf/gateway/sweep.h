/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Once in a while the daemon has the whole table looked at: entries whose time is over, SYNs that are due again, how
 * many there are. An entry is dead for some seconds before its place is given away, so that no packet has it still.
 */
#ifndef SW_BPF_GATEWAY_SWEEP_H
#define SW_BPF_GATEWAY_SWEEP_H

#include "gateway/entry.h"

/* For the daemon, which makes the client's acknowledgement anew and has it come in. */
static __always_inline void sw_gate_due(struct sw_gateway_state *st, const struct sw_xlate_key *key,
                                        const struct sw_xlate *x)
{
    __u32 at = (__u32)st->due;
    struct sw_gateway_due *d = bpf_map_lookup_elem(&gateway_due, &at);

    if (!d)
        return;
    d->key = *key;
    d->x = *x;
    st->due++;
}

/* Its backend has not answered. If it has answered nobody else either, it is silent. */
static __always_inline void sw_gate_silent(const struct sw_xlate_key *key, __u64 now)
{
    struct sw_backend_facts *f, fresh = {0};
    struct sw_backend_key k = {0};

    __builtin_memcpy(k.ip, key->server, 16);
    k.port = key->sport;
    f = bpf_map_lookup_elem(&backends, &k);
    if (f) {
        __sync_fetch_and_add(&f->silent, 1);
        if (!sw_is_within(f->synack_ns, SW_GATEWAY_SILENT_NS, now))
            f->silent_ns = now;
        return;
    }
    fresh.silent = 1;
    fresh.silent_ns = now;
    bpf_map_update_elem(&backends, &k, &fresh, BPF_NOEXIST);
}

/* Little is left of the table: who does nothing leaves earlier. */
static __always_inline __u32 sw_gate_is_filling(const struct sw_gateway_state *st)
{
    return st->entries > st->max / 4 * 3;
}

static __always_inline void sw_gate_expire(struct sw_gateway_state *st, struct sw_xlate_key *key, struct sw_xlate *x,
                                           __u32 why, __u64 now)
{
    struct sw_gate_place at;
    __u32 state = x->state;

    if (state == SW_X_OPENING || __sync_val_compare_and_swap(&x->state, state, SW_X_DEAD) != state)
        return;
    if (why == SW_GC_SILENT && now - x->since_ns >= st->pending)
        sw_gate_silent(key, now);
    sw_opaque(why);
    if (why < SW_GC_MAX && !SW_GATEWAY_REPORTS(why)) {
        sw_gateway_count(st, why);
    } else {
        sw_gate_place_sweep(&at);
        at.what = why;
        sw_gateway_report(key, &at);
    }
    x->since_ns = now;
    if (state == SW_X_PENDING)
        sw_gate_due(st, key, x);
}

static long sw_gate_sweep_one(void *map, struct sw_xlate_key *at, struct sw_xlate *x, void *ctx)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_xlate_key key;
    __u32 state, why, share;
    __u64 now;

    (void)ctx;
    if (!st)
        return 1;
    now = st->swept_ns;
    state = x->state;
    sw_opaque(state);
    if (state >= SW_X_MAX)
        return 0;
    key = *at;
    if (state == SW_X_DEAD && now > x->since_ns + SW_X_DEAD_NS) {
        share = x->share;
        if (__sync_val_compare_and_swap(&x->state, SW_X_DEAD, SW_X_OPENING) == SW_X_DEAD && /* no cookie takes it now */
            !bpf_map_delete_elem(map, &key))
            sw_gate_uncount(st, share);
        return 0;
    }
    st->swept[state]++;
    why = sw_xlate_expiry(x, st, now, sw_gate_is_filling(st));
    if (why) {
        sw_gate_expire(st, &key, x, why - 1, now);
    } else if (state == SW_X_PENDING && x->tries < SW_GATEWAY_TRIES &&
               now > x->syn_ns + (SW_GATEWAY_AGAIN_NS << (x->tries & 7))) {
        sw_gate_due(st, &key, x);
    }
    return 0;
}

/* No more cookies are sent: how many connections go on, and when there are none any more. */
static __always_inline void sw_gate_drain(struct sw_gateway_state *st)
{
    struct sw_guard *g = sw_guard_config();

    if (!g || !(g->flags & SW_G_STOPPING))
        return;
    if (!st->drain) {
        st->drain = SW_GC_DRAINING;
        sw_gateway_note(st, SW_GC_DRAINING);
    }
    if (st->drain == SW_GC_DRAINING && !sw_gateway_live(st)) {
        st->drain = SW_GC_DRAINED;
        sw_gateway_note(st, SW_GC_DRAINED);
    }
}

static __always_inline void sw_gate_sweep(void)
{
    struct sw_gateway_state *st = sw_gateway_state_get();

    if (!st)
        return;
    __builtin_memset(st->swept, 0, sizeof(st->swept));
    st->due = 0;
    st->swept_ns = sw_now();
    bpf_for_each_map_elem(&xlate, sw_gate_sweep_one, 0, 0);
    for (int i = 0; i < SW_X_MAX; i++)
        st->by_state[i] = st->swept[i];
    sw_gate_drain(st);
    sw_gateway_report_rest(st->swept_ns);
}

#endif
