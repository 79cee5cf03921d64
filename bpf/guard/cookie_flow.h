/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection that begins with the acknowledgement of a cookie. Its SYN and SYN-ACK were not stored, so they are
 * rebuilt from the cookie and passed through the state machine. Their times are unknown: the flow has no handshake
 * times.
 */
#ifndef SW_BPF_GUARD_COOKIE_FLOW_H
#define SW_BPF_GUARD_COOKIE_FLOW_H

#include "guard/drop.h"
#include "guard/rate_limit.h"
#include "guard/syncookie.h"
#include "guard/used_cookies.h"
#include "track/flow_table.h"

/* Bytes of options as both sides send them: whole words. */
static __always_inline __u32 sw_cookie_flow_opt_len(const struct sw_cookie_opts *c)
{
    return (c->mss ? 4 : 0) + (c->ts ? 12 : c->sack ? 4 : 0) + (c->wscale != SW_WSCALE_NONE ? 4 : 0);
}

static __always_inline void sw_cookie_flow_seg(struct sw_seg *rebuilt, const struct sw_seg *s,
                                               const struct sw_cookie_opts *c)
{
    __builtin_memset(rebuilt, 0, sizeof(*rebuilt));
    rebuilt->now = s->now;
    rebuilt->pkts = 1;
    rebuilt->ifindex = s->ifindex;
    rebuilt->vlan[0] = s->vlan[0];
    rebuilt->vlan[1] = s->vlan[1];
    rebuilt->hook = s->hook;
    rebuilt->src_is_b = s->src_is_b;
    rebuilt->one_sided = s->one_sided;
    rebuilt->mss = c->mss;
    rebuilt->wscale = c->wscale;
    rebuilt->opts = (c->mss ? SW_OPT_MSS : 0) | (c->wscale != SW_WSCALE_NONE ? SW_OPT_WSCALE : 0) |
                    (c->sack ? SW_OPT_SACK : 0) | (c->ts ? SW_OPT_TS : 0);
}

/*
 * Does the acknowledgement belong to this flow: one established by the same cookie, or one whose SYN the listener
 * answered with a cookie of the kernel? Otherwise the flow is of an earlier connection, or of a stray segment.
 */
static __always_inline int sw_cookie_flow_matches(const struct sw_flow *f, const struct sw_seg *s)
{
    const struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    return s->src_is_b == f->orig_is_b && a->did & SW_E_SYN && a->isn == s->seq - 1 &&
           (!(b->did & SW_E_SYN) || b->isn == s->ack - 1);
}

/* Builds the flow in scratch, where sw_track takes it from; s is the acknowledgement, with s->now set. */
SW_STEP int sw_cookie_flow_build(struct sw_cookie_opts *c, struct sw_guard_ctx *j)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_out unused = {0};
    struct sw_service *sv;
    struct sw_svc_counters *t;
    struct sw_seg *rebuilt, *s;
    struct sw_flow *f;
    struct sw_key *key;
    struct sw_ip ip;
    __u32 at, bytes, again;

    if (!c || !j)
        return 0;
    if (!sc)
        return 0;
    at = j->service;
    sv = bpf_map_lookup_elem(&services, &at);
    if (!sv)
        return 0;
    key = &sc->key;
    s = &sc->seg;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, key);
    again = f && sw_cookie_flow_matches(f, s);
    t = sw_svc_counters_of(at);
    if (!t)
        return 0;
    if (again && !(f->flags & SW_F_ENDED)) { /* the third packet, retransmitted */
        if (j->used && j->has_flow)          /* or its socket went in silence, and now it gets another */
            t->item[SW_T_COOKIES_REPLAYED]++;
        return 0;
    }
    f = &sc->flow;
    rebuilt = &sc->rebuilt;
    __builtin_memset(f, 0, sizeof(*f));
    bytes = (j->v6 ? 60 : 40) + sw_cookie_flow_opt_len(c);
    sw_cookie_flow_seg(rebuilt, s, c);
    rebuilt->seq = s->seq - 1;
    rebuilt->flags = SW_TCP_SYN | (c->ecn ? SW_TCP_ECE | SW_TCP_CWR : 0);
    rebuilt->win = 65535;
    rebuilt->ip_bytes = bytes;
    sw_flow_init(f, rebuilt);
    sw_fsm_step(f, rebuilt, &unused);
    sw_cookie_flow_seg(rebuilt, s, c);
    rebuilt->seq = s->ack - 1;
    rebuilt->ack = s->seq;
    rebuilt->flags = SW_TCP_SYN | SW_TCP_ACK | (c->ecn ? SW_TCP_ECE : 0);
    rebuilt->win = sv->win;
    rebuilt->mss = sv->mss[j->v6 & 1];
    if (rebuilt->wscale != SW_WSCALE_NONE)
        rebuilt->wscale = sv->wscale;
    rebuilt->ip_bytes = bytes;
    rebuilt->src_is_b = !s->src_is_b;
    rebuilt->local = !cfg.gateway;
    sw_fsm_step(f, rebuilt, &unused);
    f->syn_ns = f->synack_ns = 0;
    f->flags |= SW_F_COOKIE | (cfg.gateway ? SW_F_CLAIMED : SW_F_UNCONFIRMED);
    if (cfg.event_mask & 1u << SW_EV_OPENING) { /* emitted with the other records, into the same ring */
        f->flags &= ~SW_F_OPENING_EMITTED;
        f->flags |= SW_F_OPENING_DEFERRED;
        sw_count(SW_C_OPENING_DEFERRED);
    }
    sc->from_cookie = 1;
    sw_known_set(key, s->src_is_b);
    sw_cookie_use(key, s);
    if (again || j->used) { /* for which there was no SYN, so no token is returned */
        t->item[SW_T_COOKIES_REPLAYED]++;
        return 0;
    }
    t->item[SW_T_COOKIES_ACCEPTED]++;
    sw_key_ip(key, s->src_is_b, &ip);
    sw_limit_give(&ip);
    return 0;
}

#endif
