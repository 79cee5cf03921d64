/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-2-4 (Aumasson and Bernstein, 2012), over whole words: cookies and uid. */
#ifndef SYNWARD_SIPHASH_H
#define SYNWARD_SIPHASH_H

#include <linux/types.h>

struct sw_sip {
    __u64 v0, v1, v2, v3;
};

static inline __attribute__((always_inline)) __u64 sw_rotl(__u64 x, int n)
{
    return x << n | x >> (64 - n);
}

static inline __attribute__((always_inline)) void sw_sip_round(struct sw_sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = sw_rotl(s->v1, 13) ^ s->v0;
    s->v3 = sw_rotl(s->v3, 16) ^ s->v2;
    s->v0 = sw_rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = sw_rotl(s->v1, 17) ^ s->v2;
    s->v3 = sw_rotl(s->v3, 21) ^ s->v0;
    s->v2 = sw_rotl(s->v2, 32);
}

static inline __attribute__((always_inline)) void sw_sip_begin(struct sw_sip *s, const __u64 key[2])
{
    s->v0 = key[0] ^ 0x736f6d6570736575ull;
    s->v1 = key[1] ^ 0x646f72616e646f6dull;
    s->v2 = key[0] ^ 0x6c7967656e657261ull;
    s->v3 = key[1] ^ 0x7465646279746573ull;
}

/* Eight bytes of the message, the first one lowest. The last word holds the length in its top byte. */
static inline __attribute__((always_inline)) void sw_sip_word(struct sw_sip *s, __u64 m)
{
    s->v3 ^= m;
    sw_sip_round(s);
    sw_sip_round(s);
    s->v0 ^= m;
}

static inline __attribute__((always_inline)) __u64 sw_sip_end(struct sw_sip *s)
{
    s->v2 ^= 0xff;
    sw_sip_round(s);
    sw_sip_round(s);
    sw_sip_round(s);
    sw_sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#endif
