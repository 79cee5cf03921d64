/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the guard emits: changes of state, and drops (all are counted, some emitted, fewer captured). */
#ifndef SW_BPF_GUARD_DROP_H
#define SW_BPF_GUARD_DROP_H

#include "guard/context.h"
#include "guard/service.h"
#include "track/clock.h"
#include "track/emit.h"

#define SW_DROP_LOG_NS 100000000ull /* ns between drop records for one reason on one CPU */
#define SW_FRAMES_A_SECOND 100      /* captured, the same */
#define SW_DROP_LOG_CPUS 256

static __always_inline struct sw_svc_counters *sw_svc_counters_of(__u32 service)
{
    return bpf_map_lookup_elem(&svc_counters, &service);
}

/* Is this kind of record (enum sw_guard_event_kind) enabled? */
#define SW_GUARD_EMITS(kind) (cfg.event_mask & 1u << (SW_LINE_GUARD + (kind)))

static __always_inline void sw_guard_event_service(struct sw_guard_event *t, const struct sw_service *sv, __u32 index)
{
    t->version = SW_CONTRACT_VERSION;
    t->size = sizeof(*t);
    t->service = index;
    t->mode = sv->mode;
    t->dry_run = sv->mode == SW_GM_MONITOR;
    t->any = sv->any;
    t->svc_port = sv->port;
    t->backend = sv->backend;
    __builtin_memcpy(t->svc_ip, sv->ip, 16);
}

/* False: it did not fit; the next record includes its count. */
static __always_inline int sw_emit_drop(struct sw_key *k, struct sw_seg *s, const struct sw_guard_ctx *j, __u64 count)
{
    struct sw_guard_event *t = bpf_ringbuf_reserve(&guard_events, sizeof(*t), 0);
    __u32 index = j->service;
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);

    if (!t)
        return 0;
    __builtin_memset(t, 0, sizeof(*t));
    if (sv)
        sw_guard_event_service(t, sv, j->service);
    t->version = SW_CONTRACT_VERSION;
    t->size = sizeof(*t);
    t->kind = SW_GUARD_EV_DROP;
    t->dry_run = j->dry_run;
    t->hook = s->hook;
    t->ifindex = s->ifindex;
    t->ts = sw_now();
    t->reason = j->reason;
    t->count = count;
    __builtin_memcpy(t->src_ip, s->src_is_b ? k->b_ip : k->a_ip, 16);
    __builtin_memcpy(t->dst_ip, s->src_is_b ? k->a_ip : k->b_ip, 16);
    t->src_port = s->src_is_b ? k->b_port : k->a_port;
    t->dst_port = s->src_is_b ? k->a_port : k->b_port;
    t->seq = s->seq;
    t->ack = s->ack;
    t->payload = s->len;
    t->flags = s->flags;
    t->vlan[0] = s->vlan[0];
    t->vlan[1] = s->vlan[1];
    bpf_ringbuf_submit(t, 0);
    return 1;
}

static __always_inline void sw_capture_frame(struct xdp_md *ctx, const struct sw_guard_ctx *j, __u32 ifindex)
{
    __u32 len = (__u32)bpf_xdp_get_buff_len(ctx), cap = len;
    struct sw_capture *c = bpf_ringbuf_reserve(&captures, sizeof(*c), 0);

    if (!c) {
        sw_count(SW_C_CAPTURE_LOST);
        return;
    }
    c->ts = sw_now();
    c->ifindex = ifindex;
    c->len = len;
    c->reason = (__u8)j->reason;
    c->dry_run = (__u8)j->dry_run;
    c->service = (__u16)j->service;
    if (cap > SW_CAPTURE_BYTES)
        cap = SW_CAPTURE_BYTES;
    cap = sw_length(cap, SW_CAPTURE_BYTES);
    if (bpf_xdp_load_bytes(ctx, 0, c->frame, cap)) {
        bpf_ringbuf_discard(c, 0);
        return;
    }
    c->cap = cap;
    bpf_ringbuf_submit(c, 0);
}

/* One entry for each reason, for drops and for dry runs. */
static __always_inline struct sw_drop_log *sw_drop_log_of(__u32 reason, __u32 dry_run)
{
    __u32 at = reason * 2 + !!dry_run;

    return bpf_map_lookup_elem(&drop_log, &at);
}

/* Counts a drop, and emits a record if one is due. True: drop the packet; false: the service is only monitored. */
SW_STEP int sw_drop(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_svc_counters *t;
    struct sw_drop_log *here;
    __u32 reason;
    __u64 n;

    if (!key || !s || !j || !g)
        return 0;
    reason = j->reason;
    sw_opaque(reason);
    if (reason >= SW_DROP_MAX)
        return 0;
    t = sw_svc_counters_of(j->service);
    if (t)
        t->drop[reason]++;
    here = sw_drop_log_of(reason, j->dry_run);
    if (!here)
        return !j->dry_run;
    if (SW_GUARD_EMITS(SW_GUARD_EV_DROP)) {
        __sync_fetch_and_add(&here->count, 1); /* sw_detect may reset it */
        if (j->now - here->ns >= SW_DROP_LOG_NS || !here->ns) {
            here->ns = j->now;
            n = __sync_lock_test_and_set(&here->count, 0);
            if (n && !sw_emit_drop(key, s, j, n))
                __sync_fetch_and_add(&here->count, n);
        }
    }
    if (g->flags & SW_G_CAPTURE) {
        if (j->now - here->frames_ns >= SW_SECOND) {
            here->frames_ns = j->now;
            here->frames = 0;
        }
        if (here->frames++ < SW_FRAMES_A_SECOND)
            sw_capture_frame(ctx, j, s->ifindex);
    }
    return !j->dry_run;
}

/* A record of drops that no record has included yet: without a packet and a service. */
static __always_inline int sw_emit_drop_count(__u32 at, __u64 count, __u64 now)
{
    struct sw_guard_event *t = bpf_ringbuf_reserve(&guard_events, sizeof(*t), 0);

    if (!t)
        return 0;
    __builtin_memset(t, 0, sizeof(*t));
    t->version = SW_CONTRACT_VERSION;
    t->size = sizeof(*t);
    t->kind = SW_GUARD_EV_DROP;
    t->dry_run = at & 1;
    t->hook = SW_HOOK_SWEEP;
    t->ts = now;
    t->reason = (__u8)(at / 2);
    t->count = count;
    t->src_ip[10] = t->src_ip[11] = t->dst_ip[10] = t->dst_ip[11] = 0xff;
    bpf_ringbuf_submit(t, 0);
    return 1;
}

/* The drops of one reason, on all CPUs, that no record has included for a while; at shutdown all of them. */
SW_STEP int sw_emit_drop_counts(__u32 at, __u64 now)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_drop_log *first;
    __u64 sum = 0, age;

    if (!g || !SW_GUARD_EMITS(SW_GUARD_EV_DROP))
        return 0;
    age = g->flags & SW_G_STOPPING ? 0 : 2 * SW_DROP_LOG_NS;
    for (__u32 cpu = 0; cpu < SW_DROP_LOG_CPUS; cpu++) {
        struct sw_drop_log *there = bpf_map_lookup_percpu_elem(&drop_log, &at, cpu);

        if (!there)
            break;
        if (there->count && now >= there->ns + age)
            sum += __sync_lock_test_and_set(&there->count, 0);
    }
    if (!sum || sw_emit_drop_count(at, sum, now))
        return 0;
    first = bpf_map_lookup_percpu_elem(&drop_log, &at, 0); /* it did not fit: try again next time */
    if (first)
        __sync_fetch_and_add(&first->count, sum);
    return 0;
}

#endif
