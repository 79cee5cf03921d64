/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection that begins with a cookie's acknowledgement: its SYN and SYN-ACK were not kept, so they are
 * put through the state machine as the cookie remembers them. When they came is not known: no handshake times.
 */
#ifndef SW_BPF_GUARD_COOKIE_FLOW_H
#define SW_BPF_GUARD_COOKIE_FLOW_H

#include "guard/drop.h"
#include "guard/rate_limit.h"
#include "guard/syncookie.h"
#include "track/flow_table.h"

/* Option bytes as both sides send them: whole words. */
static __always_inline __u32 sw_born_options(const struct sw_cookie_opts *c)
{
    return (c->mss ? 4 : 0) + (c->ts ? 12 : c->sack ? 4 : 0) + (c->wscale != SW_WSCALE_NONE ? 4 : 0);
}

static __always_inline void sw_born_seg(struct sw_seg *then, const struct sw_seg *s, const struct sw_cookie_opts *c)
{
    __builtin_memset(then, 0, sizeof(*then));
    then->now = s->now;
    then->pkts = 1;
    then->ifindex = s->ifindex;
    then->vlan[0] = s->vlan[0];
    then->vlan[1] = s->vlan[1];
    then->hook = s->hook;
    then->src_is_b = s->src_is_b;
    then->one_sided = s->one_sided;
    then->mss = c->mss;
    then->wscale = c->wscale;
    then->opts = (c->mss ? SW_OPT_MSS : 0) | (c->wscale != SW_WSCALE_NONE ? SW_OPT_WSCALE : 0) |
                 (c->sack ? SW_OPT_SACK : 0) | (c->ts ? SW_OPT_TS : 0);
}

/*
 * Is this the flow that the acknowledgement belongs to? Born through it already, or begun by a SYN that the listener
 * answered with a cookie of the kernel's. Else it is of an earlier connection, or of a stray.
 */
static __always_inline int sw_born_is(const struct sw_flow *f, const struct sw_seg *s)
{
    const struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    return s->src_is_b == f->orig_is_b && a->did & SW_E_SYN && a->isn == s->seq - 1 &&
           (!(b->did & SW_E_SYN) || b->isn == s->ack - 1);
}

/* Builds the flow in scratch, for sw_track to begin with; s is the acknowledgement, s->now included. */
SW_STEP int sw_born(struct sw_cookie_opts *c, struct sw_judged *j)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);
    struct sw_out unused = {0};
    struct sw_service *sv;
    struct sw_tally *t;
    struct sw_seg *then, *s;
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
        f = bpf_map_lookup_elem(&embryos, key);
    again = f && sw_born_is(f, s);
    if (again && !(f->flags & SW_F_OVER))
        return 0; /* the third packet once more */
    f = &sc->flow;
    then = &sc->then;
    __builtin_memset(f, 0, sizeof(*f));
    bytes = (j->v6 ? 60 : 40) + sw_born_options(c);
    sw_born_seg(then, s, c);
    then->seq = s->seq - 1;
    then->flags = SW_TCP_SYN | (c->ecn ? SW_TCP_ECE | SW_TCP_CWR : 0);
    then->win = 65535;
    then->ip_bytes = bytes;
    sw_flow_init(f, then);
    sw_fsm_step(f, then, &unused);
    sw_born_seg(then, s, c);
    then->seq = s->ack - 1;
    then->ack = s->seq;
    then->flags = SW_TCP_SYN | SW_TCP_ACK | (c->ecn ? SW_TCP_ECE : 0);
    then->win = sv->win;
    then->mss = sv->mss[j->v6 & 1];
    if (then->wscale != SW_WSCALE_NONE)
        then->wscale = sv->wscale;
    then->ip_bytes = bytes;
    then->src_is_b = !s->src_is_b;
    sw_fsm_step(f, then, &unused);
    f->syn_ns = f->synack_ns = 0;
    f->flags |= SW_F_COOKIE | SW_F_UNPROVEN;
    if (cfg.event_mask & 1u << SW_EV_OPENING) { /* told with the rest, in the same ring */
        f->flags &= ~SW_F_OPENING_TOLD;
        f->flags |= SW_F_OPENING_OWED;
        sw_count(SW_C_OPENING_DEFERRED);
    }
    sc->born = 1;
    sw_known_set(key, s->src_is_b);
    if (again)
        return 0; /* a cookie that is used again after its connection was reset: nobody new, no handshake paid back */
    t = sw_tally_of(j->service);
    if (t)
        t->item[SW_T_COOKIES_ACCEPTED]++;
    sw_key_ip(key, s->src_is_b, &ip);
    sw_limit_give(&ip);
    return 0;
}

#endif
