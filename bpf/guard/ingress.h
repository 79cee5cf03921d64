/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard as sw_guarded calls it: the block list, what cannot be read, and each packet that the fast path left. */
#ifndef SW_BPF_GUARD_INGRESS_H
#define SW_BPF_GUARD_INGRESS_H

#include "guard/policy.h"

/* A SYN came: counts it, and judges the service if it is time. */
static __always_inline void sw_guard_arrival(struct sw_judged *j)
{
    struct sw_tally *t = sw_tally_of(j->service);
    __u32 index = j->service;
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);

    if (!t)
        return;
    t->item[SW_T_SYNS]++;
    if (!sv)
        return;
    j->now = sw_now_coarse();
    if (j->now >= sv->due)
        sw_judge_service(index, j->now);
}

/* Answers a SYN, and counts what became of it. */
static __always_inline int sw_answer(struct xdp_md *ctx, struct sw_key *k, struct sw_seg *s, struct sw_judged *j)
{
    struct sw_tally *t = sw_tally_of(j->service);
    int does;

    if (!t)
        return SW_DO_PASS;
    does = sw_answer_syn(ctx, k, s, j);
    if (does == SW_DO_REPLY)
        t->item[SW_T_COOKIES_SENT]++;
    if (does == SW_DO_PASS || does == SW_DO_PASS_SEALED)
        t->item[SW_T_PASSED_BACKEND]++;
    if (does == SW_DO_PASS)
        sw_known_set(k, s->src_is_b);
    return does == SW_DO_PASS_SEALED ? SW_DO_PASS : does; /* not known: anybody can write what looks signed */
}

/* Everything that the guard has to say of a packet: SW_DO_*. */
static __always_inline int sw_guard_ingress(struct xdp_md *ctx, struct sw_key *k, struct sw_seg *s,
                                            const struct sw_place *at, struct sw_guarding *here)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_judged *j = &here->judged;
    int is_syn = (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN, does;

    if (!g || s->bad_csum || (!is_syn && !g->awake))
        return SW_DO_PASS;
    if (cfg.decap && at->tunnel)
        return SW_DO_PASS; /* not for a socket of this host, or by another interface */
    j->service = sw_service_of(k, !s->src_is_b);
    if (!j->service)
        return SW_DO_PASS;
    j->ip_off = at->ip;
    j->tcp_off = at->tcp;
    j->opt_len = at->opt_len;
    j->v6 = at->v6;
    j->reason = SW_DROP_NONE;
    j->dry_run = 0;
    j->has_flow = 0;
    if (is_syn)
        sw_guard_arrival(j);
    does = sw_guard_packet(ctx, j, &here->accepted);
    if (does == SW_DO_ANSWER)
        does = sw_answer(ctx, k, s, j);
    if (does == SW_DO_DROP)
        return sw_drop(ctx, k, s, j) ? SW_DO_DROP : SW_DO_PASS;
    return does == SW_DO_REPLY && j->dry_run ? SW_DO_PASS : does;
}

enum { SW_NOT_BLOCKED, SW_BLOCKED, SW_BLOCKED_DRY }; /* the last: passes, and nothing else is judged */

/* The block list comes before the fast path: it is for established connections, too. */
SW_STEP int sw_guard_block(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s)
{
    struct sw_judged j = {.reason = SW_DROP_BLOCKED};
    struct sw_service *sv;
    struct sw_ip src;
    __u32 index;

    if (!key || !s)
        return SW_NOT_BLOCKED;
    index = sw_service_of(key, !s->src_is_b);
    sv = index ? bpf_map_lookup_elem(&services, &index) : 0;
    if (!sv || sv->mode == SW_GM_OFF)
        return SW_NOT_BLOCKED;
    sw_key_ip(key, s->src_is_b, &src);
    if (!sw_blocked(&src))
        return SW_NOT_BLOCKED;
    j.now = sw_now_coarse();
    j.service = index;
    j.dry_run = sv->mode == SW_GM_MONITOR;
    return sw_drop(ctx, key, s, &j) ? SW_BLOCKED : SW_BLOCKED_DRY;
}

/* Not a TCP header that could be read: passes, unless it could hide a SYN from an engaged guard. */
SW_STEP int sw_guard_unread(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, __u32 reason)
{
    struct sw_judged j = {.reason = reason};
    struct sw_guard *g = sw_guard_conf();

    if (!key || !s || !g || !reason || !g->engaged)
        return 0;
    j.now = sw_now_coarse();
    return sw_drop(ctx, key, s, &j);
}

#endif
