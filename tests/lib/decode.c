/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "decode.h"

#include <string.h>

static __u16 get16(const __u8 *p)
{
    return p[0] << 8 | p[1];
}

static __u32 get32(const __u8 *p)
{
    return (__u32)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071: the sum with the checksum in it is all ones. */
static __u32 add(const __u8 *p, size_t len, __u32 total)
{
    for (; len > 1; p += 2, len -= 2)
        total += get16(p);
    if (len)
        total += (__u32)p[0] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static const char *decode_option(const __u8 *o, __u32 kind, __u32 len, struct decoded *d)
{
    switch (kind) {
    case 2:
        if (len != 4 || d->has_mss)
            return "MSS option: wrong length or twice";
        d->has_mss = true;
        d->mss = get16(o + 2);
        return NULL;
    case 3:
        if (len != 3 || d->has_wscale)
            return "window scale option: wrong length or twice";
        d->has_wscale = true;
        d->wscale = o[2];
        return d->wscale > 14 ? "window scale over 14" : NULL;
    case 4:
        if (len != 2 || d->has_sack)
            return "SACK permitted option: wrong length or twice";
        d->has_sack = true;
        return NULL;
    case 8:
        if (len != 10 || d->has_ts)
            return "timestamps option: wrong length or twice";
        d->has_ts = true;
        d->tsval = get32(o + 2);
        d->tsecr = get32(o + 6);
        return NULL;
    default: d->other_opts++; return NULL;
    }
}

static const char *decode_options(const __u8 *o, __u32 len, struct decoded *d)
{
    const char *wrong;
    __u32 at = 0;

    while (at < len) {
        __u32 kind = o[at], size;

        if (kind == 0) {
            for (; at < len; at++)
                if (o[at])
                    return "bytes behind the end of the option list";
            return NULL;
        }
        if (kind == 1) {
            at++;
            continue;
        }
        size = at + 1 < len ? o[at + 1] : 0;
        if (size < 2 || at + size > len)
            return "an option is longer than the list";
        wrong = decode_option(o + at, kind, size, d);
        if (wrong)
            return wrong;
        at += size;
    }
    return NULL;
}

static const char *decode_tcp(const __u8 *tcp, __u32 len, struct decoded *d)
{
    __u8 pseudo[40] = {0};
    __u32 hlen;

    if (len < 20)
        return "no room for a TCP header";
    hlen = (tcp[12] >> 4) * 4;
    if (hlen < 20 || hlen > len)
        return "TCP data offset";
    if (tcp[12] & 0x0e)
        return "reserved TCP bits";
    memcpy(pseudo, d->src, 16);
    memcpy(pseudo + 16, d->dst, 16);
    if (!d->v6) { /* RFC 9293 section 3.1: the plain addresses */
        memset(pseudo, 0, 12);
        memset(pseudo + 16, 0, 12);
    }
    pseudo[34] = len >> 8;
    pseudo[35] = len & 0xff;
    pseudo[39] = 6;
    if (add(tcp, len, add(pseudo, sizeof(pseudo), 0)) != 0xffff)
        return "TCP checksum";
    d->sport = get16(tcp);
    d->dport = get16(tcp + 2);
    d->seq = get32(tcp + 4);
    d->ack = get32(tcp + 8);
    d->flags = get16(tcp + 12) & 0x1ff;
    d->win = get16(tcp + 14);
    d->urg = get16(tcp + 18);
    d->opt_len = hlen - 20;
    d->payload = len - hlen;
    return decode_options(tcp + 20, d->opt_len, d);
}

static const char *decode_v4(const __u8 *ip, size_t len, struct decoded *d)
{
    if (len < 20 || ip[0] >> 4 != 4)
        return "no IPv4 header";
    d->ip_hlen = (ip[0] & 15) * 4;
    d->ip_len = get16(ip + 2);
    if (d->ip_hlen < 20 || d->ip_hlen > d->ip_len || d->ip_len > len)
        return "IPv4 lengths";
    if (add(ip, d->ip_hlen, 0) != 0xffff)
        return "IPv4 header checksum";
    d->tos = ip[1];
    d->ip_id = get16(ip + 4);
    d->df = ip[6] >> 6 & 1;
    d->more_frags = ip[6] >> 5 & 1;
    d->frag_off = get16(ip + 6) << 3 & 0xffff;
    d->ttl = ip[8];
    if (ip[6] >> 7)
        return "IPv4's reserved bit";
    if (ip[9] != 6)
        return "not TCP";
    d->src[10] = d->src[11] = d->dst[10] = d->dst[11] = 0xff;
    memcpy(d->src + 12, ip + 12, 4);
    memcpy(d->dst + 12, ip + 16, 4);
    return decode_tcp(ip + d->ip_hlen, d->ip_len - d->ip_hlen, d);
}

static const char *decode_v6(const __u8 *ip, size_t len, struct decoded *d)
{
    if (len < 40 || ip[0] >> 4 != 6)
        return "no IPv6 header";
    d->v6 = true;
    d->ip_hlen = 40;
    d->ip_len = 40 + get16(ip + 4);
    if (d->ip_len > len)
        return "IPv6 length";
    d->tos = (get16(ip) >> 4) & 0xff;
    d->ttl = ip[7];
    if (ip[6] != 6)
        return "not TCP right behind the IPv6 header";
    memcpy(d->src, ip + 8, 16);
    memcpy(d->dst, ip + 24, 16);
    return decode_tcp(ip + 40, d->ip_len - 40, d);
}

const char *decode(const __u8 *frame, size_t len, struct decoded *ret)
{
    const char *wrong;
    size_t at = 12;
    __u16 type;

    memset(ret, 0, sizeof(*ret));
    if (len < 14)
        return "no Ethernet header";
    memcpy(ret->mac_dst, frame, 6);
    memcpy(ret->mac_src, frame + 6, 6);
    for (type = get16(frame + at); type == 0x8100 || type == 0x88a8 || type == 0x9100; type = get16(frame + at)) {
        if (ret->tags == DECODE_TAGS || at + 6 > len)
            return "VLAN tags";
        ret->tpid[ret->tags] = type;
        ret->tci[ret->tags++] = get16(frame + at + 2);
        at += 4;
    }
    at += 2;
    if (type == 0x0800)
        wrong = decode_v4(frame + at, len - at, ret);
    else if (type == 0x86dd)
        wrong = decode_v6(frame + at, len - at, ret);
    else
        wrong = "not IP";
    if (wrong)
        return wrong;
    ret->padding = len - at - ret->ip_len;
    for (size_t i = at + ret->ip_len; i < len; i++)
        if (frame[i])
            return "padding that is not zero: bytes of what was there before";
    return NULL;
}
