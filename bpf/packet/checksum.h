/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP checksum (RFC 9293 section 3.1) of a segment as it is in the frame. With checksum offload the field holds the
 * folded sum of the pseudo-header only: that counts as correct where a virtual device may leave it so.
 */
#ifndef SW_BPF_PACKET_CHECKSUM_H
#define SW_BPF_PACKET_CHECKSUM_H

#include "packet/parse.h"

#define SW_CSUM_CHUNK 512  /* bpf_csum_diff takes no more */
#define SW_CSUM_CHUNKS 130 /* of SW_CSUM_CHUNK bytes: more than an IP packet holds */

/* Buffer for the part of the frame that is summed. */
struct sw_chunk {
    __u8 bytes[SW_CSUM_CHUNK];
};

static __always_inline __u16 sw_csum_fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)sum;
}

/* Sum of the pseudo-header, not folded, in the order of the wire. */
static __always_inline __u32 sw_csum_pseudo(const struct sw_key *k, __u32 tcp_len, __u32 v6)
{
    const __u16 *w = (const __u16 *)k;
    __u32 sum = 0;

    /* v4-mapped: the fixed ffff of both addresses must not count */
    for (int i = 0; i < 16; i++)
        if (v6 || (i & 7) >= 6)
            sum += w[i];
    return sum + sw_htons(SW_IP_TCP) + sw_htons(tcp_len >> 16) + sw_htons(tcp_len & 0xffff);
}

#if defined(__bpf__) || defined(SW_NATIVE)
/* Adds the sum of n < SW_CSUM_CHUNK bytes at off; -1: not in the frame. */
SW_STEP int sw_csum_tail(struct xdp_md *ctx, struct sw_chunk *chunk, __u32 off, __u32 n)
{
    __u32 even;

    if (!chunk)
        return -1;
    even = (n + 3) & ~3u;
    sw_opaque(even);
    if (even < 4 || even > SW_CSUM_CHUNK)
        return -1;
    *(__u32 *)(chunk->bytes + even - 4) = 0; /* padding of the last word */
    if (bpf_xdp_load_bytes(ctx, off, chunk->bytes, sw_length(n, SW_CSUM_CHUNK)))
        return -1;
    return sw_csum_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)chunk->bytes, even, 0));
}

#define SW_CSUM_WHOLE 0x10000 /* with the check: the pseudo-header's sum alone is wrong */

enum sw_csum_result { SW_CSUM_BAD, SW_CSUM_GOOD, SW_CSUM_PARTIAL };

/* Is the checksum of the TCP header and payload in the frame right? GOOD if they cannot be read. */
SW_STEP int sw_csum_judge(struct xdp_md *ctx, struct sw_chunk *chunk, struct sw_key *key, struct sw_place *place,
                          __u32 check)
{
    __u32 at = 0, sum, off, len;

    if (!chunk || !key || !place)
        return SW_CSUM_GOOD;
    off = place->tcp;
    len = place->tcp_len;
    sum = sw_csum_fold(sw_csum_pseudo(key, len, place->v6));
    if (sum == check) /* not with SW_CSUM_WHOLE */
        return SW_CSUM_PARTIAL;
    for (int i = 0; i < SW_CSUM_CHUNKS && at + SW_CSUM_CHUNK <= len; i++) {
        if (bpf_xdp_load_bytes(ctx, off + at, chunk->bytes, SW_CSUM_CHUNK))
            return SW_CSUM_GOOD;
        sum += sw_csum_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)chunk->bytes, SW_CSUM_CHUNK, 0));
        at += SW_CSUM_CHUNK;
    }
    if (at < len) {
        int tail = sw_csum_tail(ctx, chunk, off + at, len - at);

        if (tail < 0)
            return SW_CSUM_GOOD;
        sum += tail;
    }
    return sw_csum_fold(sum) == 0xffff ? SW_CSUM_GOOD : SW_CSUM_BAD;
}
#endif

#endif
