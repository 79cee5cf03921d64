/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames at the tc hooks of the outer device: what the gateway knows of the current one, and how it is written.
 * A checksum may be complete, or the pseudo-header's sum alone that a device finishes (veth, tap, offload), and the
 * kernel may hold the sum of the whole frame: what is changed in place goes through its helper, which knows.
 */
#ifndef SW_BPF_GATEWAY_FRAME_H
#define SW_BPF_GATEWAY_FRAME_H

#include "gateway/head.h"
#include "guard/backend.h"
#include "guard/tc_accept.h"

#include <linux/pkt_cls.h>

#define SW_GATE_HOPS 64    /* TTL and hop limit of what is made */
#define SW_GATE_LINEAR 256 /* bytes that are to be in the first part of a packet */
#define SW_GATE_PROBE 0x1234

struct sw_gate {
    struct sw_xlate_key key;
    __u32 ip; /* offsets in the frame */
    __u32 tcp;
    __u32 v6;
    struct sw_xlate fresh;
    struct sw_head was, head;
    __u32 sum_words[10]; /* an IPv6 header */
    __u8 mac[12];
    struct sw_gate_place place;
    __u32 accepted; /* its cookie is good, sw_xdp_guard says */
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_gate);
} gate_scratch SEC(".maps");

static __always_inline struct sw_gate *sw_gate_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&gate_scratch, &zero);
}

/* Counts what has happened to the packet in scratch, and reports it. */
static __always_inline void sw_gate_report(struct sw_gate *w, __u32 what)
{
    w->place.what = what;
    sw_gateway_report(&w->key, &w->place);
}

/* It could not be rewritten. */
static __always_inline int sw_gate_failed(struct sw_gate *w)
{
    sw_gate_report(w, SW_GC_FAILED);
    return TC_ACT_SHOT;
}

/* Is it a plain TCP packet to (from) a port of no service? Then nothing more of it is looked at. Nor of one from a
 * service, if there are no entries, but a SYN-ACK. */
static __always_inline int sw_gate_is_foreign(void *data, void *end, __u32 out, __u32 entries)
{
    struct sw_eth *eth = data;
    struct sw_ip4 *ip4 = (struct sw_ip4 *)(eth + 1);
    struct sw_ip6 *ip6 = (struct sw_ip6 *)(eth + 1);
    struct sw_tcp *t;
    __u32 port, *first;

    if (!SW_HAS(eth, 54, end))
        return 0;
    if (eth->type == bpf_htons(SW_ETH_IP4) && ip4->ver_ihl == 0x45) {
        if (ip4->proto != SW_IP_TCP)
            return out || ip4->proto != 1;
        t = (struct sw_tcp *)(ip4 + 1);
    } else if (eth->type == bpf_htons(SW_ETH_IP6)) {
        if (ip6->next != SW_IP_TCP)
            return ip6->next == SW_IP_UDP;
        t = (struct sw_tcp *)(ip6 + 1);
        if (!SW_HAS(t, 20, end))
            return 0;
    } else {
        return 0;
    }
    if (out && !entries && (bpf_ntohs(t->bits) & (SW_TCP_SYN | SW_TCP_ACK)) != (SW_TCP_SYN | SW_TCP_ACK))
        return 1;
    port = bpf_ntohs(out ? t->sport : t->dport);
    first = bpf_map_lookup_elem(&svc_ports, &port);
    return first && !*first;
}

/* Could it begin with an IP header? Of most Ethernet addresses it could not, and the question below is saved. */
SW_STEP int sw_gate_has_no_link(struct __sk_buff *skb)
{
    const __u8 *first = (void *)(long)skb->data;

    if (!SW_HAS(first, 1, (void *)(long)skb->data_end) || (*first >> 4 != 4 && *first >> 4 != 6))
        return 0;
    return sw_link_header_lost(skb);
}

/* Parses the frame into scratch, and the key from the service's side. */
static __always_inline enum sw_found sw_gate_parse(struct __sk_buff *skb, struct sw_scratch *sc, struct sw_gate *w,
                                                   __u32 out)
{
    struct sw_inner bare = {.found = SW_FOUND_TCP}, *ip = 0;
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    long linear = end - data;
    enum sw_found found;
    __u32 server_is_b;

    if (linear < SW_GATE_LINEAR && linear < (long)skb->len) {
        bpf_skb_pull_data(skb, skb->len < SW_GATE_LINEAR ? skb->len : SW_GATE_LINEAR);
        data = (void *)(long)skb->data;
        end = (void *)(long)skb->data_end;
    }
    if (!out && sw_gate_has_no_link(skb)) {
        ip = &bare;
        data = (void *)(long)skb->data;
        end = (void *)(long)skb->data_end;
    }
    bare.ip_type = bpf_ntohs((__u16)skb->protocol);
    __builtin_memset(&sc->seg, 0, sizeof(sc->seg));
    __builtin_memset(&sc->at, 0, sizeof(sc->at));
    found = sw_parse(data, end, skb->len, ip, &sc->key, &sc->seg, &sc->at);
    w->ip = sc->at.ip;
    w->tcp = sc->at.tcp;
    w->v6 = sc->at.v6;
    w->place.hook = out ? SW_HOOK_TC_EGRESS : SW_HOOK_XDP_INGRESS;
    w->place.ifindex = skb->ifindex;
    w->place.grants = 0;
    if (found != SW_FOUND_TCP)
        return found;
    server_is_b = out ? sc->seg.src_is_b : !sc->seg.src_is_b;
    __builtin_memcpy(w->key.server, server_is_b ? sc->key.b_ip : sc->key.a_ip, 16);
    __builtin_memcpy(w->key.client, server_is_b ? sc->key.a_ip : sc->key.b_ip, 16);
    w->key.sport = server_is_b ? sc->key.b_port : sc->key.a_port;
    w->key.cport = server_is_b ? sc->key.a_port : sc->key.b_port;
    return found;
}

/* Copies the TCP header into scratch. */
static __always_inline int sw_gate_load(struct __sk_buff *skb, struct sw_gate *w, __u32 len)
{
    __builtin_memset(&w->head, 0, sizeof(w->head));
    if (len < SW_HEAD_OPTIONS || len > SW_HEAD_MOST)
        return -1;
    if (bpf_skb_load_bytes(skb, w->tcp, w->head.byte, sw_length(len, SW_HEAD_ROOM)))
        return -1;
    w->head.len = len;
    __builtin_memcpy(w->was.byte, w->head.byte, sizeof(w->was.byte));
    return 0;
}

/* Writes it back, translated, with the same length. */
static __always_inline int sw_gate_store(struct __sk_buff *skb, struct sw_gate *w)
{
    __u32 len = w->head.len, sum;

    sum = (__u32)bpf_csum_diff(w->was.word, SW_HEAD_ROOM, w->head.word, SW_HEAD_ROOM, 0);
    if (bpf_skb_store_bytes(skb, w->tcp, w->head.byte, sw_length(len, SW_HEAD_ROOM), 0))
        return -1;
    return bpf_l4_csum_replace(skb, w->tcp + 2 * SW_HEAD_CHECK, 0, sum, 0) ? -1 : 0;
}

/* The IP header's length becomes `len` bytes from the TCP header on; TTL that of a packet that is made here. */
static __always_inline int sw_gate_put_ip(struct __sk_buff *skb, struct sw_gate *w, __u32 len)
{
    __u16 was, now;

    if (w->v6) {
        __u8 hops = SW_GATE_HOPS;

        now = bpf_htons((__u16)(w->tcp - w->ip - 40 + len));
        return bpf_skb_store_bytes(skb, w->ip + 4, &now, 2, 0) || bpf_skb_store_bytes(skb, w->ip + 7, &hops, 1, 0);
    }
    now = bpf_htons((__u16)(w->tcp - w->ip + len));
    if (bpf_skb_load_bytes(skb, w->ip + 2, &was, 2) || bpf_l3_csum_replace(skb, w->ip + 10, was, now, 2) ||
        bpf_skb_store_bytes(skb, w->ip + 2, &now, 2, 0))
        return -1;
    if (bpf_skb_load_bytes(skb, w->ip + 8, &was, 2)) /* TTL and protocol */
        return -1;
    now = bpf_htons(SW_GATE_HOPS << 8 | SW_IP_TCP);
    return bpf_l3_csum_replace(skb, w->ip + 10, was, now, 2) || bpf_skb_store_bytes(skb, w->ip + 8, &now, 2, 0);
}

static __always_inline __u64 sw_gate_pseudo(const struct sw_gate *w, __u32 len)
{
    const __u32 *a = (const __u32 *)w->key.client, *b = (const __u32 *)w->key.server;
    __u64 sum = bpf_htonl((__u32)SW_IP_TCP << 16 | len);

    for (int i = 0; i < 4; i++)
        if (w->v6 || i == 3)
            sum += (__u64)a[i] + b[i];
    return sum;
}

/*
 * The kernel may hold the sum of everything behind the link header, which a new header makes wrong. That of a packet
 * with right checksums is known: an IPv4 header is 0, and TCP what its pseudo-header lacks.
 */
static __always_inline void sw_gate_put_sum(struct __sk_buff *skb, struct sw_gate *w, __u64 pseudo)
{
    __s64 have = bpf_csum_update(skb, 0);
    __u64 want;

    if (have < 0)
        return;
    want = (__u16)~sw_fold64(pseudo);
    if (w->v6) {
        if (bpf_skb_load_bytes(skb, w->ip, w->sum_words, sizeof(w->sum_words)))
            return;
        for (int i = 0; i < 10; i++)
            want += w->sum_words[i];
    }
    want = sw_fold64(want + (__u32) ~(__u32)have);
    bpf_csum_update(skb, (__u32)want);
}

/*
 * The frame becomes another segment, without payload, whose header is in scratch. Does a device finish its checksum?
 * Only the kernel's helper knows: it leaves the field as it is then.
 */
SW_STEP int sw_gate_put(struct __sk_buff *skb)
{
    struct sw_gate *w = sw_gate_get();
    __u16 check = SW_GATE_PROBE;
    __u32 len, at, sum;
    __u64 pseudo;

    if (!w)
        return -1;
    len = w->head.len;
    at = w->tcp + 2 * SW_HEAD_CHECK;
    if (len < SW_HEAD_OPTIONS || len > SW_HEAD_MOST)
        return -1;
    if (skb->len != w->tcp + len && bpf_skb_change_tail(skb, w->tcp + len, 0))
        return -1;
    if (sw_gate_put_ip(skb, w, len))
        return -1;
    w->head.half[SW_HEAD_CHECK] = 0;
    sum = (__u32)bpf_csum_diff(0, 0, w->head.word, SW_HEAD_ROOM, 0);
    pseudo = sw_gate_pseudo(w, len);
    w->head.half[SW_HEAD_CHECK] = SW_GATE_PROBE;
    if (bpf_skb_store_bytes(skb, w->tcp, w->head.byte, sw_length(len, SW_HEAD_ROOM), 0) ||
        bpf_l4_csum_replace(skb, at, 0, 1, 0) || bpf_skb_load_bytes(skb, at, &check, 2))
        return -1;
    check = check == SW_GATE_PROBE ? sw_fold64(pseudo) : (__u16)~sw_fold64(pseudo + sum);
    if (bpf_skb_store_bytes(skb, at, &check, 2, 0))
        return -1;
    sw_gate_put_sum(skb, w, pseudo);
    return 0;
}

/* Sender and receiver change places: Ethernet and IP addresses. No sum changes by that. */
SW_STEP int sw_gate_turn(struct __sk_buff *skb)
{
    struct sw_gate *w = sw_gate_get();
    __u32 ip[8];
    __u8 mac[12];

    if (!w || w->ip < 14)
        return -1;
    if (bpf_skb_load_bytes(skb, 0, w->mac, 12))
        return -1;
    __builtin_memcpy(mac, w->mac + 6, 6);
    __builtin_memcpy(mac + 6, w->mac, 6);
    if (bpf_skb_store_bytes(skb, 0, mac, 12, 0))
        return -1;
    if (w->v6) {
        if (bpf_skb_load_bytes(skb, w->ip + 8, ip, 32))
            return -1;
        return bpf_skb_store_bytes(skb, w->ip + 8, ip + 4, 16, 0) || bpf_skb_store_bytes(skb, w->ip + 24, ip, 16, 0)
                   ? -1
                   : 0;
    }
    if (bpf_skb_load_bytes(skb, w->ip + 12, ip, 8))
        return -1;
    return bpf_skb_store_bytes(skb, w->ip + 12, ip + 1, 4, 0) || bpf_skb_store_bytes(skb, w->ip + 16, ip, 4, 0) ? -1
                                                                                                                : 0;
}

#endif
