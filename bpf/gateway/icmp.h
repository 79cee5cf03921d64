/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about what a backend has sent: the number in the embedded header is the client's space, and the backend
 * would take it for none of its own (RFC 5927), so that it never learns a smaller MTU. What comes the other way needs
 * nothing: the client's numbers are the same in both.
 */
#ifndef SW_BPF_GATEWAY_ICMP_H
#define SW_BPF_GATEWAY_ICMP_H

#include "gateway/entry.h"

enum { SW_IP_ICMP = 1, SW_IP_ICMP6 = 58 };

/* Where the embedded IP header is, 0: it is no error about a packet. */
static __always_inline __u32 sw_gate_icmp_inner(struct __sk_buff *skb, const struct sw_gate *w, __u32 *ret_sum)
{
    __u32 at;
    __u8 b;

    if (bpf_skb_load_bytes(skb, w->ip, &b, 1))
        return 0;
    if (b >> 4 == 6) {
        if (bpf_skb_load_bytes(skb, w->ip + 6, &b, 1) || b != SW_IP_ICMP6)
            return 0;
        at = w->ip + 40;
        if (bpf_skb_load_bytes(skb, at, &b, 1) || b < 1 || b > 4)
            return 0;
    } else {
        at = w->ip + (b & 15) * 4;
        if (bpf_skb_load_bytes(skb, w->ip + 9, &b, 1) || b != SW_IP_ICMP)
            return 0;
        if (bpf_skb_load_bytes(skb, at, &b, 1) || (b != 3 && b != 11 && b != 12))
            return 0;
    }
    *ret_sum = at + 2;
    return at + 8;
}

/* The four-tuple of the embedded segment, and where its TCP header is; 0: none. */
static __always_inline __u32 sw_gate_icmp_key(struct __sk_buff *skb, struct sw_gate *w, __u32 at)
{
    __u8 b, proto;
    __be16 ports[2];
    __u32 tcp;

    if (bpf_skb_load_bytes(skb, at, &b, 1))
        return 0;
    if (b >> 4 == 6) {
        tcp = at + 40;
        if (bpf_skb_load_bytes(skb, at + 6, &proto, 1) || bpf_skb_load_bytes(skb, at + 8, w->key.server, 16) ||
            bpf_skb_load_bytes(skb, at + 24, w->key.client, 16))
            return 0;
    } else {
        tcp = at + (b & 15) * 4;
        __builtin_memset(w->key.server, 0, 10);
        __builtin_memset(w->key.client, 0, 10);
        w->key.server[10] = w->key.server[11] = w->key.client[10] = w->key.client[11] = 0xff;
        if (bpf_skb_load_bytes(skb, at + 9, &proto, 1) || bpf_skb_load_bytes(skb, at + 12, w->key.server + 12, 4) ||
            bpf_skb_load_bytes(skb, at + 16, w->key.client + 12, 4))
            return 0;
    }
    if (proto != SW_IP_TCP || bpf_skb_load_bytes(skb, tcp, ports, 4))
        return 0;
    w->key.sport = ports[0];
    w->key.cport = ports[1];
    return tcp;
}

SW_STEP int sw_gate_icmp(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_gate *w = sw_gate_get();
    __u32 sum = 0, inner, tcp, was, now;
    struct sw_xlate *x;

    if (!st || !w || !SW_READ_ONCE(st->entries))
        return TC_ACT_UNSPEC;
    inner = sw_gate_icmp_inner(skb, w, &sum);
    tcp = inner ? sw_gate_icmp_key(skb, w, inner) : 0;
    x = tcp ? bpf_map_lookup_elem(&xlate, &w->key) : 0;
    if (!x || (x->state != SW_X_ESTABLISHED && x->state != SW_X_CLOSING) || bpf_skb_load_bytes(skb, tcp + 4, &was, 4))
        return TC_ACT_UNSPEC;
    now = bpf_htonl(bpf_ntohl(was) - x->delta);
    if (bpf_skb_store_bytes(skb, tcp + 4, &now, 4, 0) || bpf_l4_csum_replace(skb, sum, was, now, 4))
        return sw_gate_failed(w);
    sw_gate_report(w, SW_GC_ICMP);
    return TC_ACT_UNSPEC;
}

#endif
