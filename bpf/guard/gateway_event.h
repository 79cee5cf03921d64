/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --gateway translate: what has happened to a connection that is translated is counted, and some of it is reported: so
 * many times a second for each kind, each with what no record has counted before.
 */
#ifndef SW_BPF_GUARD_GATEWAY_EVENT_H
#define SW_BPF_GUARD_GATEWAY_EVENT_H

#include "guard/drop.h"

#define SW_GATE_REPORTS 10 /* records a second of each kind */

static __always_inline struct sw_gateway_state *sw_gateway_state_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&gateway_state, &zero);
}

static __always_inline void sw_gateway_count(struct sw_gateway_state *st, __u32 what)
{
    __sync_fetch_and_add(&st->item[what], 1);
}

/* What has lines. */
static __always_inline void sw_gateway_note(struct sw_gateway_state *st, __u32 what)
{
    sw_gateway_count(st, what);
    if (SW_GUARD_EMITS(SW_GUARD_EV_GATEWAY))
        __sync_fetch_and_add(&st->unreported[what], 1);
}

/* A record with what no other one has counted. key NULL: it is about none. */
static __always_inline void sw_gateway_record(struct sw_gateway_state *st, const struct sw_xlate_key *key,
                                              const struct sw_gate_place *at, __u32 what, __u64 now)
{
    struct sw_backend_facts grants = {.grants = at->grants};
    struct sw_guard_event *t = bpf_ringbuf_reserve(&guard_events, sizeof(*t), 0);
    __u64 count;

    if (!t) /* the next one has its count */
        return;
    count = __sync_lock_test_and_set(&st->unreported[what], 0);
    if (!count) { /* another CPU has reported it */
        bpf_ringbuf_discard(t, 0);
        return;
    }
    __builtin_memset(t, 0, sizeof(*t));
    t->version = SW_CONTRACT_VERSION;
    t->size = sizeof(*t);
    t->kind = SW_GUARD_EV_GATEWAY;
    t->hook = (__u8)at->hook;
    t->ifindex = at->ifindex;
    t->ts = now;
    t->reason = (__u8)what;
    t->count = count;
    t->connections = sw_gateway_live(st);
    if (key) {
        __builtin_memcpy(t->src_ip, key->client, 16);
        __builtin_memcpy(t->dst_ip, key->server, 16);
        t->src_port = key->cport;
        t->dst_port = key->sport;
    }
    t->mss = grants.mss;
    t->wscale = grants.wscale;
    t->grants = grants.flags;
    bpf_ringbuf_submit(t, 0);
}

/* Is there one more in this second? */
static __always_inline int sw_gateway_may_report(struct sw_gateway_state *st, __u32 what, __u64 now)
{
    __u64 since = SW_READ_ONCE(st->reported_ns[what]);

    if ((!since || (__s64)(now - since) >= (__s64)SW_SECOND) &&
        __sync_val_compare_and_swap(&st->reported_ns[what], since, now) == since)
        SW_WRITE_ONCE(st->reported_len[what], 0);
    return SW_READ_ONCE(st->reported_len[what]) < SW_GATE_REPORTS &&
           __sync_fetch_and_add(&st->reported_len[what], 1) < SW_GATE_REPORTS;
}

/* Counts it, and reports it. */
SW_STEP int sw_gateway_report(struct sw_xlate_key *key, struct sw_gate_place *at)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    __u32 what;
    __u64 now;

    if (!st || !key || !at)
        return 0;
    what = at->what;
    sw_opaque(what);
    if (what >= SW_GC_MAX)
        return 0;
    sw_gateway_note(st, what);
    if (!SW_GUARD_EMITS(SW_GUARD_EV_GATEWAY))
        return 0;
    now = sw_now_coarse();
    if (sw_gateway_may_report(st, what, now))
        sw_gateway_record(st, key, at, what, now);
    return 0;
}

/*
 * Where the sweep is. The value is hidden from clang, which would put the whole into a section of constants: libbpf
 * makes a map of that, one that the object for old kernels does not have.
 */
static __always_inline void sw_gate_place_sweep(struct sw_gate_place *at)
{
    __u32 hook = SW_HOOK_SWEEP;

    sw_opaque(hook);
    __builtin_memset(at, 0, sizeof(*at));
    at->hook = hook;
}

/* What is left to be reported of all kinds: what was one too many in its second. At the end at once. */
SW_STEP int sw_gateway_report_rest(__u64 now)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_gate_place here;
    struct sw_guard *g = sw_guard_config();
    __u32 last;

    if (!st || !g || !SW_GUARD_EMITS(SW_GUARD_EV_GATEWAY))
        return 0;
    sw_gate_place_sweep(&here);
    last = g->flags & SW_G_STOPPING;
    for (__u32 what = 0; what < SW_GC_MAX; what++) {
        if (!SW_READ_ONCE(st->unreported[what]))
            continue;
        if (last || (__s64)(now - SW_READ_ONCE(st->reported_ns[what])) >= (__s64)SW_SECOND)
            sw_gateway_record(st, 0, &here, what, now);
    }
    return 0;
}

#endif
