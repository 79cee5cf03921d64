/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our SYN cookie (RFC 4987 section 3.6): encodes the options of a SYN in the ISN of its SYN-ACK and, if the client sent
 * timestamps, in the TSval. Pure.
 *
 *           31                                      6   5   4        0
 *          +-----------------------------------------+---+-----------+
 *   ISN    |         MAC, its 26 highest bits        | E |  options  |   E: lowest bit of the epoch
 *          +-----------------------------------------+---+-----------+
 *           31                                 8  7                 0
 *          +------------------------------------+--------------------+
 *   TSval  |    MAC, its 24 lowest bits         |      options       |
 *          +------------------------------------+--------------------+
 *
 *   options without timestamps: 5 bits, one of the 32 combinations of sw_cookie_pack5
 *   with: ISN  window scale (4, 15: none), SACK (1);  TSval  ECN (1), MSS (7, sw_mss_code)
 *
 *   MAC = SipHash-2-4(key; source, destination, ports, client's ISN, whole epoch number, options; with a key that says
 *   so, the server's window scale)
 *
 * For a given SYN 2 epochs x 2^5 options are valid of 2^32 ISNs: a random ACK hits with 2^-26. With timestamps 2 x 2^13
 * of 2^64: 2^-50.
 */
#ifndef SW_BPF_GUARD_SYNCOOKIE_H
#define SW_BPF_GUARD_SYNCOOKIE_H

#include "compat.h"
#include "synward.h"
#include "synward_siphash.h"
#include "tcp/flow.h"

/* The bits of the MAC that are compared. A test compares fewer, to measure the rate of forgeries. */
#ifndef SW_COOKIE_ISN_MAC
#define SW_COOKIE_ISN_MAC 0xffffffc0u
#define SW_COOKIE_TS_MAC 0xffffff00u
#endif

/* The handshake that a cookie is for: addresses as on the wire, the SYN's sender first. IPv4 uses word 0 only. */
struct sw_cookie_tuple {
    __u32 src[4], dst[4];
    __be16 sport, dport;
    __u32 isn; /* the client's */
    __u32 v6;
    __u32 wscale; /* of the server's SYN-ACKs */
};

/* The options that a cookie encodes. */
struct sw_cookie_opts {
    __u16 mss;
    __u8 wscale; /* SW_WSCALE_NONE: no window scaling */
    __u8 sack;
    __u8 ecn;
    __u8 ts; /* the client sends timestamps; selects the form of the cookie */
};

struct sw_cookie {
    __u32 isn;
    __u32 tsval;
};

enum sw_cookie_result { SW_COOKIE_BAD, SW_COOKIE_OK, SW_COOKIE_EXPIRED };

#define SW_COOKIE_INFO_TS (1u << 13)
#define SW_COOKIE_INFO_BOUND (1u << 14) /* the next four bits are the server's window scale */

static __always_inline __u64 sw_cookie_mac(const __u64 key[2], const struct sw_cookie_tuple *f, __u32 epoch, __u32 info)
{
    struct sw_sip s;

    sw_sip_begin(&s, key);
    if (f->v6) {
        sw_sip_word(&s, f->src[0] | (__u64)f->src[1] << 32);
        sw_sip_word(&s, f->src[2] | (__u64)f->src[3] << 32);
        sw_sip_word(&s, f->dst[0] | (__u64)f->dst[1] << 32);
        sw_sip_word(&s, f->dst[2] | (__u64)f->dst[3] << 32);
    } else {
        sw_sip_word(&s, f->src[0] | (__u64)f->dst[0] << 32);
    }
    sw_sip_word(&s, f->sport | (__u32)f->dport << 16 | (__u64)f->isn << 32);
    /* info has 24 bits; the top byte is the message's length, as SipHash requires */
    sw_sip_word(&s, epoch | (__u64)info << 32 | (f->v6 ? 47ull : 23ull) << 56);
    return sw_sip_end(&s);
}

/*
 * The MSS in 7 bits, rounded down: every value from 1400 to 1460, every even one from 1300, and common ones below and
 * above. 536 and 1220 are the floors: every host accepts those (RFC 9293 section 3.7.1, RFC 8200 section 5), and the
 * kernel accepts no less.
 */
static __always_inline __u32 sw_mss_code(__u32 mss)
{
    if (mss >= 1400)
        return mss <= 1460  ? mss - 1400 + 60
               : mss < 1960 ? 120
               : mss < 2008 ? 121
               : mss < 4056 ? 122
               : mss < 4312 ? 123
               : mss < 8900 ? 124
               : mss < 8940 ? 125
               : mss < 8960 ? 126
                            : 127;
    if (mss >= 1300)
        return (mss - 1300) / 2 + 10;
    return mss < 756    ? 0
           : mss < 966  ? 1
           : mss < 1024 ? 2
           : mss < 1160 ? 3
           : mss < 1200 ? 4
           : mss < 1220 ? 5
           : mss < 1240 ? 6
           : mss < 1260 ? 7
           : mss < 1280 ? 8
                        : 9;
}

static __always_inline __u32 sw_mss_of(__u32 code)
{
    code &= 127;
    if (code > 120)
        return code == 121   ? 1960
               : code == 122 ? 2008
               : code == 123 ? 4056
               : code == 124 ? 4312
               : code == 125 ? 8900
               : code == 126 ? 8940
                             : 8960;
    if (code >= 60)
        return code - 60 + 1400;
    if (code >= 10)
        return (code - 10) * 2 + 1300;
    return code == 0   ? 536
           : code == 1 ? 756
           : code == 2 ? 966
           : code == 3 ? 1024
           : code == 4 ? 1160
           : code == 5 ? 1200
           : code == 6 ? 1220
           : code == 7 ? 1240
           : code == 8 ? 1260
                       : 1280;
}

/*
 * Everything in 5 bits, for a client without timestamps; rounded down, never up. What most of them
 * say is exact: MSS of Ethernet, window scale 7 (Linux), 8 (Windows), 10.
 *   0-14   SACK:       3 MSS x {none, 4, 7, 8, 10}
 *   15-23  SACK, ECN:  3 MSS x {none, 7, 8}
 *   24-31  no SACK:    2 MSS x {none, 4, 7, 8}, and no ECN
 * MSS: IPv4 536 1300 1460, IPv6 1220 1360 1440; without SACK the two lower ones.
 */
static __always_inline __u32 sw_cookie_pack5(const struct sw_cookie_opts *o, __u32 v6)
{
    __u32 mss = o->mss >= (v6 ? 1440 : 1460) ? 2 : o->mss >= (v6 ? 1360 : 1300) ? 1 : 0;
    __u32 ws = o->wscale == SW_WSCALE_NONE ? 0 : o->wscale;

    if (!o->sack)
        return 24 + (mss ? 4 : 0) + (ws >= 8 ? 3 : ws >= 7 ? 2 : ws >= 4 ? 1 : 0);
    if (o->ecn)
        return 15 + mss * 3 + (ws >= 8 ? 2 : ws >= 7 ? 1 : 0);
    return mss * 5 + (ws >= 10 ? 4 : ws >= 8 ? 3 : ws >= 7 ? 2 : ws >= 4 ? 1 : 0);
}

static __always_inline void sw_cookie_unpack5(struct sw_cookie_opts *o, __u32 code, __u32 v6)
{
    __u32 mss, ws;

    code &= 31;
    o->sack = code < 24;
    o->ecn = code >= 15 && code < 24;
    if (code >= 24) {
        mss = (code - 24) >> 2;
        ws = (code - 24) & 3;
    } else if (code >= 15) {
        mss = (code - 15) / 3;
        ws = (code - 15) % 3;
        ws = ws ? ws + 1 : 0; /* none, 7, 8 */
    } else {
        mss = code / 5;
        ws = code % 5;
    }
    o->wscale = ws == 0 ? SW_WSCALE_NONE : ws == 1 ? 4 : ws == 2 ? 7 : ws == 3 ? 8 : 10;
    o->mss = mss == 0 ? (v6 ? 1220 : 536) : mss == 1 ? (v6 ? 1360 : 1300) : (v6 ? 1440 : 1460);
}

/* With timestamps: bits 0-3 window scale, 4 SACK, 5 ECN, 6-12 MSS. */
static __always_inline __u32 sw_cookie_pack13(const struct sw_cookie_opts *o)
{
    __u32 ws = o->wscale > 14 ? 15 : o->wscale;

    return ws | (o->sack ? 1u << 4 : 0) | (o->ecn ? 1u << 5 : 0) | sw_mss_code(o->mss) << 6;
}

static __always_inline void sw_cookie_unpack13(struct sw_cookie_opts *o, __u32 code, __u32 v6)
{
    __u32 ws = code & 15, mss = sw_mss_of(code >> 6);

    o->wscale = ws == 15 ? SW_WSCALE_NONE : ws;
    o->sack = code >> 4 & 1;
    o->ecn = code >> 5 & 1;
    o->mss = v6 && mss < 1220 ? 1220 : mss;
}

static __always_inline const __u64 *sw_cookie_key(const struct sw_keys *keys, __u32 epoch)
{
    return (__s32)(epoch - keys->since) >= 0 ? keys->key[1] : keys->key[0];
}

/*
 * The MAC by the key of that epoch. Hosts that share a key must tell clients the same window scale, which no cookie has
 * room for: a key of version 2 makes a cookie of one that says another bad.
 */
static __always_inline __u64 sw_cookie_mac_by(const struct sw_keys *keys, const struct sw_cookie_tuple *f, __u32 epoch,
                                              __u32 code)
{
    __u32 newer = (__s32)(epoch - keys->since) >= 0, bound = keys->bound >> newer & 1;

    code |= -bound & (SW_COOKIE_INFO_BOUND | (f->wscale & 15) << 15); /* a branch would be one more for the verifier */
    return sw_cookie_mac(sw_cookie_key(keys, epoch), f, epoch, code);
}

static __always_inline __u32 sw_epoch(__u64 now)
{
    return (__u32)(now >> SW_EPOCH_SHIFT);
}

static __always_inline __u32 sw_cookie_isn(__u64 mac, __u32 epoch, __u32 code)
{
    return (__u32)(mac >> 32 & 0xffffffc0u) | (epoch & 1) << 5 | (code & 31);
}

static __always_inline __u32 sw_cookie_tsval(__u64 mac, __u32 code)
{
    return (__u32)(mac & 0xffffff) << 8 | (code >> 5 & 0xff);
}

/* Makes the cookie for a SYN; *o becomes what it encodes, so that the SYN-ACK offers no more. now includes
 * sw_guard.clock_offset. */
static __always_inline void sw_cookie_make(const struct sw_keys *keys, const struct sw_cookie_tuple *f,
                                           struct sw_cookie_opts *o, __u64 now, struct sw_cookie *ret)
{
    __u32 epoch = sw_epoch(now), code;
    __u64 mac;

    if (o->wscale != SW_WSCALE_NONE && o->wscale > 14)
        o->wscale = 14;
    if (o->ts) {
        code = sw_cookie_pack13(o) | SW_COOKIE_INFO_TS;
        sw_forget(code, (__u32)now);
        sw_cookie_unpack13(o, code & 0x1fff, f->v6);
    } else {
        code = sw_cookie_pack5(o, f->v6);
        sw_forget(code, (__u32)now);
        sw_cookie_unpack5(o, code, f->v6);
    }
    mac = sw_cookie_mac_by(keys, f, epoch, code);
    ret->isn = sw_cookie_isn(mac, epoch, code);
    ret->tsval = sw_cookie_tsval(mac, code);
}

static __always_inline int sw_cookie_matches(const struct sw_keys *keys, const struct sw_cookie_tuple *f, __u32 epoch,
                                             __u32 code, __u32 isn, __u32 tsval)
{
    __u64 mac = sw_cookie_mac_by(keys, f, epoch, code);

    if ((sw_cookie_isn(mac, epoch, code) ^ isn) & SW_COOKIE_ISN_MAC)
        return 0;
    return !(code & SW_COOKIE_INFO_TS) || !((sw_cookie_tsval(mac, code) ^ tsval) & SW_COOKIE_TS_MAC);
}

/* The epoch that an ISN's bit E stands for at `now`, and its option bits. */
static __always_inline __u32 sw_cookie_read(__u32 isn, __u32 ts, __u32 tsecr, __u64 now, __u32 *ret_code)
{
    __u64 left = (1ull << SW_EPOCH_SHIFT) - (now & ((1ull << SW_EPOCH_SHIFT) - 1));
    __u32 epoch = sw_epoch(now);

    *ret_code = isn & 31;
    if (ts)
        *ret_code |= (tsecr & 0xff) << 5 | SW_COOKIE_INFO_TS;
    if ((isn >> 5 & 1) != (epoch & 1))
        epoch += left < 1ull << SW_SKEW_SHIFT ? 1 : -1u;
    return epoch;
}

/*
 * Is `isn` (the acknowledgement minus 1) our cookie for this handshake, and not expired? ts: the segment carries
 * timestamps, and `tsecr` is its echo. Each value of E stands for one epoch: the current one and the one before, or the
 * next one in the current one's last 4 seconds, because the clock of another host or CPU may be ahead. So a cookie is
 * valid for one epoch at least (64 s, less the skew) and for two at most.
 */
static __always_inline int sw_cookie_is_live(const struct sw_keys *keys, const struct sw_cookie_tuple *f, __u32 isn,
                                             __u32 ts, __u32 tsecr, __u64 now, struct sw_cookie_opts *ret)
{
    __u32 code, epoch = sw_cookie_read(isn, ts, tsecr, now, &code);

    ret->ts = !!ts;
    if (ts)
        sw_cookie_unpack13(ret, code & 0x1fff, f->v6);
    else
        sw_cookie_unpack5(ret, code, f->v6);
    return sw_cookie_matches(keys, f, epoch, code, isn, tsecr);
}

/* Was it valid two epochs ago? Only for the drop reason. */
static __always_inline int sw_cookie_is_expired(const struct sw_keys *keys, const struct sw_cookie_tuple *f, __u32 isn,
                                                __u32 ts, __u32 tsecr, __u64 now)
{
    __u32 code, epoch = sw_cookie_read(isn, ts, tsecr, now, &code);

    return sw_cookie_matches(keys, f, epoch - 2, code, isn, tsecr);
}

static __always_inline enum sw_cookie_result sw_cookie_check(const struct sw_keys *keys,
                                                             const struct sw_cookie_tuple *f, __u32 isn, __u32 ts,
                                                             __u32 tsecr, __u64 now, struct sw_cookie_opts *ret)
{
    if (sw_cookie_is_live(keys, f, isn, ts, tsecr, now, ret))
        return SW_COOKIE_OK;
    return sw_cookie_is_expired(keys, f, isn, ts, tsecr, now) ? SW_COOKIE_EXPIRED : SW_COOKIE_BAD;
}

#endif
