/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The entry programs. On any failure the packet passes (fail open). */
#include "ingress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tracker alone: changes no packet, so that it can share the interface with other programs. */
SEC(SW_XDP)
int sw_ingress(struct xdp_md *ctx)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    if (sc)
        sw_ingress_frame(ctx, sc);
    return XDP_PASS;
}

#ifndef SW_OLD
/*
 * Does a host behind a gateway say the segment in scratch, on a connection with one of the services? That is followed
 * where it leaves, in the numbers that the client sees.
 */
static __always_inline int sw_is_of_service(struct sw_scratch *sc)
{
    return sw_service_of(&sc->key, sc->seg.src_is_b);
}

/* At an inner interface of a gateway that translates: the tracker alone. */
static __always_inline int sw_xdp_inner(struct xdp_md *ctx)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    if (!sc)
        return XDP_PASS;
    sw_count(SW_C_PACKETS);
    if (sw_parse_xdp(ctx, sc) != SW_FOUND_TCP)
        return XDP_PASS;
    if (sw_is_of_service(sc)) {
        sw_count(SW_C_FORWARDED_TWICE);
        return XDP_PASS;
    }
    if (!sw_is_filtered(sc, SW_OUT_UNKNOWN) && !sw_track_fast(&sc->key, &sc->seg))
        sw_guard_segment(ctx, sc, SW_BLOCKED_DRY);
    return XDP_PASS;
}

/* The tracker with the guard. */
SEC(SW_XDP)
int sw_xdp_guard(struct xdp_md *ctx)
{
    struct sw_scratch *sc;
    enum sw_found found;
    struct sw_guard *g;
    int blocked = SW_NOT_BLOCKED;

    if (SW_IS_INNER(ctx->ingress_ifindex))
        return sw_xdp_inner(ctx);
    if (!cfg.checksum && sw_fast_answered(ctx, (void *)(long)ctx->data, (void *)(long)ctx->data_end))
        return XDP_TX;
    sc = sw_scratch_of(SW_CTX_PACKET);
    if (!sc)
        return XDP_PASS;
    sw_count(SW_C_PACKETS);
    found = sw_parse_xdp(ctx, sc);
    if (found != SW_FOUND_TCP) {
        __u32 odd = sw_guard_unparsed_reason(ctx, found, &sc->seg, &sc->at);

        __builtin_memset(&sc->key, 0, sizeof(sc->key)); /* the record has no four-tuple */
        return odd && sw_guard_unparsed(ctx, &sc->key, &sc->seg, odd) ? XDP_DROP : XDP_PASS;
    }
    g = sw_guard_config();
    if (g && g->block_len)
        blocked = sw_guard_block(ctx, &sc->key, &sc->seg);
    if (blocked == SW_BLOCKED)
        return XDP_DROP;
    if (sw_is_filtered(sc, SW_OUT_UNKNOWN) || sw_track_fast(&sc->key, &sc->seg))
        return XDP_PASS;
    return sw_guard_segment(ctx, sc, blocked);
}

#endif

/* A forwarded packet that was tracked on its ingress interface is not tracked again on egress. */
static __always_inline int sw_seen_on_ingress(struct __sk_buff *skb)
{
    __u32 in = skb->ingress_ifindex;

#ifndef SW_OLD
    if (SW_TRANSLATES && skb->cb[0] == SW_GATE_MARK)
        return 0;
#endif
    return in && bpf_map_lookup_elem(&watched, &in);
}

/* It came in at an inner interface of a gateway: it was not tracked there, if it is of a service. */
static __always_inline int sw_left_to_egress(struct __sk_buff *skb)
{
#ifdef SW_OLD
    (void)skb;
    return 0;
#else
    return SW_IS_INNER(skb->ingress_ifindex);
#endif
}

/*
 * Both ends of a connection over loopback are this host's, and its segments are tracked as they come in, where their
 * sockets are not known. Here they are sent. A SYN has no flow yet: its sender is known by its next segment.
 */
static __always_inline void sw_loopback_owner(struct __sk_buff *skb, struct sw_scratch *sc)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    struct sw_owner o;

    sw_scratch_reset(sc);
    if (sw_parse(data, end, skb->len, 0, &sc->key, &sc->seg, &sc->at) != SW_FOUND_TCP)
        return;
    sw_owner_read(skb, sc, &o);
    if (o.cookie)
        sw_owner_give(o.cookie, o.cgroup);
}

SEC("tc")
int sw_egress(struct __sk_buff *skb)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    enum sw_found found;
    void *data, *end;
    struct sw_seg *s;
    long linear;
    int seen;

    if (!sc)
        return TC_ACT_UNSPEC;
    if (cfg.owners && cfg.loopback && skb->ifindex == cfg.loopback) {
        sw_loopback_owner(skb, sc);
        return TC_ACT_UNSPEC;
    }
    s = &sc->seg;
    sw_count(SW_C_PACKETS);
    seen = sw_seen_on_ingress(skb);
    if (seen && !sw_left_to_egress(skb)) {
        sw_count(SW_C_FORWARDED_TWICE);
        return TC_ACT_UNSPEC;
    }
    sw_opaque(seen); /* for the verifier both are one path from here on */
    if (sw_is_filtered_early(sc, (void *)(long)skb->data, (void *)(long)skb->data_end))
        return TC_ACT_UNSPEC;
    data = (void *)(long)skb->data;
    end = (void *)(long)skb->data_end;
    linear = end - data;
    if (linear < 256 && linear < (long)skb->len) { /* headers may be beyond the linear part */
        bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
        data = (void *)(long)skb->data;
        end = (void *)(long)skb->data_end;
    }
    if (cfg.decap)
        sw_decap_skb(skb);
    sw_scratch_reset(sc);
    if (skb->vlan_present)
        sw_vlan_add(s->vlan, skb->vlan_tci);
    found = sw_parse(data, end, skb->len, cfg.decap ? &sc->inner : 0, &sc->key, s, &sc->at);
    sw_count_found(found);
    if (found != SW_FOUND_TCP)
        return TC_ACT_UNSPEC;
#ifndef SW_OLD
    if (seen && !sw_is_of_service(sc)) {
        sw_count(SW_C_FORWARDED_TWICE);
        return TC_ACT_UNSPEC;
    }
#endif
    if (s->frag)
        sw_count(SW_C_FRAG_FIRST);
    s->cap = s->len;
    s->ifindex = skb->ifindex;
    s->sent = 1;
    s->local = !skb->ingress_ifindex && (!sc->at.tunnel || skb->sk); /* a tunnel forgets where a packet came in */
    s->forwarded = !s->local;
    s->hook = cfg.replay ? SW_HOOK_REPLAY : SW_HOOK_TC_EGRESS;
    if (skb->gso_segs > 1) { /* as it will be on the wire: each segment carries the headers again */
        s->pkts = skb->gso_segs;
        s->ip_bytes += (s->pkts - 1) * (s->ip_bytes - s->len);
    }
    if (cfg.guard && !cfg.gateway && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        sw_known_set(&sc->key, !s->src_is_b); /* this host opens a connection: replies have a socket */
    if (sw_is_filtered(sc, sc->early) || sw_track_fast(&sc->key, s))
        return TC_ACT_UNSPEC;
    s->reply = s->local && sw_sender_of(skb) < SW_SENDER_CONNECTION;
    if (cfg.owners)
        sw_owner_before(skb, sc);
    sw_track_segment(sc, data, end);
    if (cfg.owners)
        sw_owner_after(skb, sc);
#ifndef SW_OLD
    if (cfg.guard) {
        if (sc->emit.claim)
            sw_account_claimed();
        sw_account_egress(skb, sc);
    }
#endif
    return TC_ACT_UNSPEC;
}

/*
 * Sweeps one flow, for kernels where sw_sweep cannot: the packet is an empty Ethernet header and the flow's key.
 * Returns 1 if it is still there, else 0.
 */
SEC("tc")
int sw_expire(struct __sk_buff *skb)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

    if (!SW_HAS(data, 14 + sizeof(struct sw_key), end))
        return 0;
    return sw_sweep_key(data + 14);
}

#ifndef SW_OLD
SEC("syscall")
int sw_sweep(void *ctx)
{
    __u64 held_back = sw_filter_sweep();

    (void)ctx;
    sw_sweep_all();
    sweep.held_back += held_back;
    return 0;
}

/* Evaluates every service, for times without SYNs, and what the daemon has read of sockets. */
SEC("syscall")
int sw_detect(void *ctx)
{
    (void)ctx;
    sw_account_sockets();
    return sw_detect_all();
}

/* --gateway translate: tc ingress of the outer device, */
SEC("tc")
int sw_gateway_in(struct __sk_buff *skb)
{
    return sw_gate_in(skb);
}

/* its tc egress, before sw_egress, */
SEC("tc")
int sw_gateway_out(struct __sk_buff *skb)
{
    return sw_gate_out(skb);
}

/* and its table. */
SEC("syscall")
int sw_gateway_sweep(void *ctx)
{
    (void)ctx;
    sw_gate_sweep();
    return 0;
}

#ifdef SW_NO_KFUNC
SEC("tc")
int sw_accept(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}
#else
/* tc ingress: a cookie that sw_xdp_guard found valid becomes a request socket of the listener. */
SEC("tc")
int sw_accept(struct __sk_buff *skb)
{
    struct sw_seg s = {.pkts = 1, .wscale = SW_WSCALE_NONE};
    struct sw_guard_ctx j = {0};
    struct sw_inner bare = {.found = SW_FOUND_TCP}, *ip = 0; /* from the IP header on */
    struct sw_place at = {0};
    void *data, *end;
    struct sw_key k;

    if (!sw_meta_is_set(skb))
        return TC_ACT_UNSPEC;
    bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
    if (sw_link_header_lost(skb))
        ip = &bare;
    bare.ip_type = sw_ntohs(skb->protocol);
    data = (void *)(long)skb->data;
    end = (void *)(long)skb->data_end;
    if (sw_parse(data, end, skb->len, ip, &k, &s, &at) != SW_FOUND_TCP ||
        (s.flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
        return TC_ACT_UNSPEC;
    j.service = sw_service_of(&k, !s.src_is_b);
    if (!j.service)
        return TC_ACT_UNSPEC;
    j.ip_off = at.ip;
    j.tcp_off = at.tcp;
    j.opt_len = at.opt_len;
    j.v6 = at.v6;
    return sw_accept_cookie(skb, &k, &s, &j) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}
#endif
#endif
