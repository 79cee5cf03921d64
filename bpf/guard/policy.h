/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The action for a packet to a protected service: a SYN, or a segment without a flow. Nothing that belongs to a socket
 * of the kernel is dropped, but SYNs over --pass-rate. What cannot be decided passes (fail open).
 */
#ifndef SW_BPF_GUARD_POLICY_H
#define SW_BPF_GUARD_POLICY_H

#include "guard/accept_calm.h"
#include "guard/answer.h"
#include "guard/detect.h"
#include "guard/edge.h"
#include "guard/rate_limit.h"
#include "guard/rp_filter.h"
#include "guard/time_wait.h"
#include "guard/used_cookies.h"
#include "track/clock.h"

/* Shorter than the first retransmission, longer than packets wait in a busy softirq; and more than a first flight. */
#define SW_FIRST_FLIGHT_NS 100000000ull
#define SW_FIRST_FLIGHT_BYTES (1u << 20)

/* A source that cannot be answered: an address that no host has (RFC 1122 section 3.2.1.3, RFC 4291 section 2), or a
 * multicast MAC address. */
static __always_inline int sw_is_bad_source(struct xdp_md *ctx, const struct sw_ip *src, __u32 v6)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 ip = bpf_ntohl(src->word[3]), first = ip >> 24;

    if (!SW_HAS(data, 14, end) || ((__u8 *)data)[6] & 1)
        return 1;
    if (!v6)
        return !ip || first == 127 || first >> 4 == 14 || ip == 0xffffffff;
    if ((src->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) || sw_ip_is_4(src))
        return 1;
    return !(src->word[0] | src->word[1] | src->word[2]) && ip <= 1;
}

/* Can a SYN over a limit be answered at any time? The kernel's own cookies are there only when a queue is full. */
static __always_inline int sw_has_cookies(const struct sw_service *sv, const struct sw_guard *g)
{
    return sv->backend == SW_BK_REQSK || (sv->backend == SW_BK_LISTENER && g->flags & SW_G_COOKIES_ALWAYS);
}

/* Has the kernel a socket for a SYN's four-tuple, or a host behind this one a request for this very SYN? */
static __always_inline int sw_syn_is_known(struct xdp_md *ctx, const struct sw_guard *g, struct sw_key *key,
                                           struct sw_seg *s, struct sw_guard_ctx *j)
{
    if (!sw_known_is(key, s->src_is_b, g->known_gen))
        return 0;
    if (cfg.gateway)
        return sw_edge_has_passed(j->now);
    return sw_socket_lookup(ctx, key, s, j) >= SW_SOCK_REPLIES;
}

/*
 * Engaged, or limits are set: a SYN to the service. One over a limit may be a real client's, whose address somebody
 * else uses: it gets a cookie, and if the service is calm it is engaged for that.
 */
SW_STEP int sw_guard_syn(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_service *sv;
    struct sw_svc_counters *t;
    struct sw_ip src;
    __u32 index, engaged, usable;

    if (!key || !s || !j)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_svc_counters_of(index);
    if (!t)
        return SW_DO_PASS;
    usable = sv->mode != SW_GM_OFF && !(g->flags & SW_G_STOPPING) && !(sv->flags & SW_SV_NO_LISTENER) &&
             j->now >= sv->bypass_until; /* a closed port must not look open */
    engaged = usable && sv->state == SW_GS_ENGAGED;
    sw_key_ip(key, s->src_is_b, &src);
    if (g->allow_len && (engaged || g->limit_source || g->limit_prefix) && sw_allowed(&src)) {
        t->item[SW_T_PASSED_ALLOWED]++;
        return SW_DO_PASS;
    }
    if (engaged) {
        if (s->flags & (SW_TCP_FIN | SW_TCP_RST))
            j->reason = SW_DROP_BAD_FLAGS;
        else if (s->frag)
            j->reason = SW_DROP_FRAGMENT;
        if (j->reason)
            return SW_DO_DROP;
        if (sw_is_bad_source(ctx, &src, j->v6)) {
            j->reason = SW_DROP_BAD_SOURCE;
            return SW_DO_DROP;
        }
    }
    if (g->limit_source || g->limit_prefix)
        j->over = sw_limit_take(&src, j->now);
    if (!engaged && !j->over)
        return SW_DO_PASS;
    /* over a limit, too: a cookie could not be accepted beside that socket */
    if (sw_syn_is_known(ctx, g, key, s, j)) {
        if (!sw_pass_take(g, index, 0, j->now)) {
            j->reason = SW_DROP_RATE_PASSED;
            return SW_DO_DROP;
        }
        t->item[SW_T_PASSED_KNOWN]++;
        return SW_DO_PASS;
    }
    if (j->over && !sw_has_cookies(sv, g)) {
        j->reason = j->over;
        return SW_DO_DROP;
    }
    if (sw_refuses_source(g, &src, j->v6, j->now)) {
        j->reason = SW_DROP_REVERSE_PATH;
        return engaged || j->over ? SW_DO_DROP : SW_DO_PASS;
    }
    if (!engaged)
        return usable && sv->state != SW_GS_ENGAGED ? SW_DO_ENGAGE : SW_DO_PASS;
    if (SW_TRANSLATES && sw_backend_passes(j->now)) {
        if (!sw_pass_take(g, index, 0, j->now)) {
            j->reason = SW_DROP_RATE_PASSED;
            return SW_DO_DROP;
        }
        t->item[SW_T_PASSED_BACKEND]++;
        return SW_DO_PASS;
    }
    if (!sw_budget_take(g, j->now)) {
        j->reason = SW_DROP_BUDGET;
        return SW_DO_DROP;
    }
    return SW_DO_ANSWER;
}

/* The drop reason of a segment that belongs to no flow, socket or cookie. */
static __always_inline __u32 sw_stray_reason(const struct sw_seg *s)
{
    __u16 f = s->flags;

    if (f & SW_TCP_SYN)
        return f & (SW_TCP_FIN | SW_TCP_RST) ? SW_DROP_BAD_FLAGS : SW_DROP_SYNACK;
    if (f & SW_TCP_RST)
        return SW_DROP_RST;
    if ((f & (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG | SW_TCP_ACK)) == (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG))
        return SW_DROP_XMAS;
    if (f & SW_TCP_FIN)
        return SW_DROP_FIN;
    if (f & SW_TCP_ACK)
        return SW_DROP_COOKIE_BAD;
    return f & 0x3f ? SW_DROP_NO_ACK : SW_DROP_NULL_FLAGS;
}

/* Engaged or grace: anything but a SYN, for which there is no flow. With --accept also calm, and an ACK. */
SW_STEP int sw_guard_other(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j,
                           struct sw_cookie_opts *c)
{
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    int sock, is_ack, unsigned_ack = 0;
    struct sw_service *sv;
    struct sw_svc_counters *t;
    struct sw_ip src;
    __u32 index;

    if (!key || !s || !j || !c)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_svc_counters_of(index);
    if (!t)
        return SW_DO_PASS;
    is_ack = (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK;
    if (is_ack) {
        sw_opts_xdp(ctx, j, &at->opts);
        unsigned_ack = !at->opts.sig; /* whom we have answered signs nothing: the kernel would drop it (RFC 2385) */
        if (unsigned_ack && sw_cookie_ok(key, s, j, s->seq - 1, c)) {
            j->used = sw_cookie_was_used(key, s);
            if (cfg.accept && !j->used && sw_is_time_wait(ctx, key, s, j))
                return SW_DO_END_TIME_WAIT;
            if ((j->has_flow || j->used) && sw_socket_lookup(ctx, key, s, j) >= SW_SOCK_REPLIES)
                return SW_DO_PASS; /* the third packet of an existing connection, late */
            return SW_DO_ACCEPT;
        }
    }
    if (j->has_flow && !(is_ack && j->has_ended)) /* of that connection, or late: the kernel decides */
        return SW_DO_PASS;
    if (cfg.accept && sv->state == SW_GS_CALM)
        return sw_not_accepted(ctx, key, s, j, t);
    sock = sw_socket_lookup(ctx, key, s, j);
    if (sock == SW_SOCK_COOKIE && unsigned_ack) { /* the listener accepts it itself */
        j->used = sw_cookie_was_used(key, s);
        sw_kernel_cookie_opts(c, &at->opts);
        return SW_DO_ACCEPT;
    }
    if (is_ack && sock == SW_SOCK_REPLIES && sw_is_after_time_wait(key, j, sock))
        return SW_DO_END_TIME_WAIT;
    if (j->has_flow)
        return SW_DO_PASS;
    if (sock >= SW_SOCK_REPLIES) {
        j->has_socket = sock == SW_SOCK_FOUND;
        t->item[SW_T_PASSED_SOCKET]++;
        return SW_DO_PASS;
    }
    if (is_ack && !j->dry_run && sw_answer_probe(ctx, key, s, j) == SW_DO_REPLY) {
        t->item[SW_T_PROBES_SENT]++;
        return SW_DO_REPLY;
    }
    if (sv->state != SW_GS_ENGAGED || sv->mode == SW_GM_OFF)
        return SW_DO_PASS;
    sw_key_ip(key, s->src_is_b, &src);
    if (sw_allowed(&src))
        return SW_DO_PASS;
    if (s->vlan[0] && (src.word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
        return SW_DO_PASS; /* link-local: its socket is bound to the VLAN device, which the lookup does not search */
    j->reason = sw_stray_reason(s);
    if (cfg.stray_reset)
        j->reset = is_ack && !s->frag && !sw_is_bad_source(ctx, &src, j->v6);
    if (is_ack) {
        at->tuple.isn = s->seq - 1;
        if (sw_cookie_verify_expired(at, s->ack - 1, j->now))
            j->reason = SW_DROP_COOKIE_EXPIRED;
    }
    return SW_DO_DROP;
}

/*
 * XDP sees a whole batch before the stack sees its first packet, so data that follows the third packet closely arrives
 * before there is a socket. It passes unchanged, without a second request socket. Not if the accept queue was full: the
 * listener would answer with a RST. Nor if neither a cookie nor this host's SYN-ACK has opened it.
 */
static __always_inline int sw_is_first_flight(const struct sw_flow *f, const struct sw_seg *s, __u64 now)
{
    return (f->flags & SW_F_COOKIE || f->listener) && !(f->flags & SW_F_ACCEPTQ_FULL) &&
           now - f->start_ns < SW_FIRST_FLIGHT_NS && s->src_is_b == f->orig_is_b &&
           s->seq - f->end[SW_ORIG].isn - 1 < SW_FIRST_FLIGHT_BYTES &&
           (!(s->flags & SW_TCP_ACK) || s->ack - f->end[SW_RESP].isn - 1 < SW_FIRST_FLIGHT_BYTES);
}

/* A packet that the fast path did not handle. */
SW_STEP int sw_guard_packet(struct xdp_md *ctx, struct sw_guard_ctx *j, struct sw_cookie_opts *c)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard *g = sw_guard_config();
    struct sw_service *sv;
    struct sw_svc_counters *t;
    struct sw_flow *f;
    struct sw_key *key;
    struct sw_seg *s;
    __u32 index, calm, waits = 0;
    int action;

    if (!j || !c)
        return SW_DO_PASS;
    if (!sc)
        return SW_DO_PASS;
    key = &sc->key;
    s = &sc->seg;
    if (!g)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_svc_counters_of(index);
    if (!t)
        return SW_DO_PASS;
    j->dry_run = sv->mode == SW_GM_MONITOR;
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN) {
        action = SW_DO_PASS;
        if (sv->state == SW_GS_ENGAGED || (sv->mode != SW_GM_OFF && (g->limit_source || g->limit_prefix)))
            action = sw_guard_syn(ctx, key, s, j);
        if (action == SW_DO_PASS)
            sw_known_set(key, s->src_is_b);
        return action;
    }
    calm = sv->state == SW_GS_CALM;
    if (calm && !(cfg.accept && (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK))
        return SW_DO_PASS;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f) {
        f = bpf_map_lookup_elem(&half_open, key);
        waits = !!f;
        if (cfg.accept && calm && f && f->listener && sw_is_own(f, s))
            return SW_DO_PASS;
        if (f && !f->held)
            f = 0;
    }
    if (cfg.accept && calm && sw_is_own(f, s))
        return SW_DO_PASS;
    j->now = sw_now(); /* exact: a cookie may be newer than the CPU's coarse clock */
    if (cfg.gateway) {
        j->has_flow = 0;
        if (f && !(f->flags & SW_F_ENDED) && !sw_may_begin_anew(f, s))
            return SW_DO_PASS;
        action = sw_edge_other(ctx, key, s, j, c);
        if (action != SW_DO_PASS || f || waits || j->dry_run)
            return action;
        if (SW_TRANSLATES && (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK &&
            sw_answer_probe(ctx, key, s, j) == SW_DO_REPLY) { /* a keepalive, or a probe of the window of 0 */
            t->item[SW_T_PROBES_SENT]++;
            return SW_DO_REPLY;
        }
        if (sv->state != SW_GS_ENGAGED)
            return action;
        return SW_DO_PASS_ALONE; /* a flood of strays would evict the handshakes that had passed before */
    }
    j->has_flow = f && !sw_is_unconfirmed(f); /* even then a cookie may begin another connection */
    if (f && !j->has_flow && sw_is_first_flight(f, s, j->now))
        return SW_DO_PASS;
    j->has_ended = f && f->flags & SW_F_ENDED;
    j->has_socket = 0;
    j->used = 0;
    action = sw_guard_other(ctx, key, s, j, c);
    if (j->has_socket && f)
        sw_flow_confirm(f);
    return action;
}

/* Without a whole TCP header, while a service is engaged: the drop reason, so that the guard cannot be bypassed. */
static __always_inline __u32 sw_guard_unparsed_reason(struct xdp_md *ctx, enum sw_found found, const struct sw_seg *s,
                                                      const struct sw_place *at)
{
    __u64 here = ctx->data_end - ctx->data;

    if ((found == SW_FOUND_BAD_HEADER || found == SW_FOUND_TRUNCATED) && s->frag)
        return SW_DROP_FRAGMENT;
    if (found == SW_FOUND_EXT_LIMIT && (at->ip || !s->vlan[1])) /* the kernel strips any number of priority tags */
        return SW_DROP_EXT_LIMIT;
    if (found == SW_FOUND_TRUNCATED && at->ip && here < bpf_xdp_get_buff_len(ctx))
        return SW_DROP_EXT_LIMIT; /* there is more of the frame than the program can read */
    return SW_DROP_NONE;
}

#endif
