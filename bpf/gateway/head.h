/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A copy of a TCP header with its options, which is translated from one space of numbers to the other, or becomes
 * another segment. Pure. As in packet/tcp_options.h the bytes are in memory that the verifier does not follow, so all
 * paths to an option are one.
 *
 *   client's space = backend's space + delta: of what the backend sends. The client's own numbers are the same in both.
 *
 *                client to backend           backend to client
 *   seq          -                           + delta
 *   ack          - delta                     -
 *   SACK         - delta                     -
 *   timestamps   TSecr - dts                 TSval + dts
 *   window       by `in`                     by `out`
 */
#ifndef SW_BPF_GATEWAY_HEAD_H
#define SW_BPF_GATEWAY_HEAD_H

#include "packet/tcp_options.h"

#define SW_HEAD_ROOM 64 /* a power of two, so that an index is masked */

struct sw_head {
    union {
        __u8 byte[SW_HEAD_ROOM];
        __be16 half[SW_HEAD_ROOM / 2];
        __be32 word[SW_HEAD_ROOM / 4];
    };
    __u32 len;   /* 20 to 60 */
    __u32 at;    /* of the walk through the options */
    __u32 sack;  /* what is added to SACK edges, */
    __u32 tsval; /* to TSval, */
    __u32 tsecr; /* to TSecr */
};

/* Words and halves of the header, by number. */
enum {
    SW_HEAD_PORTS = 0,
    SW_HEAD_SEQ = 1,
    SW_HEAD_ACK = 2,
    SW_HEAD_FLAGS = 6,
    SW_HEAD_WIN = 7,
    SW_HEAD_CHECK = 8,
    SW_HEAD_URG = 9
};
enum { SW_HEAD_OPTIONS = 20, SW_HEAD_MOST = 60 };

static __always_inline __be32 sw_head_be32(__u32 v)
{
    return (__be32)sw_ntohl(v);
}

static __always_inline void sw_head_add(struct sw_head *h, __u32 word, __u32 n)
{
    h->word[word] = sw_head_be32(sw_ntohl(h->word[word]) + n);
}

static __always_inline __u16 sw_head_flags(const struct sw_head *h)
{
    return sw_ntohs(h->half[SW_HEAD_FLAGS]) & 0x1ff;
}

/* A window of so many units, moved down; up if negative, and then no more than there is room for. Never grows by being
 * rounded: what is granted is there. */
static __always_inline __u16 sw_win_shift(__u32 win, __s32 down)
{
    if (down >= 0)
        return (__u16)(down > 15 ? 0 : win >> down);
    win <<= down < -15 ? 15 : -down;
    return (__u16)(win > 65535 ? 65535 : win);
}

/* Adds to the four bytes at any offset. */
static __always_inline void sw_head_add_at(struct sw_head *h, __u32 at, __u32 n)
{
    __u32 v = 0;

    if (!n)
        return;
    for (__u32 i = 0; i < 4; i++)
        v = v << 8 | h->byte[(at + i) & (SW_HEAD_ROOM - 1)];
    v += n;
    for (__u32 i = 0; i < 4; i++)
        h->byte[(at + i) & (SW_HEAD_ROOM - 1)] = (__u8)(v >> (24 - 8 * i));
}

enum { SW_TCPOPT_SACK_EDGES = 5 };

/* The option at `at`: its length, 0 to stop. */
SW_STEP int sw_head_option(struct sw_head *h, __u32 at)
{
    __u32 len;
    __u8 kind;

    if (!h)
        return 0;
    kind = h->byte[at & (SW_HEAD_ROOM - 1)];
    if (kind == SW_TCPOPT_EOL)
        return 0;
    if (kind == SW_TCPOPT_NOP)
        return 1;
    len = h->byte[(at + 1) & (SW_HEAD_ROOM - 1)];
    if (at + 1 >= h->len || len < 2 || at + len > h->len)
        return 0;
    if (kind == SW_TCPOPT_TS && len == 10) {
        sw_head_add_at(h, at + 2, h->tsval);
        sw_head_add_at(h, at + 6, h->tsecr);
    } else if (kind == SW_TCPOPT_SACK_EDGES) {
        for (__u32 i = 0; i < 8; i++) /* four blocks at most */
            if (6 + 4 * i <= len)
                sw_head_add_at(h, at + 2 + 4 * i, h->sack);
    }
    return (int)len;
}

static __always_inline void sw_head_options(struct sw_head *h)
{
    /* what most segments have, and nothing else: NOP NOP timestamps */
    if (h->len == SW_HEAD_OPTIONS + 12 && h->word[5] == sw_head_be32(0x0101080a)) {
        sw_head_add(h, 6, h->tsval);
        sw_head_add(h, 7, h->tsecr);
        return;
    }
    SW_WRITE_ONCE(h->at, SW_HEAD_OPTIONS);
    for (int i = 0; i < SW_TCPOPT_MAX; i++) {
        __u32 at = SW_READ_ONCE(h->at), len;

        if (at >= h->len)
            break;
        len = (__u32)sw_head_option(h, at);
        if (!len)
            break;
        SW_WRITE_ONCE(h->at, at + len);
    }
}

/* A segment of the client's, as the backend has to see it. */
static __always_inline void sw_head_to_backend(struct sw_head *h, const struct sw_xlate *x)
{
    __u16 flags = sw_head_flags(h);

    h->sack = -x->delta;
    h->tsval = 0;
    h->tsecr = flags & SW_TCP_ACK ? -x->dts : 0;
    if (flags & SW_TCP_ACK)
        sw_head_add(h, SW_HEAD_ACK, -x->delta);
    if (x->in && !(flags & SW_TCP_SYN))
        h->half[SW_HEAD_WIN] = sw_htons(sw_win_shift(sw_ntohs(h->half[SW_HEAD_WIN]), x->in));
    if (h->len > SW_HEAD_OPTIONS)
        sw_head_options(h);
}

/* A segment of the backend's, as the client has to see it. */
static __always_inline void sw_head_to_client(struct sw_head *h, const struct sw_xlate *x)
{
    h->sack = 0;
    h->tsval = x->dts;
    h->tsecr = 0;
    sw_head_add(h, SW_HEAD_SEQ, x->delta);
    if (x->out && !(sw_head_flags(h) & SW_TCP_SYN))
        h->half[SW_HEAD_WIN] = sw_htons(sw_win_shift(sw_ntohs(h->half[SW_HEAD_WIN]), x->out));
    if (h->len > SW_HEAD_OPTIONS && x->dts)
        sw_head_options(h);
}

/* --- other segments --- */

struct sw_segment {
    __u32 seq, ack;
    __u16 flags, win;
    __u32 ts; /* it has timestamps: */
    __u32 tsval, tsecr;
};

/* A header without options but timestamps; the ports stay. */
static __always_inline void sw_head_make(struct sw_head *h, const struct sw_segment *s)
{
    h->word[SW_HEAD_SEQ] = sw_head_be32(s->seq);
    h->word[SW_HEAD_ACK] = sw_head_be32(s->ack);
    h->half[SW_HEAD_FLAGS] = sw_htons((__u16)((s->ts ? 8 : 5) << 12 | s->flags));
    h->half[SW_HEAD_WIN] = sw_htons(s->win);
    h->half[SW_HEAD_CHECK] = h->half[SW_HEAD_URG] = 0;
    h->word[5] = s->ts ? sw_head_be32(0x0101080a) : 0;
    h->word[6] = s->ts ? sw_head_be32(s->tsval) : 0;
    h->word[7] = s->ts ? sw_head_be32(s->tsecr) : 0;
    for (int i = 8; i < SW_HEAD_ROOM / 4; i++)
        h->word[i] = 0;
    h->len = s->ts ? 32 : SW_HEAD_OPTIONS;
}

/* The ports change places. */
static __always_inline void sw_head_turn(struct sw_head *h)
{
    __be16 port = h->half[0];

    h->half[0] = h->half[1];
    h->half[1] = port;
}

/* The SYN that the client has sent, as its cookie and ACK show. It offers what the client was granted, and no more. */
static __always_inline void sw_head_syn(struct sw_head *h, const struct sw_xlate *x)
{
    struct sw_segment s = {.seq = x->client_isn, .flags = SW_TCP_SYN, .ts = x->flags & SW_XF_TS, .tsval = x->client_ts};
    __u32 scale = x->client_wscale == SW_WSCALE_NONE ? 0 : x->client_wscale, at = s.ts ? 9 : 6;

    if (x->flags & SW_XF_ECN)
        s.flags |= SW_TCP_ECE | SW_TCP_CWR;
    s.win = sw_win_shift(x->client_win, -(__s32)scale);
    sw_head_make(h, &s);
    /* MSS, then SACK permitted with the timestamps or alone, then window scale */
    h->word[5] = sw_head_be32(0x02040000u | x->mss);
    if (s.ts) {
        h->word[6] = sw_head_be32(x->flags & SW_XF_SACK ? 0x0402080a : 0x0101080a);
        h->word[7] = sw_head_be32(x->client_ts);
        h->word[8] = 0;
    } else if (x->flags & SW_XF_SACK) {
        h->word[6] = sw_head_be32(0x01010402);
        at = 7;
    }
    if (x->flags & SW_XF_WSCALE) {
        h->word[at] = sw_head_be32(0x01030300u | x->client_wscale);
        at++;
    }
    h->len = at * 4;
    h->half[SW_HEAD_FLAGS] = sw_htons((__u16)(at << 12 | s.flags));
}

/* The client's acknowledgement, in its own space, as it was: it is translated like any of its segments. */
static __always_inline void sw_head_client_ack(struct sw_head *h, const struct sw_xlate *x)
{
    struct sw_segment s = {.seq = x->client_isn + 1,
                           .ack = x->cookie_isn + 1,
                           .flags = SW_TCP_ACK,
                           .win = x->client_win,
                           .ts = x->flags & SW_XF_TS,
                           .tsval = x->client_ts,
                           .tsecr = x->cookie_ts};

    sw_head_make(h, &s);
}

/* To the client, once the backend has answered with a window of so many bytes: it may send. */
static __always_inline void sw_head_window(struct sw_head *h, const struct sw_xlate *x, __u32 bytes)
{
    struct sw_segment s = {.seq = x->cookie_isn + 1,
                           .ack = x->client_isn + 1,
                           .flags = SW_TCP_ACK,
                           .win = sw_win_shift(bytes, x->flags & SW_XF_WSCALE ? x->granted_wscale : 0),
                           .ts = x->flags & SW_XF_TS,
                           .tsval = x->cookie_ts,
                           .tsecr = x->client_ts};

    sw_head_make(h, &s);
}

/* To the client: the backend has refused. */
static __always_inline void sw_head_refused(struct sw_head *h, const struct sw_xlate *x)
{
    struct sw_segment s = {.seq = x->cookie_isn + 1, .ack = x->client_isn + 1, .flags = SW_TCP_RST | SW_TCP_ACK};

    sw_head_make(h, &s);
}

/* To whoever has acknowledged `seq` (RFC 9293 section 3.10.7.1). */
static __always_inline void sw_head_reset(struct sw_head *h, __u32 seq)
{
    struct sw_segment s = {.seq = seq, .flags = SW_TCP_RST};

    sw_head_make(h, &s);
}

#endif
