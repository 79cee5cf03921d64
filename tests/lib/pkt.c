/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pkt.h"

#include <arpa/inet.h>
#include <string.h>

struct writer {
    __u8 *buf;
    size_t size;
    size_t len;
    bool full;
};

static __u8 *put(struct writer *w, size_t n)
{
    __u8 *at = w->buf + w->len;

    if (w->full || n > w->size - w->len) {
        w->full = true;
        return NULL;
    }
    memset(at, 0, n);
    w->len += n;
    return at;
}

static void be16(__u8 *at, __u16 v)
{
    at[0] = v >> 8;
    at[1] = v & 0xff;
}

static void be32(__u8 *at, __u32 v)
{
    be16(at, v >> 16);
    be16(at + 2, v & 0xffff);
}

static __u32 sum(const __u8 *data, size_t len, __u32 start)
{
    __u32 total = start;

    for (size_t i = 0; i < len; i++) {
        total += i % 2 ? data[i] : (__u32)data[i] << 8;
        total = (total & 0xffff) + (total >> 16);
    }
    return total;
}

static __u16 fold(__u32 total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return ~total & 0xffff;
}

static __u32 opts_padded(const struct pkt *p)
{
    return (p->opts_len + 3) & ~3u;
}

static __u32 body_len(const struct pkt *p)
{
    if (p->fragment && p->frag_off)
        return p->payload;
    if (p->proto && p->proto != 6)
        return 8 + p->payload;
    return 20 + opts_padded(p) + p->payload;
}

__u32 pkt_ip_len(const struct pkt *p)
{
    if (p->v6)
        return 40 + p->ext_len + (p->fragment ? 8 : 0) + body_len(p);
    return 20 + p->ip_opts_len + body_len(p);
}

static void put_eth(struct writer *w, const struct pkt *p)
{
    __u16 last = p->force_eth ? p->force_eth : (p->v6 ? 0x86dd : 0x0800);
    __u8 *at = put(w, 14);

    if (!at)
        return;
    memcpy(at, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
    for (__u32 i = 0; i < p->vlans; i++) {
        be16(at + 12, i + 1 < p->vlans ? 0x88a8 : 0x8100);
        __u8 *tag = put(w, 4);

        if (!tag)
            return;
        be16(tag, p->vlan[i]);
        at = tag - 10;
    }
    be16(w->buf + w->len - 2, last);
}

static void put_v4(struct writer *w, const struct pkt *p)
{
    __u32 hlen = 20 + p->ip_opts_len;
    __u16 frag = p->fragment ? (p->frag_off / 8) | (p->more_frags ? 0x2000 : 0) : (p->non_df ? 0 : 0x4000);
    __u8 *ip = put(w, hlen);

    if (!ip)
        return;
    ip[0] = (p->force_version ? p->force_version : 4) << 4 | (p->force_ihl ? p->force_ihl : hlen / 4);
    ip[1] = p->tos;
    be16(ip + 2, p->force_ip_len ? p->force_ip_len : pkt_ip_len(p));
    be16(ip + 4, 0x1234);
    be16(ip + 6, frag);
    ip[8] = p->hops ? p->hops : 64;
    ip[9] = p->proto ? p->proto : 6;
    memcpy(ip + 12, p->src + 12, 4);
    memcpy(ip + 16, p->dst + 12, 4);
    memcpy(ip + 20, p->ip_opts, p->ip_opts_len);
    be16(ip + 10, fold(sum(ip, hlen, 0)));
    if (p->bad_ip_checksum)
        ip[11] ^= 0x55;
}

static void put_v6(struct writer *w, const struct pkt *p)
{
    __u8 proto = p->proto ? p->proto : 6;
    __u8 *ip = put(w, 40);

    if (!ip)
        return;
    ip[0] = (p->force_version ? p->force_version : 6) << 4 | p->tos >> 4;
    ip[1] = p->tos << 4;
    be16(ip + 4, p->force_ip_len ? p->force_ip_len : pkt_ip_len(p) - 40);
    ip[6] = p->ext_len ? p->ext_next : (p->fragment ? 44 : proto);
    ip[7] = p->hops ? p->hops : 64;
    memcpy(ip + 8, p->src, 16);
    memcpy(ip + 24, p->dst, 16);
    if (p->ext_len) {
        __u8 *ext = put(w, p->ext_len);

        if (!ext)
            return;
        memcpy(ext, p->ext, p->ext_len);
        ext[p->ext_last_next_at] = p->fragment ? 44 : proto;
    }
    if (p->fragment) {
        __u8 *frag = put(w, 8);

        if (!frag)
            return;
        frag[0] = proto;
        be16(frag + 2, p->frag_off | (p->more_frags ? 1 : 0));
        be32(frag + 4, 0x12345678);
    }
}

static __u32 pseudo_sum(const struct pkt *p, __u32 len)
{
    __u8 tail[8] = {0};
    __u32 total;

    if (p->v6) {
        total = sum(p->src, 16, 0);
        total = sum(p->dst, 16, total);
    } else {
        total = sum(p->src + 12, 4, 0);
        total = sum(p->dst + 12, 4, total);
    }
    be32(tail, len);
    tail[7] = 6;
    return sum(tail, 8, total);
}

static void put_payload(struct writer *w, const struct pkt *p)
{
    __u8 *at = put(w, p->payload);

    for (__u32 i = 0; at && i < p->payload; i++)
        at[i] = (p->seq + i) * 167u >> 3;
}

static void put_tcp(struct writer *w, const struct pkt *p)
{
    size_t start = w->len;
    __u32 hlen = 20 + opts_padded(p);
    __u8 *tcp = put(w, hlen);

    if (!tcp)
        return;
    be16(tcp, p->sport);
    be16(tcp + 2, p->dport);
    be32(tcp + 4, p->seq);
    be32(tcp + 8, p->ack);
    be16(tcp + 12, (p->force_doff ? p->force_doff : hlen / 4) << 12 | (p->flags & 0x1ff));
    be16(tcp + 14, p->win);
    memcpy(tcp + 20, p->opts, p->opts_len);
    put_payload(w, p);
    if (w->full)
        return;
    be16(tcp + 16, fold(sum(w->buf + start, w->len - start, pseudo_sum(p, w->len - start))));
    if (p->partial_sum)
        be16(tcp + 16, ~fold(pseudo_sum(p, w->len - start)));
    if (p->bad_checksum)
        tcp[16] ^= 0x55;
}

size_t pkt_build(const struct pkt *p, __u8 *buf, size_t size)
{
    struct writer w = {.buf = buf, .size = size};

    put_eth(&w, p);
    if (p->v6)
        put_v6(&w, p);
    else
        put_v4(&w, p);
    if (p->fragment && p->frag_off)
        put_payload(&w, p);
    else if (p->proto && p->proto != 6)
        put(&w, 8 + p->payload);
    else
        put_tcp(&w, p);
    if (!p->no_padding && !p->cut_to && w.len < PKT_MIN_FRAME)
        put(&w, PKT_MIN_FRAME - w.len);
    if (w.full)
        return 0;
    return p->cut_to && p->cut_to < w.len ? p->cut_to : w.len;
}

struct pkt pkt_swap(const struct pkt *p)
{
    struct pkt q = *p;

    memcpy(q.src, p->dst, 16);
    memcpy(q.dst, p->src, 16);
    q.sport = p->dport;
    q.dport = p->sport;
    q.seq = p->ack;
    q.ack = p->seq;
    return q;
}

struct sw_key pkt_key(const struct pkt *p, bool *ret_src_is_b)
{
    struct sw_key key = {0};
    int cmp = memcmp(p->src, p->dst, 16);
    bool src_is_b = cmp > 0 || (cmp == 0 && p->sport > p->dport);

    memcpy(key.a_ip, src_is_b ? p->dst : p->src, 16);
    memcpy(key.b_ip, src_is_b ? p->src : p->dst, 16);
    key.a_port = htons(src_is_b ? p->dport : p->sport);
    key.b_port = htons(src_is_b ? p->sport : p->dport);
    if (ret_src_is_b)
        *ret_src_is_b = src_is_b;
    return key;
}

void pkt_opt(struct pkt *p, __u8 kind, const void *value, __u8 len)
{
    if (p->opts_len + 2u + len > sizeof(p->opts))
        return;
    p->opts[p->opts_len] = kind;
    p->opts[p->opts_len + 1] = len + 2;
    if (len)
        memcpy(p->opts + p->opts_len + 2, value, len);
    p->opts_len += len + 2;
}

void pkt_opt_usual(struct pkt *p, __u16 mss, __u8 wscale)
{
    __u8 be_mss[2];
    static const __u8 stamps[8] = {0, 0, 0, 1, 0, 0, 0, 0};

    be16(be_mss, mss);
    pkt_opt(p, 2, be_mss, 2);
    pkt_opt(p, 4, NULL, 0);
    pkt_opt(p, 8, stamps, 8);
    p->opts[p->opts_len++] = 1;
    pkt_opt(p, 3, &wscale, 1);
}

void pkt_ext(struct pkt *p, __u8 number, __u8 len)
{
    __u8 at = p->ext_len;

    if (p->ext_len + len > sizeof(p->ext))
        return;
    if (!p->ext_len)
        p->ext_next = number;
    else
        p->ext[p->ext_last_next_at] = number;
    memset(p->ext + at, 0, len);
    p->ext[at + 1] = number == 51 ? len / 4 - 2 : len / 8 - 1; /* the authentication header counts in words */
    if (number == 0 || number == 60) {                         /* hop-by-hop and destination options: one PadN */
        p->ext[at + 2] = 1;
        p->ext[at + 3] = len - 4;
    }
    p->ext_last_next_at = at;
    p->ext_len += len;
}

void pkt_v4(__u8 ip[16], __u32 host_order)
{
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xff;
    be32(ip + 12, host_order);
}
