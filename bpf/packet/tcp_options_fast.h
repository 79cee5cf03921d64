/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP options as the guard reads them, from a frame or a socket buffer; and its room beside the stack. */
#ifndef SW_BPF_PACKET_TCP_OPTIONS_FAST_H
#define SW_BPF_PACKET_TCP_OPTIONS_FAST_H

#include "guard/reply.h"

/* What a packet's options say, as far as the guard needs it. */
struct sw_opts {
    __u32 tsval, tsecr;
    __u16 mss;
    __u8 wscale;
    __u8 opts; /* SW_OPT_* */
    __u8 bad;
    __u8 sealed; /* SW_SEAL_* */
    __u8 pad[2];
};

/* What does not fit on the stack; bottom halves are off, so one packet at a time a CPU. */
struct sw_guarding {
    struct sw_reply reply;
    struct sw_cookie_for who;
    struct sw_cookie_opts carries;
    struct sw_cookie cookie;
    struct sw_opts opts;
    struct sw_cookie_opts accepted; /* what an accepted cookie remembers */
    __u8 pad[2];
    struct sw_judged judged;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_guarding);
} guarding SEC(".maps");

static __always_inline struct sw_guarding *sw_guarding_here(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&guarding, &zero);
}

/*
 * Options by words, as nearly all stacks align them, in any order. What is found is written to memory that
 * the verifier knows nothing about, so all ways to a word are one state to it. False: read them byte by byte.
 */
static __always_inline int sw_opts_words(const __be32 *w, __u32 len, void *end, struct sw_opts *o)
{
    __u32 at = 0;

    for (int n = 0; n < 10; n++) {
        const __be32 *p = w + at;
        __u32 x;

        if (at * 4 >= len)
            return 1;
        if (!SW_HAS(p, 4, end))
            return 0;
        x = bpf_ntohl(*p);
        if (x >> 16 == 0x0204) {
            o->mss = (__u16)x;
            o->opts |= SW_OPT_MSS;
        } else if (x >> 8 == 0x010303) { /* NOP, window scale */
            o->wscale = (__u8)x;
            o->opts |= SW_OPT_WSCALE;
        } else if ((x & 0xffff00ff) == 0x03030001 || (x & 0xffff00ff) == 0x03030000) {
            o->wscale = (__u8)(x >> 8);
            o->opts |= SW_OPT_WSCALE;
            if (!(x & 1))
                return 1;                                /* end of the list */
        } else if (x == 0x01010402 || x == 0x04020101) { /* SACK permitted, two NOPs */
            o->opts |= SW_OPT_SACK;
        } else if (x == 0x0101080a || x == 0x0402080a) { /* NOP NOP or SACK permitted, timestamps */
            if (at * 4 + 12 > len || !SW_HAS(p, 12, end))
                return 0;
            o->tsval = bpf_ntohl(p[1]);
            o->tsecr = bpf_ntohl(p[2]);
            o->opts |= x == 0x0402080a ? SW_OPT_TS | SW_OPT_SACK : SW_OPT_TS;
            at += 2;
        } else if (x == 0x04020000) {
            o->opts |= SW_OPT_SACK;
            return 1;
        } else if (!x) {
            return 1;
        } else if (x != 0x01010101) {
            return 0;
        }
        at++;
    }
    return 1;
}

static __always_inline void sw_opts_none(struct sw_opts *o)
{
    o->tsval = o->tsecr = 0;
    o->mss = 0;
    o->wscale = SW_WSCALE_NONE;
    o->opts = 0;
    o->bad = 0;
    o->sealed = 0;
}

/* Known at a glance: what Linux sends in a SYN. */
static __always_inline int sw_opts_linux(const __be32 *w, __u32 len, void *end, struct sw_opts *o)
{
    sw_opts_none(o);
    if (len == 20 && SW_HAS(w, 20, end) && (w[0] & bpf_htonl(0xffff0000)) == bpf_htonl(0x02040000) &&
        w[1] == bpf_htonl(0x0402080a) && (w[4] & bpf_htonl(0xffffff00)) == bpf_htonl(0x01030300)) {
        o->mss = (__u16)bpf_ntohl(w[0]);
        o->tsval = bpf_ntohl(w[2]);
        o->wscale = (__u8)bpf_ntohl(w[4]);
        o->opts = SW_OPT_MSS | SW_OPT_SACK | SW_OPT_TS | SW_OPT_WSCALE;
        return 1;
    }
    return !len;
}

static __always_inline void sw_opts_read(void *data, void *end, __u32 tcp_off, __u32 len, struct sw_opts *o)
{
    struct sw_scratch *sc;
    __u32 *p;

    sw_opts_none(o);
    sw_opaque(tcp_off);
    if (tcp_off > 4096)
        return;
    p = (__u32 *)((__u8 *)data + tcp_off + sizeof(struct sw_tcp));
    if (sw_opts_linux(p, len, end, o) || sw_opts_words(p, len, end, o))
        return;
    sc = sw_room(SW_ROOM_PACKET);
    if (!sc)
        return;
    sc->opt.len = 0;
    for (int i = 0; i < 10; i++) {
        if ((__u32)i * 4 >= len || !SW_HAS(p + i, 4, end))
            break;
        ((__u32 *)sc->opt.bytes)[i] = p[i];
        sc->opt.len = i * 4 + 4;
    }
    sc->opt.tsval = sc->opt.tsecr = 0;
    sw_tcpopt_parse(&sc->opt);
    o->tsval = sc->opt.tsval;
    o->tsecr = sc->opt.tsecr;
    o->mss = sc->opt.mss;
    o->wscale = sc->opt.wscale;
    o->opts = sc->opt.opts;
    o->bad = sc->opt.bad;
    o->sealed = sc->opt.sealed;
}

SW_STEP int sw_opts_xdp(struct xdp_md *ctx, struct sw_judged *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)ctx->data, (void *)(long)ctx->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

SW_STEP int sw_opts_skb(struct __sk_buff *skb, struct sw_judged *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)skb->data, (void *)(long)skb->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

#endif
