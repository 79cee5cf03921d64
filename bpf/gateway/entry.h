/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Entries of map `xlate`: made of a good cookie, within what the table and one client may have. */
#ifndef SW_BPF_GATEWAY_ENTRY_H
#define SW_BPF_GATEWAY_ENTRY_H

#include "gateway/frame.h"
#include "gateway/machine.h"

/* Where a client's entries are counted: by its address, of IPv6 by the /64. */
static __always_inline __u32 sw_gate_share_of(const struct sw_gate *w)
{
    const struct sw_hash_key *h = sw_hash_key_get();
    const __u32 *c = (const __u32 *)w->key.client;
    __u32 ip[4] = {c[0], c[1], w->v6 ? 0 : c[2], w->v6 ? 0 : c[3]}, none[4] = {0};

    return h ? sw_known_bit(h, ip, none, 0, 0) & (SW_GATEWAY_SHARES - 1) : 0;
}

/* Removes an entry that was counted. */
static __always_inline void sw_gate_uncount(struct sw_gateway_state *st, __u32 share)
{
    __u32 *mine = bpf_map_lookup_elem(&xlate_shares, &share);

    if (mine)
        __sync_fetch_and_add(mine, -1);
    __sync_fetch_and_add(&st->entries, -1ull);
}

/* Is there a place for the entry in scratch? Takes it. 0, or the counter of why not. */
static __always_inline __u32 sw_gate_take_place(struct sw_gateway_state *st, __u32 share)
{
    __u32 *mine = bpf_map_lookup_elem(&xlate_shares, &share);

    if (!mine)
        return SW_GC_FULL;
    if (__sync_fetch_and_add(&st->entries, 1) >= st->max) {
        __sync_fetch_and_add(&st->entries, -1ull);
        return SW_GC_FULL;
    }
    if (__sync_fetch_and_add(mine, 1) >= st->share) {
        sw_gate_uncount(st, share);
        return SW_GC_OVER_SHARE;
    }
    return 0;
}

/* The entry of the segment in scratch goes. */
SW_STEP int sw_gate_forget(__u32 share)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_gate *w = sw_gate_get();

    if (st && w && !bpf_map_delete_elem(&xlate, &w->key))
        sw_gate_uncount(st, share);
    return 0;
}

/* Does the segment in scratch bring a cookie of ours? The options of both are in the guard's scratch then. One with
 * data does so only if sw_xdp_guard says it: the client was granted no window, and what it sends later costs no look.
 */
SW_STEP int sw_gate_cookie(struct __sk_buff *skb)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_gate *w = sw_gate_get();
    struct sw_service *sv;
    struct sw_seg *s;
    __u32 index;

    if (!sc || !at || !w)
        return 0;
    s = &sc->seg;
    if ((s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_FIN | SW_TCP_ACK)) != SW_TCP_ACK || s->frag ||
        (s->len && !w->accepted))
        return 0;
    index = (__u32)sw_service_of(&sc->key, !s->src_is_b);
    if (!index)
        return 0;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv || sv->state == SW_GS_CALM)
        return 0;
    at->pkt.service = index;
    at->pkt.ip_off = sc->at.ip;
    at->pkt.tcp_off = sc->at.tcp;
    at->pkt.opt_len = sc->at.opt_len;
    at->pkt.v6 = sc->at.v6;
    at->pkt.now = sw_now();
    sw_opts_skb(skb, &at->pkt, &at->opts);
    return !at->opts.sig && sw_cookie_ok(&sc->key, s, &at->pkt, s->seq - 1, &at->accepted);
}

/* The entry of such a cookie, in scratch. */
static __always_inline void sw_gate_fresh(struct __sk_buff *skb, struct sw_gate *w, const struct sw_guard_scratch *at,
                                          const struct sw_seg *s)
{
    struct sw_xlate *x = &w->fresh;
    const struct sw_cookie_opts *c = &at->accepted;
    __u32 index = at->pkt.service;
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);

    __builtin_memset(x, 0, sizeof(*x));
    x->state = SW_X_PENDING;
    x->flags = (c->ts ? SW_XF_TS : 0) | (c->sack ? SW_XF_SACK : 0) | (c->ecn ? SW_XF_ECN : 0) |
               (c->wscale != SW_WSCALE_NONE ? SW_XF_WSCALE : 0) | (w->v6 ? SW_XF_V6 : 0);
    x->client_wscale = c->wscale;
    x->granted_wscale = sv ? sv->wscale : 0;
    x->mss = c->mss;
    x->client_isn = s->seq - 1;
    x->cookie_isn = s->ack - 1;
    x->client_next = x->acked = s->seq;
    x->client_win = s->win;
    if (c->ts) {
        x->client_ts = at->opts.tsval;
        x->cookie_ts = at->opts.tsecr;
    }
    x->last_ns = x->since_ns = x->syn_ns = at->pkt.now;
    x->ifindex = skb->ifindex;
    x->service = index;
    if (skb->vlan_present)
        x->vlan = (__u16)skb->vlan_tci | 0x1000; /* the bit that no tag has here: drop eligible */
    if (w->ip >= 14)
        bpf_skb_load_bytes(skb, 0, x->mac, 12);
}

/* The whole entry but its state, which comes last: until then packets of it are dropped. */
static __always_inline void sw_gate_replace(struct sw_xlate *x, const struct sw_xlate *fresh)
{
    __u32 share = x->share;

    __builtin_memcpy((__u8 *)x + sizeof(x->state), (const __u8 *)fresh + sizeof(x->state),
                     sizeof(*x) - sizeof(x->state));
    x->share = share;
    __sync_lock_test_and_set(&x->state, SW_X_PENDING);
}

/* A good cookie: an entry, new or in the place of an older connection of this four-tuple. True: it is there. */
SW_STEP int sw_gate_begin(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_gate *w = sw_gate_get();
    struct sw_xlate *x;
    __u32 why, state;

    if (!st || !sc || !at || !w)
        return 0;
    sw_gate_fresh(skb, w, at, &sc->seg);
    x = bpf_map_lookup_elem(&xlate, &w->key);
    if (x) {
        state = SW_READ_ONCE(x->state);
        if (state == SW_X_OPENING || __sync_val_compare_and_swap(&x->state, state, SW_X_OPENING) != state)
            return 0;
        sw_gate_replace(x, &w->fresh);
        sw_gate_report(w, SW_GC_REUSED);
        return 1;
    }
    w->fresh.share = sw_gate_share_of(w);
    why = sw_gate_take_place(st, w->fresh.share);
    if (!why && bpf_map_update_elem(&xlate, &w->key, &w->fresh, BPF_NOEXIST)) {
        sw_gate_uncount(st, w->fresh.share);
        why = SW_GC_FULL; /* or another CPU was faster, with the same cookie */
    }
    if (!why)
        return 1;
    sw_gate_report(w, why);
    return 0;
}

#endif
