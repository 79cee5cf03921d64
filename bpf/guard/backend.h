/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --gateway translate: what clients are granted in a backend's name, by its own SYN-ACKs (map `backends`). */
#ifndef SW_BPF_GUARD_BACKEND_H
#define SW_BPF_GUARD_BACKEND_H

#include "guard/context.h"
#include "guard/gateway_event.h"
#include "guard/service.h"

#define SW_TRANSLATES (cfg.gateway == SW_GATEWAY_TRANSLATE)
#define SW_IS_INNER(ifindex) (SW_TRANSLATES && cfg.outer && (ifindex) != cfg.outer) /* followed, and not guarded */
#define SW_GATE_MARK 0x73776774 /* in a frame's cb, from sw_gateway_out to sw_egress: what leaves is to be tracked */
#define SW_BACKEND_READ_NS 100000000ull /* what a CPU has read is good for so long */

static __always_inline int sw_is_within(__u64 at, __u64 ns, __u64 now)
{
    return at && (__s64)(now - at) < (__s64)ns;
}

/* Reads it. Of a backend that is not known nothing is promised that it might not keep. */
SW_STEP int sw_backend_read(struct sw_net_found *at, __u64 now)
{
    struct sw_backend_key key = {0};
    struct sw_backend_facts *f;

    if (!at)
        return 0;
    for (int i = 0; i < 4; i++)
        ((__u32 *)key.ip)[i] = at->ip.word[i];
    key.port = bpf_htons((__u16)at->port);
    at->read_ns = now;
    at->grants = SW_BE_SACK | SW_BE_WSCALE;
    at->mss = 0;
    at->closed = 0;
    at->ask = !sw_is_within(at->asked_ns, SW_BACKEND_READ_NS, now);
    f = bpf_map_lookup_elem(&backends, &key);
    if (!f || !f->synack_ns)
        at->read_ns = 0; /* read again for the next SYN */
    if (!f)
        return 0;
    if (f->synack_ns) {
        at->grants = f->flags;
        at->mss = f->mss;
        at->ask = 0;
    }
    at->closed = sw_is_within(f->refused_ns, SW_GATEWAY_REFUSED_NS, now) ||
                 sw_is_within(f->silent_ns, SW_GATEWAY_SILENT_NS, now);
    return 0;
}

/* Of a service that sw_service_behind has just found. NULL: another one has taken its place. */
static __always_inline struct sw_net_found *sw_backend_of(const struct sw_guard *g, const struct sw_ip *ip, __u32 port,
                                                          __u64 now)
{
    struct sw_net_found *at = sw_net_remembered(ip, port);

    if (!at || !sw_net_is_of(at, ip, port, g->nets_gen))
        return 0;
    if (!sw_is_within(at->read_ns, SW_BACKEND_READ_NS, now))
        sw_backend_read(at, now);
    return at;
}

static __always_inline int sw_gateway_is_full(const struct sw_gateway_state *st)
{
    return !st || SW_READ_ONCE(st->entries) >= st->max;
}

/* A cookie grants no more than the backend does. */
static __always_inline void sw_backend_limit(struct sw_cookie_opts *c, const struct sw_net_found *at)
{
    c->ts = c->ts && at->grants & SW_BE_TS;
    c->sack = c->sack && at->grants & SW_BE_SACK;
    c->ecn = c->ecn && at->grants & SW_BE_ECN;
    if (!(at->grants & SW_BE_WSCALE))
        c->wscale = SW_WSCALE_NONE;
}

/* The MSS of the SYN-ACK is its first option. */
static __always_inline void sw_backend_mss(struct sw_reply *r, const struct sw_opts *o, __u32 mss,
                                           const struct sw_service *sv, __u32 v6)
{
    if (o->opts & SW_OPT_MSS && mss < sv->mss[v6 & 1])
        r->word[0] = bpf_htonl(0x02040000u | mss);
}

/* For the SYN in scratch there is no place. */
static __always_inline void sw_backend_report_full(const struct sw_scratch *sc)
{
    struct sw_guard_scratch *here = sw_guard_scratch_get();
    const __u32 is_b = sc->seg.src_is_b;

    if (!here)
        return;
    __builtin_memcpy(here->reported.client, is_b ? sc->key.b_ip : sc->key.a_ip, 16);
    __builtin_memcpy(here->reported.server, is_b ? sc->key.a_ip : sc->key.b_ip, 16);
    here->reported.cport = is_b ? sc->key.b_port : sc->key.a_port;
    here->reported.sport = is_b ? sc->key.a_port : sc->key.b_port;
    here->place.what = SW_GC_FULL;
    here->place.hook = sc->seg.hook;
    here->place.ifindex = sc->seg.ifindex;
    here->place.grants = 0;
    sw_gateway_report(&here->reported, &here->place);
}

/*
 * Must the SYN of the segment in scratch pass, although the service is engaged? A closed port does not look open; and
 * if the table is full, a cookie could not be taken (fail open: the backend decides).
 */
SW_STEP int sw_backend_passes(__u64 now)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard *g = sw_guard_config();
    struct sw_net_found *at;
    struct sw_ip ip;
    __u32 is_b;

    if (!sc || !st || !g)
        return 1;
    if (sw_gateway_is_full(st)) {
        sw_backend_report_full(sc);
        return 1;
    }
    is_b = !sc->seg.src_is_b;
    sw_key_ip(&sc->key, is_b, &ip);
    at = sw_backend_of(g, &ip, bpf_ntohs(is_b ? sc->key.b_port : sc->key.a_port), now);
    if (!at || at->closed)
        return 1;
    if (!at->ask)
        return 0;
    at->ask = 0;
    at->asked_ns = now;
    return 1;
}

/* The same for the answer: the grant in scratch becomes less. The MSS of the backend, or the most that there is; 0: the
 * SYN is to pass. */
SW_STEP int sw_backend_limits(struct sw_guard_scratch *here, __u64 now)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard *g = sw_guard_config();
    struct sw_net_found *at;
    struct sw_ip ip;
    __u32 is_b;

    if (!here || !sc || !g)
        return 0;
    is_b = !sc->seg.src_is_b;
    sw_key_ip(&sc->key, is_b, &ip);
    at = sw_backend_of(g, &ip, bpf_ntohs(is_b ? sc->key.b_port : sc->key.a_port), now);
    if (!at)
        return 0;
    sw_backend_limit(&here->cookie_opts, at);
    return at->mss ? at->mss : 65535;
}

#endif
