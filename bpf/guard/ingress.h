/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard as sw_xdp_guard calls it: the block list, headers that cannot be parsed, and packets that the fast path did
 * not handle. */
#ifndef SW_BPF_GUARD_INGRESS_H
#define SW_BPF_GUARD_INGRESS_H

#include "guard/policy.h"

/* Counts a SYN, and evaluates the service if it is due. */
static __always_inline void sw_guard_count_syn(struct sw_guard_ctx *j)
{
    struct sw_svc_counters *t = sw_svc_counters_of(j->service);
    __u32 index = j->service;
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);

    if (!t)
        return;
    t->item[SW_T_SYNS]++;
    if (!sv)
        return;
    j->now = sw_now_coarse();
    if (j->now >= sv->due)
        sw_detect_service(index, j->now);
}

/* Answers a SYN, and counts the result. */
static __always_inline int sw_answer(struct xdp_md *ctx, struct sw_key *k, struct sw_seg *s, struct sw_guard *g,
                                     struct sw_guard_ctx *j)
{
    struct sw_svc_counters *t = sw_svc_counters_of(j->service);
    int action;

    if (!t)
        return SW_DO_PASS;
    action = sw_answer_syn(ctx, k, s, j);
    if (action == SW_DO_REPLY) {
        t->item[SW_T_COOKIES_SENT]++;
        if (j->over) {
            t->item[SW_T_OVER_LIMIT]++;
            sw_detect_over_limit(j->service, j->now);
        }
    }
    if (action == SW_DO_PASS_SIGNED && !sw_pass_take(g, j->service, 1, j->now)) {
        j->reason = SW_DROP_RATE_PASSED;
        return SW_DO_DROP;
    }
    if (action == SW_DO_PASS || action == SW_DO_PASS_SIGNED)
        t->item[SW_T_PASSED_BACKEND]++;
    if (action == SW_DO_PASS)
        sw_known_set(k, s->src_is_b);
    return action == SW_DO_PASS_SIGNED
               ? SW_DO_PASS
               : action; /* not added to known_tuples: an option that looks like a signature proves nothing */
}

/* A stray ACK was dropped: a RST goes back, if the budget has one. */
static __always_inline int sw_reset(struct xdp_md *ctx, struct sw_key *k, struct sw_seg *s, struct sw_guard *g,
                                    struct sw_guard_ctx *j)
{
    struct sw_svc_counters *t = sw_svc_counters_of(j->service);

    if (!t || !sw_budget_take(g, j->now) || sw_answer_stray(ctx, k, s, j) != SW_DO_REPLY)
        return SW_DO_DROP;
    t->item[SW_T_RESETS_SENT]++;
    return SW_DO_REPLY;
}

/* The guard's action for a packet: SW_DO_*. */
static __always_inline int sw_guard_ingress(struct xdp_md *ctx, struct sw_key *k, struct sw_seg *s,
                                            const struct sw_place *at, struct sw_guard_scratch *here)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_guard_ctx *j = &here->pkt;
    int is_syn = (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN, action;

    if (!g || s->bad_csum || (!is_syn && !g->active && !cfg.accept))
        return SW_DO_PASS;
    if (cfg.decap && at->tunnel)
        return SW_DO_PASS; /* not for a socket of this host, or through another interface */
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
    j->reset = 0;
    if (is_syn)
        sw_guard_count_syn(j);
    j->over = SW_DROP_NONE;
    action = sw_guard_packet(ctx, j, &here->accepted);
    if (action == SW_DO_ENGAGE) {
        sw_detect_over_limit(j->service, j->now);
        action = sw_guard_packet(ctx, j, &here->accepted);
        if (action == SW_DO_ENGAGE) /* another CPU evaluates it */
            action = SW_DO_PASS;
    }
    if (action == SW_DO_ANSWER)
        action = sw_answer(ctx, k, s, g, j);
    if (action == SW_DO_DROP) {
        if (!sw_drop(ctx, k, s, j))
            return SW_DO_PASS;
        return cfg.stray_reset && j->reset ? sw_reset(ctx, k, s, g, j) : SW_DO_DROP;
    }
    return action == SW_DO_REPLY && j->dry_run ? SW_DO_PASS : action;
}

enum { SW_NOT_BLOCKED, SW_BLOCKED, SW_BLOCKED_DRY }; /* the last: dry run; the packet passes without further checks */

/* The block list comes before the fast path: it applies to established connections, too. */
SW_STEP int sw_guard_block(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s)
{
    struct sw_guard_ctx j = {.reason = SW_DROP_BLOCKED};
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

/* No TCP header could be parsed: the packet passes, unless it could hide a SYN from an engaged guard. */
SW_STEP int sw_guard_unparsed(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, __u32 reason)
{
    struct sw_guard_ctx j = {.reason = reason};
    struct sw_guard *g = sw_guard_config();

    if (!key || !s || !g || !reason || !g->engaged)
        return 0;
    j.now = sw_now_coarse();
    return sw_drop(ctx, key, s, &j);
}

#endif
