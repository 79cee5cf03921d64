/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a reply over the frame that it answers: the Ethernet addresses are swapped, VLAN tags are kept, then follow a
 * plain IP header and TCP with up to five words of options. Payload is cut off.
 */
#ifndef SW_BPF_GUARD_REPLY_H
#define SW_BPF_GUARD_REPLY_H

#include "packet/parse.h"

#define SW_MIN_FRAME 60
#define SW_REPLY_OFF 70  /* --decap skips at most this many bytes of tags */
#define SW_REPLY_WORDS 5 /* MSS, SACK permitted and timestamps (3), window scale */

#define SW_HOPS_MAX 255 /* a peer that sends it may ask for it (RFC 5082) */

struct sw_reply {
    __u32 ip_off; /* of the IP header in the frame */
    __u32 seq, ack;
    __u16 flags; /* SW_TCP_* */
    __u16 win;
    __be32 word[SW_REPLY_WORDS];
    __u32 words;
    __be16 sport, dport; /* of the received packet */
    __u8 hops;           /* TTL or hop limit, unless SW_HOPS_MAX is answered */
    __u8 pad[3];
    __u32 src[4], dst[4]; /* of the received packet; IPv4 in word 3 */
};

static __always_inline __u16 sw_fold64(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)sum;
}

static __always_inline void sw_swap_macs(void *data)
{
    __u16 *m = data;

    for (int i = 0; i < 3; i++) {
        __u16 x = m[i];

        m[i] = m[i + 3];
        m[i + 3] = x;
    }
}

/* Writes TCP header and options at t; sum is that of the pseudo-header's addresses. False: the frame is too short. */
static __always_inline int sw_reply_tcp(struct sw_reply *r, struct sw_tcp *t, void *end, __u64 sum)
{
    __u32 words = r->words;
    __be32 *o = (__be32 *)(t + 1);
    __be32 ports, line;

    if (!SW_HAS(t, sizeof(*t), end))
        return 0;
    t->sport = r->dport;
    t->dport = r->sport;
    t->seq = bpf_htonl(r->seq);
    t->ack = bpf_htonl(r->ack);
    t->bits = bpf_htons((__u16)((5 + words) << 12 | r->flags));
    t->win = bpf_htons(r->win);
    t->check = 0;
    t->urg = 0;
    ports = *(__be32 *)t;
    line = ((__be32 *)t)[3];
    sum += (__u64)ports + t->seq + t->ack + line + bpf_htonl((__u32)SW_IP_TCP << 16 | (20 + words * 4));
    for (__u32 i = 0; i < SW_REPLY_WORDS; i++) {
        if (i >= words)
            break;
        if (!SW_HAS(o + i, 4, end))
            return 0;
        o[i] = r->word[i];
        sum += r->word[i];
    }
    t->check = (__u16)~sw_fold64(sum);
    return 1;
}

/* Cuts the frame to len, or to Ethernet's minimum, padded with zeros. */
static __always_inline void sw_reply_trim(struct xdp_md *ctx, void *data, void *end, __u32 len)
{
    __u32 have = (__u32)bpf_xdp_get_buff_len(ctx), want = len < SW_MIN_FRAME ? SW_MIN_FRAME : len;

    if (len < SW_MIN_FRAME) {
        __u8 *p = (__u8 *)data + len;

        for (__u32 i = 0; i < 6; i++) { /* a plain packet is 54 bytes at least */
            if (len + i >= SW_MIN_FRAME || !SW_HAS(p + i, 1, end))
                break;
            p[i] = 0;
        }
    }
    if (have > want)
        bpf_xdp_adjust_tail(ctx, (int)want - (int)have);
}

static __always_inline int sw_reply4_write(struct xdp_md *ctx, struct sw_reply *r)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 off, len;
    struct sw_ip4 *ip;
    __u64 sum;

    off = r->ip_off;
    sw_opaque(off);
    if (off < 14 || off > SW_REPLY_OFF)
        return 0;
    ip = data + off;
    if (!SW_HAS(data, 14, end) || !SW_HAS(ip, sizeof(*ip), end))
        return 0;
    if (!sw_reply_tcp(r, (struct sw_tcp *)(ip + 1), end, (__u64)r->src[3] + r->dst[3]))
        return 0;
    len = 40 + r->words * 4;
    *(__be32 *)ip = bpf_htonl(0x45000000u | len);
    ((__be32 *)ip)[1] = bpf_htonl(0x4000); /* id 0, don't fragment */
    ip->ttl = ip->ttl == SW_HOPS_MAX ? SW_HOPS_MAX : r->hops;
    ip->proto = SW_IP_TCP;
    ip->check = 0;
    ip->src = r->dst[3];
    ip->dst = r->src[3];
    sum = (__u64)r->src[3] + r->dst[3] + bpf_htonl(0x45000000u | len) + bpf_htonl(0x4000) + ((__be32 *)ip)[2];
    ip->check = (__u16)~sw_fold64(sum);
    sw_swap_macs(data);
    sw_reply_trim(ctx, data, end, off + len);
    return 1;
}

static __always_inline int sw_reply6_write(struct xdp_md *ctx, struct sw_reply *r)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 off, len;
    struct sw_ip6 *ip;
    __u64 sum = 0;

    off = r->ip_off;
    sw_opaque(off);
    if (off < 14 || off > SW_REPLY_OFF)
        return 0;
    ip = data + off;
    if (!SW_HAS(data, 14, end) || !SW_HAS(ip, sizeof(*ip), end))
        return 0;
    for (int i = 0; i < 4; i++)
        sum += (__u64)r->src[i] + r->dst[i];
    if (!sw_reply_tcp(r, (struct sw_tcp *)(ip + 1), end, sum))
        return 0;
    len = 20 + r->words * 4;
    ip->ver_flow = bpf_htonl(6u << 28);
    ip->len = bpf_htons((__u16)len);
    ip->next = SW_IP_TCP;
    ip->hops = ip->hops == SW_HOPS_MAX ? SW_HOPS_MAX : r->hops;
    for (int i = 0; i < 4; i++) {
        ip->src[i] = r->dst[i];
        ip->dst[i] = r->src[i];
    }
    sw_swap_macs(data);
    sw_reply_trim(ctx, data, end, off + 40 + len);
    return 1;
}

SW_STEP int sw_reply4(struct xdp_md *ctx, struct sw_reply *r)
{
    return r ? sw_reply4_write(ctx, r) : 0;
}

SW_STEP int sw_reply6(struct xdp_md *ctx, struct sw_reply *r)
{
    return r ? sw_reply6_write(ctx, r) : 0;
}

#endif
