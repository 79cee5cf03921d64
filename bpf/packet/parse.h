/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From frame to segment. The parser checks bounds before it advances and returns what it found, never a protocol number
 * or an action. Pure: compiles on the host, for any [data, end).
 *
 *   Ethernet | VLAN | VLAN | IPv4 + options            | TCP
 *                          | IPv6 + extension headers  |
 *   with decap: E-tags, PPPoE, MPLS, GRE, ERSPAN, VXLAN, Geneve, GTP-U, IP in IP between them, up to SW_LAYERS headers
 */
#ifndef SW_BPF_PACKET_PARSE_H
#define SW_BPF_PACKET_PARSE_H

#include "packet/segment.h"

#define SW_VLANS 2      /* tags without decap; more is ext_limit */
#define SW_LAYERS 14    /* headers that decap walks */
#define SW_EXTS 8       /* IPv6 extension headers walked */
#define SW_OFF_MAX 1024 /* an IP header further in is ext_limit */

enum sw_found {
    SW_FOUND_TCP,
    SW_FOUND_NOT_IP,
    SW_FOUND_NOT_TCP,
    SW_FOUND_FRAG_LATER,
    SW_FOUND_TRUNCATED,
    SW_FOUND_BAD_HEADER,
    SW_FOUND_EXT_LIMIT,
};

/* Offsets into the frame, beside the contents of struct sw_seg and struct sw_key. */
struct sw_place {
    __u32 ip;      /* IP header */
    __u32 tcp;     /* TCP header */
    __u32 tcp_len; /* header and payload, by the IP header */
    __u32 opt_len; /* option bytes, 0 to 40 */
    __u32 v6;
    __u32 tunnel; /* the IP header is not the frame's first, or not right behind Ethernet and VLAN tags */
};

/*
 * The state of the walk through tunnels (tunnel.h), and where parsing continues. The BPF programs keep it in a map
 * value: the verifier knows nothing about values read from there, so all paths to a step are one state.
 */
struct sw_inner {
    __u32 off;     /* where the next header is */
    __u32 next;    /* what it is: an EtherType, or SW_L_* */
    __u32 ip_off;  /* the innermost IP header so far */
    __u32 ip_type; /* SW_ETH_IP4, SW_ETH_IP6, or the EtherType that was not followed */
    __u16 vlan[2];
    __u32 found;  /* enum sw_found */
    __u32 tunnel; /* something other than VLAN tags was skipped */
};

struct sw_eth {
    __u8 dst[6], src[6];
    sw_wire16 type;
};
struct sw_vlan {
    sw_wire16 tci, type;
};
struct sw_ip4 {
    __u8 ver_ihl, tos;
    sw_wire16 len, id, frag;
    __u8 ttl, proto;
    sw_wire16 check;
    sw_wire32 src, dst;
};
struct sw_ip6 {
    sw_wire32 ver_flow;
    sw_wire16 len;
    __u8 next, hops;
    sw_wire32 src[4], dst[4];
};
struct sw_tcp {
    sw_wire16 sport, dport;
    sw_wire32 seq, ack;
    sw_wire16 bits; /* data offset, reserved, flags */
    sw_wire16 win, check, urg;
};

enum {
    SW_ETH_IP4 = 0x0800,
    SW_ETH_VLAN = 0x8100,
    SW_ETH_QINQ = 0x88a8,
    SW_ETH_QINQ_OLD = 0x9100,
    SW_ETH_IP6 = 0x86dd,
    SW_ETH_MPLS = 0x8847,
    SW_ETH_MPLS_MC = 0x8848,
    SW_ETH_PPPOE = 0x8864,
    SW_ETH_ETAG = 0x893f,   /* IEEE 802.1BR */
    SW_ETH_ERSPAN = 0x88be, /* in GRE: type I without a sequence number, II with one */
    SW_ETH_ERSPAN3 = 0x22eb,
    SW_ETH_TEB = 0x6558, /* transparent Ethernet bridging, in GRE and Geneve */
};

enum {
    SW_IP_HOPOPT = 0,
    SW_IP_IP4 = 4,
    SW_IP_TCP = 6,
    SW_IP_UDP = 17,
    SW_IP_IP6 = 41,
    SW_IP_ROUTING = 43,
    SW_IP_FRAGMENT = 44,
    SW_IP_GRE = 47,
    SW_IP_AH = 51,
    SW_IP_DSTOPTS = 60,
    SW_IP_MOBILITY = 135,
    SW_IP_HIP = 139,
    SW_IP_SHIM6 = 140,
};

#define SW_HAS(p, n, end) ((void *)((__u8 *)(p) + (n)) <= (end))

static __always_inline int sw_is_vlan(__u16 type)
{
    return type == SW_ETH_VLAN || type == SW_ETH_QINQ || type == SW_ETH_QINQ_OLD;
}

static __always_inline void sw_vlan_add(__u16 vlan[2], __u16 tci)
{
    /* 0 means untagged, so a priority tag (id 0) is not distinguished from none */
    if (!vlan[0])
        vlan[0] = tci & 0xfff;
    else if (!vlan[1])
        vlan[1] = tci & 0xfff;
}

/* a before b: address first, then port, as bytes on the wire */
static __always_inline int sw_port_after(__be16 a, __be16 b)
{
    return sw_ntohs(a) > sw_ntohs(b);
}

static __always_inline void sw_key4(struct sw_key *k, struct sw_seg *s, __be32 src, __be32 dst, __be16 sp, __be16 dp)
{
    __u32 *a = (__u32 *)k->a_ip, *b = (__u32 *)k->b_ip;
    int b_first = sw_ntohl(src) > sw_ntohl(dst) || (src == dst && sw_port_after(sp, dp));

    s->src_is_b = b_first;
    a[0] = a[1] = b[0] = b[1] = 0;
    a[2] = b[2] = sw_ntohl(0xffff);
    a[3] = b_first ? dst : src;
    b[3] = b_first ? src : dst;
    k->a_port = b_first ? dp : sp;
    k->b_port = b_first ? sp : dp;
}

static __always_inline void sw_key6(struct sw_key *k, struct sw_seg *s, const sw_wire32 *src, const sw_wire32 *dst,
                                    __be16 sp, __be16 dp)
{
    __u32 *a = (__u32 *)k->a_ip, *b = (__u32 *)k->b_ip;
    int cmp = 0;

    for (int i = 0; i < 4; i++)
        if (!cmp && src[i] != dst[i])
            cmp = sw_ntohl(src[i]) > sw_ntohl(dst[i]) ? 1 : -1;
    if (!cmp)
        cmp = sw_port_after(sp, dp) ? 1 : -1;
    s->src_is_b = cmp > 0;
    for (int i = 0; i < 4; i++) {
        a[i] = cmp > 0 ? dst[i] : src[i];
        b[i] = cmp > 0 ? src[i] : dst[i];
    }
    k->a_port = cmp > 0 ? dp : sp;
    k->b_port = cmp > 0 ? sp : dp;
}

/* The TCP header at `t`; l4_len is what the IP header gives it. frag: a first fragment. */
static __always_inline enum sw_found sw_parse_tcp(struct sw_tcp *t, void *data, void *end, __u32 frame_len,
                                                  __u32 l4_len, struct sw_seg *s, struct sw_place *at)
{
    __u32 bits, hdr, there;

    if (!SW_HAS(t, sizeof(*t), end))
        return SW_FOUND_TRUNCATED;
    bits = sw_ntohs(t->bits);
    hdr = (bits >> 12) * 4;
    if (hdr < sizeof(*t) || l4_len < hdr)
        return SW_FOUND_BAD_HEADER;
    at->tcp = (__u32)((__u8 *)t - (__u8 *)data);
    at->tcp_len = l4_len;
    at->opt_len = hdr - sizeof(*t);
    s->flags = bits & 0x1ff;
    s->seq = sw_ntohl(t->seq);
    s->ack = sw_ntohl(t->ack);
    s->win = sw_ntohs(t->win);
    s->len = l4_len - hdr;
    there = frame_len > at->tcp + hdr ? frame_len - at->tcp - hdr : 0;
    s->cap = there < s->len ? there : s->len;
    return SW_FOUND_TCP;
}

static __always_inline enum sw_found sw_parse_ip4(void *ip, void *data, void *end, __u32 frame_len, struct sw_key *k,
                                                  struct sw_seg *s, struct sw_place *at)
{
    struct sw_ip4 *h = ip;
    __u32 ihl, total, frag;
    struct sw_tcp *t;
    enum sw_found found;

    if (!SW_HAS(h, sizeof(*h), end))
        return SW_FOUND_TRUNCATED;
    ihl = (h->ver_ihl & 0xf) * 4;
    total = sw_ntohs(h->len);
    at->ip = (__u32)((__u8 *)h - (__u8 *)data);
    if (!total) /* BIG TCP or a GSO packet before segmentation: use the frame's length */
        total = frame_len - at->ip;
    if ((h->ver_ihl >> 4) != 4 || ihl < sizeof(*h) || total < ihl)
        return SW_FOUND_BAD_HEADER;
    frag = sw_ntohs(h->frag);
    if (h->proto != SW_IP_TCP)
        return SW_FOUND_NOT_TCP;
    if (frag & 0x1fff)
        return SW_FOUND_FRAG_LATER;
    s->frag = !!(frag & 0x2000);
    s->ip_bytes = total;
    t = (struct sw_tcp *)((__u8 *)h + ihl);
    at->v6 = 0;
    found = sw_parse_tcp(t, data, end, frame_len, total - ihl, s, at);
    if (found == SW_FOUND_TCP)
        sw_key4(k, s, h->src, h->dst, t->sport, t->dport);
    return found;
}

/* Walks the extension headers (RFC 8200 section 4). Returns SW_FOUND_TCP with *ret_l4 set, or why not. */
static __always_inline enum sw_found sw_parse_exts(__u8 *pos, __u8 next, void *end, struct sw_seg *s, __u8 **ret_l4)
{
    __u32 fragment_headers = 0;

    for (int i = 0; i < SW_EXTS; i++) {
        if (next == SW_IP_TCP) {
            *ret_l4 = pos;
            return SW_FOUND_TCP;
        }
        if (next == SW_IP_FRAGMENT) {
            __u16 frag;

            if (!SW_HAS(pos, 8, end))
                return SW_FOUND_TRUNCATED;
            frag = (__u16)(pos[2] << 8 | pos[3]);
            next = pos[0];
            if (frag & 0xfff8)
                return next == SW_IP_TCP ? SW_FOUND_FRAG_LATER : SW_FOUND_NOT_TCP;
            /* of nested headers the first one's mark stays, and with two of them the kernel drops the packet */
            s->frag |= (frag & 1) | fragment_headers;
            fragment_headers = 1;
            pos += 8;
        } else if (next == SW_IP_AH) {
            if (!SW_HAS(pos, 8, end))
                return SW_FOUND_TRUNCATED;
            next = pos[0];
            pos += ((__u32)pos[1] + 2) * 4;
        } else if (next == SW_IP_HOPOPT || next == SW_IP_ROUTING || next == SW_IP_DSTOPTS || next == SW_IP_MOBILITY ||
                   next == SW_IP_HIP || next == SW_IP_SHIM6) {
            if (!SW_HAS(pos, 8, end))
                return SW_FOUND_TRUNCATED;
            next = pos[0];
            pos += ((__u32)pos[1] + 1) * 8;
        } else {
            return SW_FOUND_NOT_TCP;
        }
    }
    return SW_FOUND_EXT_LIMIT;
}

static __always_inline enum sw_found sw_parse_ip6(void *ip, void *data, void *end, __u32 frame_len, struct sw_key *k,
                                                  struct sw_seg *s, struct sw_place *at)
{
    struct sw_ip6 *h = ip;
    enum sw_found found;
    __u32 total, used;
    struct sw_tcp *t;
    __u8 *l4;

    if (!SW_HAS(h, sizeof(*h), end))
        return SW_FOUND_TRUNCATED;
    if ((sw_ntohl(h->ver_flow) >> 28) != 6)
        return SW_FOUND_BAD_HEADER;
    at->ip = (__u32)((__u8 *)h - (__u8 *)data);
    total = sw_ntohs(h->len);
    total = total ? total + sizeof(*h) : frame_len - at->ip; /* 0: BIG TCP, or a jumbogram (RFC 2675) */
    found = sw_parse_exts((__u8 *)(h + 1), h->next, end, s, &l4);
    if (found != SW_FOUND_TCP)
        return found;
    t = (struct sw_tcp *)l4;
    used = (__u32)(l4 - (__u8 *)h);
    if (total < used)
        return SW_FOUND_BAD_HEADER;
    s->ip_bytes = total;
    at->v6 = 1;
    found = sw_parse_tcp(t, data, end, frame_len, total - used, s, at);
    if (found == SW_FOUND_TCP)
        sw_key6(k, s, h->src, h->dst, t->sport, t->dport);
    return found;
}

/* Skips the VLAN tags. Returns the IP header, or NULL and *ret_found. */
static __always_inline __u8 *sw_parse_link(void *data, void *end, struct sw_seg *s, __u32 *ret_type,
                                           enum sw_found *ret_found)
{
    struct sw_eth *eth = data;
    __u8 *pos = data;
    __u32 type;

    *ret_found = SW_FOUND_TRUNCATED;
    if (!SW_HAS(eth, sizeof(*eth), end))
        return 0;
    type = sw_ntohs(eth->type);
    pos += sizeof(*eth);
    for (int i = 0; i < SW_VLANS; i++) {
        struct sw_vlan *v = (struct sw_vlan *)pos;

        if (!sw_is_vlan((__u16)type))
            break;
        if (!SW_HAS(v, sizeof(*v), end))
            return 0;
        sw_vlan_add(s->vlan, sw_ntohs(v->tci));
        type = sw_ntohs(v->type);
        pos += sizeof(*v);
    }
    *ret_found = SW_FOUND_EXT_LIMIT;
    if (sw_is_vlan((__u16)type)) {
        struct sw_vlan *v = (struct sw_vlan *)pos;

        if (!SW_HAS(v, sizeof(*v), end) || !(sw_ntohs(v->tci) & 0xfff))
            s->vlan[1] = 0; /* this distinguishes a stack with priority tags */
        return 0;
    }
    *ret_type = type;
    return pos;
}

/*
 * Parses the whole frame. frame_len is its full length, which may be more than end - data (XDP fragments, non-linear
 * skb). *s and *at must be zero, except for a VLAN tag that the hook knows of. inner is NULL, or the result of
 * sw_decap. Returns SW_FOUND_TCP with all of *k, *s and *at filled.
 */
static __always_inline enum sw_found sw_parse(void *data, void *end, __u32 frame_len, const struct sw_inner *inner,
                                              struct sw_key *k, struct sw_seg *s, struct sw_place *at)
{
    enum sw_found found;
    __u32 type;
    __u8 *pos;

    if (inner) {
        __u32 off = inner->ip_off;

        if (inner->found != SW_FOUND_TCP)
            return (enum sw_found)inner->found;
        if (inner->vlan[0])
            sw_vlan_add(s->vlan, inner->vlan[0]);
        if (inner->vlan[1])
            sw_vlan_add(s->vlan, inner->vlan[1]);
        at->tunnel = inner->tunnel;
        type = inner->ip_type;
        sw_opaque(off);
        if (off > SW_OFF_MAX)
            return SW_FOUND_EXT_LIMIT;
        pos = (__u8 *)data + off;
    } else {
        pos = sw_parse_link(data, end, s, &type, &found);
        if (!pos)
            return found;
    }
    if (type == SW_ETH_IP4)
        return sw_parse_ip4(pos, data, end, frame_len, k, s, at);
    if (type == SW_ETH_IP6)
        return sw_parse_ip6(pos, data, end, frame_len, k, s, at);
    return SW_FOUND_NOT_IP;
}

/*
 * What most frames are: Ethernet, then IP without options, extension headers or fragments, then TCP, all of which
 * sw_parse takes, too. Fills the key and s->src_is_b alone. Returns the version of IP, or 0 for every other frame.
 */
static __always_inline int sw_parse_bare(void *data, void *end, struct sw_key *k, struct sw_seg *s)
{
    struct sw_eth *eth = data;
    struct sw_ip4 *ip4 = (struct sw_ip4 *)(eth + 1);
    struct sw_ip6 *ip6 = (struct sw_ip6 *)(eth + 1);
    struct sw_tcp *t = (struct sw_tcp *)(ip4 + 1);
    __u32 hdr;

    if (!SW_HAS(t, sizeof(*t), end))
        return 0;
    if (eth->type == sw_ntohs(SW_ETH_IP4)) {
        hdr = (sw_ntohs(t->bits) >> 12) * 4;
        if (ip4->ver_ihl != 0x45 || ip4->proto != SW_IP_TCP || ip4->frag & sw_ntohs(0x3fff) || hdr < sizeof(*t) ||
            sw_ntohs(ip4->len) < sizeof(*ip4) + hdr)
            return 0;
        sw_key4(k, s, ip4->src, ip4->dst, t->sport, t->dport);
        return 4;
    }
    t = (struct sw_tcp *)(ip6 + 1);
    if (eth->type != sw_ntohs(SW_ETH_IP6) || !SW_HAS(t, sizeof(*t), end))
        return 0;
    hdr = (sw_ntohs(t->bits) >> 12) * 4;
    if ((sw_ntohl(ip6->ver_flow) >> 28) != 6 || ip6->next != SW_IP_TCP || hdr < sizeof(*t) || sw_ntohs(ip6->len) < hdr)
        return 0;
    sw_key6(k, s, ip6->src, ip6->dst, t->sport, t->dport);
    return 6;
}

#endif
