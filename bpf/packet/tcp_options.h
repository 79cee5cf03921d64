/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP options of a SYN (RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC 7413, RFC 8684). Pure. The option bytes are a
 * copy in a fixed buffer, and results are written to memory, not kept in registers: so the verifier sees one state for
 * each step and not one for each mix of options.
 */
#ifndef SW_BPF_PACKET_TCP_OPTIONS_H
#define SW_BPF_PACKET_TCP_OPTIONS_H

#include "compat.h"
#include "synward.h"

enum { SW_TCPOPT_MAX = 40 }; /* bytes of options */
#define SW_TCPOPT_BUF 64     /* a power of two, so that an index is masked */

struct sw_tcpopt {
    __u8 bytes[SW_TCPOPT_BUF];
    __u32 len; /* valid bytes, 0 to 40 */
    __u16 mss;
    __u8 wscale;
    __u8 opts;
    __u8 bad; /* an impossible length: the list is not parsed further */
    __u8 sig; /* SW_SIG_*: the segment is signed */
    __u8 cut; /* there are more bytes than were captured: an option that goes on there is unknown, and not bad */
    __u8 pad;
    __u32 tsval; /* with SW_OPT_TS */
    __u32 tsecr;
    __u32 at; /* offset of the current option */
};

enum {
    SW_TCPOPT_EOL = 0,
    SW_TCPOPT_NOP = 1,
    SW_TCPOPT_MSS = 2,
    SW_TCPOPT_WSCALE = 3,
    SW_TCPOPT_SACK = 4,
    SW_TCPOPT_TS = 8,
    SW_TCPOPT_MD5 = 19, /* RFC 2385 */
    SW_TCPOPT_AO = 29,  /* RFC 5925 */
    SW_TCPOPT_MPTCP = 30,
    SW_TCPOPT_TFO = 34,
    SW_TCPOPT_EXP = 254, /* RFC 6994; with ExID 0xF989 the early form of Fast Open */
};

enum { SW_SIG_MD5 = 1, SW_SIG_AO = 2 };

static __always_inline __u8 sw_tcpopt_at(const struct sw_tcpopt *o, __u32 i)
{
    return o->bytes[i & (SW_TCPOPT_BUF - 1)];
}

static __always_inline __u32 sw_tcpopt_at32(const struct sw_tcpopt *o, __u32 i)
{
    return (__u32)sw_tcpopt_at(o, i) << 24 | (__u32)sw_tcpopt_at(o, i + 1) << 16 | (__u32)sw_tcpopt_at(o, i + 2) << 8 |
           sw_tcpopt_at(o, i + 3);
}

/* One option at `at`; returns its length, 0 to stop. */
SW_STEP int sw_tcpopt_one(struct sw_tcpopt *o, __u32 at)
{
    __u32 len;
    __u8 kind;

    if (!o)
        return 0;
    kind = sw_tcpopt_at(o, at);
    if (kind == SW_TCPOPT_EOL)
        return 0;
    if (kind == SW_TCPOPT_NOP)
        return 1;
    len = sw_tcpopt_at(o, at + 1);
    if (at + 1 >= o->len || len < 2 || at + len > o->len) {
        o->bad |= !o->cut || (at + 1 < o->len && len < 2);
        return 0;
    }
    if (kind == SW_TCPOPT_MSS && len == 4) {
        o->mss = (__u16)(sw_tcpopt_at(o, at + 2) << 8 | sw_tcpopt_at(o, at + 3));
        o->opts |= SW_OPT_MSS;
    } else if (kind == SW_TCPOPT_WSCALE && len == 3) {
        o->wscale = sw_tcpopt_at(o, at + 2);
        o->opts |= SW_OPT_WSCALE;
    } else if (kind == SW_TCPOPT_SACK && len == 2) {
        o->opts |= SW_OPT_SACK;
    } else if (kind == SW_TCPOPT_TS && len == 10) {
        o->opts |= SW_OPT_TS;
        o->tsval = sw_tcpopt_at32(o, at + 2);
        o->tsecr = sw_tcpopt_at32(o, at + 6);
    } else if ((kind == SW_TCPOPT_MD5 && len == 18) || (kind == SW_TCPOPT_AO && len > 4)) {
        if (o->sig)
            o->bad = 1; /* two signatures: kernels treat them differently */
        o->sig |= kind == SW_TCPOPT_MD5 ? SW_SIG_MD5 : SW_SIG_AO;
    } else if (kind == SW_TCPOPT_MPTCP) {
        o->opts |= SW_OPT_MPTCP;
    } else if (kind == SW_TCPOPT_TFO && (len == 2 || (len >= 6 && len <= 18))) {
        o->opts |= len > 2 ? SW_OPT_TFO | SW_OPT_TFO_COOKIE : SW_OPT_TFO;
    } else if (kind == SW_TCPOPT_EXP && len >= 4 && sw_tcpopt_at(o, at + 2) == 0xf9 &&
               sw_tcpopt_at(o, at + 3) == 0x89) {
        o->opts |= len > 4 ? SW_OPT_TFO | SW_OPT_TFO_COOKIE : SW_OPT_TFO;
    } else if (kind == SW_TCPOPT_MSS || kind == SW_TCPOPT_WSCALE || kind == SW_TCPOPT_SACK || kind == SW_TCPOPT_TS ||
               kind == SW_TCPOPT_TFO || kind == SW_TCPOPT_MD5 || kind == SW_TCPOPT_AO) {
        o->bad = 1; /* a known kind with a wrong length is skipped, and reported */
    }
    return len;
}

static __always_inline void sw_tcpopt_begin(struct sw_tcpopt *o)
{
    o->mss = 0;
    o->wscale = SW_WSCALE_NONE;
    o->opts = o->cut ? SW_OPT_CUT : 0;
    o->bad = 0;
    o->sig = 0;
    if (o->len > SW_TCPOPT_MAX)
        o->len = SW_TCPOPT_MAX;
    SW_WRITE_ONCE(o->at, 0);
}

/* Parses the next option; returns 0 after the last. Its offset is kept in memory, so all paths to it are one verifier
 * state. */
static __always_inline int sw_tcpopt_next(struct sw_tcpopt *o)
{
    __u32 at = SW_READ_ONCE(o->at), len;

    if (at >= o->len)
        return 0;
    len = (__u32)sw_tcpopt_one(o, at);
    if (!len)
        return 0;
    SW_WRITE_ONCE(o->at, at + len);
    return 1;
}

/* Parses the whole list of o->bytes[0, o->len). */
static __always_inline void sw_tcpopt_parse(struct sw_tcpopt *o)
{
    sw_tcpopt_begin(o);
    for (int i = 0; i < SW_TCPOPT_MAX; i++)
        if (!sw_tcpopt_next(o))
            break;
}

#endif
