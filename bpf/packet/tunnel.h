/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * To the innermost IP header: VLAN, QinQ, E-tags (IEEE 802.1BR), PPPoE (RFC 2516), MPLS (RFC 3032), GRE (RFC 2784,
 * 2890) also in UDP (RFC 8086), ERSPAN I to III, VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U (3GPP TS 29.281), IP in IP.
 * One small state machine.
 */
#ifndef SW_BPF_PACKET_TUNNEL_H
#define SW_BPF_PACKET_TUNNEL_H

#include "packet/parse.h"

/* Steps beside EtherTypes, out of their range */
enum { SW_L_ETH = 1, SW_L_GRE, SW_L_UDP, SW_L_ERSPAN3, SW_L_ERSPAN3_END, SW_L_GTP, SW_L_GTP_EXT };

enum {
    SW_VXLAN_PORT = 4789,
    SW_GENEVE_PORT = 6081,
    SW_GTP_PORT = 2152,
    SW_GRE_UDP_PORT = 4754,
};

enum {
    SW_PPP_IP4 = 0x21,
    SW_PPP_IP6 = 0x57,
    SW_PPP_MPLS = 0x281,
    SW_PPP_MPLS_MC = 0x283,
};

enum { SW_GTP_T_PDU = 255, SW_GTP_E = 4, SW_GTP_OPTIONAL = 7 /* any of E, S, PN: four more bytes */ };

static __always_inline __u16 sw_be16_at(const __u8 *p)
{
    return (__u16)(p[0] << 8 | p[1]);
}

/* What follows an IP header, if a tunnel does: the next step, or 0 to stop at this header. */
static __always_inline __u32 sw_decap_proto(__u8 proto)
{
    switch (proto) {
    case SW_IP_GRE: return SW_L_GRE;
    case SW_IP_UDP: return SW_L_UDP;
    case SW_IP_IP4: return SW_ETH_IP4;
    case SW_IP_IP6: return SW_ETH_IP6;
    default: return 0;
    }
}

static __always_inline __u32 sw_decap_gre(const __u8 *p, __u32 *ret_next)
{
    __u16 flags = sw_be16_at(p), type = sw_be16_at(p + 2);
    __u32 n = 4;

    if (flags & 7) /* version 1 is PPTP */
        return 0;
    n += flags & 0x8000 ? 4 : 0;
    n += flags & 0x2000 ? 4 : 0;
    n += flags & 0x1000 ? 4 : 0;
    if (type == SW_ETH_ERSPAN) /* the header of type II comes with a sequence number only */
        n += flags & 0x1000 ? 8 : 0;
    *ret_next = type == SW_ETH_TEB || type == SW_ETH_ERSPAN ? SW_L_ETH : type == SW_ETH_ERSPAN3 ? SW_L_ERSPAN3 : type;
    return n;
}

static __always_inline __u32 sw_decap_ppp(const __u8 *p, __u32 *ret_next)
{
    int short_form = p[0] & 1; /* RFC 1661 section 6.5 */
    __u16 protocol = short_form ? p[0] : sw_be16_at(p);

    *ret_next = protocol == SW_PPP_IP4       ? SW_ETH_IP4
                : protocol == SW_PPP_IP6     ? SW_ETH_IP6
                : protocol == SW_PPP_MPLS    ? SW_ETH_MPLS
                : protocol == SW_PPP_MPLS_MC ? SW_ETH_MPLS_MC
                                             : 0xffff;
    return short_form ? 1 : 2;
}

static __always_inline __u32 sw_decap_udp(__u16 port, __u32 *ret_next)
{
    switch (port) {
    case SW_VXLAN_PORT: *ret_next = SW_L_ETH; return 16;
    case SW_GENEVE_PORT: *ret_next = SW_ETH_TEB; return 8; /* its own header comes next */
    case SW_GTP_PORT: *ret_next = SW_L_GTP; return 8;
    case SW_GRE_UDP_PORT: *ret_next = SW_L_GRE; return 8;
    default: return 0;
    }
}

static __always_inline __u32 sw_ip_by_version(__u8 first)
{
    return first >> 4 == 4 ? SW_ETH_IP4 : first >> 4 == 6 ? SW_ETH_IP6 : 0xffff;
}

/* GTP-U at p, with 16 readable bytes: its header, or one extension header. Returns how far to advance, 0 to stop. */
static __always_inline __u32 sw_decap_gtp(const __u8 *p, __u32 step, __u32 *ret_next)
{
    __u32 n;
    __u8 more;

    if (step == SW_L_GTP) {
        if (p[0] >> 4 != 3 || p[1] != SW_GTP_T_PDU) /* version 1, GTP and not GTP' */
            return 0;
        more = p[0] & SW_GTP_E ? p[11] : 0;
        n = p[0] & SW_GTP_OPTIONAL ? 12 : 8;
    } else {
        if (p[0] < 1 || p[0] > 2) /* in words; no extension header of user data is longer */
            return 0;
        more = p[0] == 1 ? p[3] : p[7];
        n = p[0] == 1 ? 4 : 8;
    }
    *ret_next = more ? SW_L_GTP_EXT : sw_ip_by_version(n == 4 ? p[4] : n == 8 ? p[8] : p[12]);
    return n;
}

/*
 * One step at p (at least 8 readable bytes). Returns how far to advance, 0 to stop; in->next is the current step on
 * entry and the next one on return.
 */
static __always_inline __u32 sw_decap_one(const __u8 *p, struct sw_inner *in)
{
    __u32 step = SW_READ_ONCE(in->next);

    if (sw_is_vlan((__u16)step)) {
        sw_vlan_add(in->vlan, sw_be16_at(p));
        in->next = sw_be16_at(p + 2);
        return 4;
    }
    SW_WRITE_ONCE(in->tunnel, 1);
    if (step == SW_ETH_PPPOE)
        return 6 + sw_decap_ppp(p + 6, &in->next);
    if (step == SW_ETH_ETAG) {
        in->next = sw_be16_at(p + 6);
        return 8;
    }
    if (step == SW_ETH_MPLS || step == SW_ETH_MPLS_MC) {
        __u8 nibble = p[4] >> 4;

        if (p[2] & 1) { /* bottom of stack: guess by the first nibble, as routers do (RFC 4928) */
            in->next = nibble == 4 ? SW_ETH_IP4 : nibble == 6 ? SW_ETH_IP6 : nibble == 0 ? SW_L_ETH : 0xffff;
            return nibble ? 4 : 8; /* 0: the control word of an Ethernet pseudowire (RFC 4448) */
        }
        return 4;
    }
    if (step == SW_L_GRE)
        return sw_decap_gre(p, &in->next);
    if (step == SW_L_UDP)
        return sw_decap_udp(sw_be16_at(p + 2), &in->next);
    if (step == SW_L_ERSPAN3) { /* 12 bytes, in two steps; the last bit says whether 8 more follow */
        in->next = SW_L_ERSPAN3_END;
        return 8;
    }
    if (step == SW_L_ERSPAN3_END) {
        in->next = SW_L_ETH;
        return p[3] & 1 ? 12 : 4;
    }
    if (step == SW_ETH_TEB) {
        __u16 type = sw_be16_at(p + 2);

        in->next = type == SW_ETH_TEB ? SW_L_ETH : type;
        return 8 + (__u32)(p[0] & 0x3f) * 4;
    }
    return 0;
}

/*
 * One header at in->off. False: the walk ends, in->ip_off and ip_type are the result. The state is read from and
 * written to memory each time: in registers, the verifier would follow every path.
 */
static __always_inline int sw_decap_step(void *data, void *end, struct sw_inner *in)
{
    __u32 off = SW_READ_ONCE(in->off), next = SW_READ_ONCE(in->next), go;
    __u8 *p;

    if (off > SW_OFF_MAX)
        return 0;
    p = (__u8 *)data + off;
    if (next == SW_L_ETH) {
        if (!SW_HAS(p, 14, end))
            return 0;
        SW_WRITE_ONCE(in->tunnel, 1);
        SW_WRITE_ONCE(in->next, sw_be16_at(p + 12));
        go = 14;
    } else if (next == SW_ETH_IP4) {
        if (SW_READ_ONCE(in->ip_off))
            SW_WRITE_ONCE(in->tunnel, 1);
        SW_WRITE_ONCE(in->ip_off, off);
        SW_WRITE_ONCE(in->ip_type, SW_ETH_IP4);
        if (!SW_HAS(p, 20, end) || (p[0] >> 4) != 4 || sw_be16_at(p + 6) & 0x3fff)
            return 0;
        SW_WRITE_ONCE(in->next, sw_decap_proto(p[9]));
        go = (p[0] & 0xf) * 4;
    } else if (next == SW_ETH_IP6) {
        if (SW_READ_ONCE(in->ip_off))
            SW_WRITE_ONCE(in->tunnel, 1);
        SW_WRITE_ONCE(in->ip_off, off);
        SW_WRITE_ONCE(in->ip_type, SW_ETH_IP6);
        if (!SW_HAS(p, 40, end))
            return 0;
        SW_WRITE_ONCE(in->next, sw_decap_proto(p[6]));
        go = 40;
    } else if (next == SW_L_GTP || next == SW_L_GTP_EXT) {
        if (!SW_HAS(p, 16, end))
            return 0;
        go = sw_decap_gtp(p, next, &in->next);
    } else {
        if (!SW_HAS(p, 8, end))
            return 0;
        go = sw_decap_one(p, in);
    }
    SW_WRITE_ONCE(in->off, off + go);
    return go && SW_READ_ONCE(in->next);
}

/*
 * Sets in->ip_off and ip_type to the innermost IP header (whatever it carries), or ip_type to an EtherType that is not
 * IP. in->found: SW_FOUND_TCP, or why the walk failed.
 */
static __always_inline int sw_decap(void *data, void *end, struct sw_inner *in)
{
    struct sw_eth *eth = data;

    in->found = SW_FOUND_TRUNCATED;
    if (!SW_HAS(eth, sizeof(*eth), end))
        return 0;
    in->off = sizeof(*eth);
    in->next = in->ip_type = sw_ntohs(eth->type);
    in->ip_off = 0;
    in->tunnel = 0;
    in->vlan[0] = in->vlan[1] = 0;
    in->found = SW_FOUND_EXT_LIMIT;
    for (int i = 0; i < SW_LAYERS; i++) {
        if (!sw_decap_step(data, end, in)) {
            if (SW_READ_ONCE(in->off) <= SW_OFF_MAX)
                in->found = SW_FOUND_TCP;
            break;
        }
    }
    return 0;
}

#endif
