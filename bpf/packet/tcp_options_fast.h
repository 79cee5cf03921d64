/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP options by whole words, as nearly all stacks align them: without a copy or a loop over bytes. */
#ifndef SW_BPF_PACKET_TCP_OPTIONS_FAST_H
#define SW_BPF_PACKET_TCP_OPTIONS_FAST_H

#include "packet/parse.h"
#include "packet/tcp_options.h"

/* The options of a packet that the guard needs. */
struct sw_opts {
    __u32 tsval, tsecr;
    __u16 mss;
    __u8 wscale;
    __u8 opts; /* SW_OPT_* */
    __u8 bad;
    __u8 sig; /* SW_SIG_* */
    __u8 pad[2];
};

/*
 * Options by words, as nearly all stacks align them, in any order. Results are written to memory that the verifier
 * knows nothing about, so all paths to a word are one state. False: parse them byte by byte.
 */
static __always_inline int sw_opts_words(const __be32 *w, __u32 len, void *end, struct sw_opts *o)
{
    for (__u32 at = 0; at < 10; at++) { /* nothing else counts: how a word was reached is of no interest */
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
    o->sig = 0;
}

/* The options that Linux sends in a SYN, recognised by their words. */
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

#endif
