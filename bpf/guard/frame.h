/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames that the kernel does not look at: nothing that they claim counts, and nothing answers them. */
#ifndef SW_BPF_GUARD_FRAME_H
#define SW_BPF_GUARD_FRAME_H

#include "guard/service.h"
#include "packet/parse.h"
#include "track/clock.h"

/* Does this host take frames for the Ethernet address at `mac`? True also if its addresses are not known. */
static __always_inline int sw_mac_is_ours(const struct sw_guard *g, const void *mac)
{
    __u64 to = *(const __u32 *)mac | (__u64)((const __u16 *)mac)[2] << 32;
    __u32 n = g->macs;

    if (!n)
        return 1;
    SW_ROLLED
    for (__u32 i = 0; i < SW_MACS; i++) {
        if (i >= n)
            break;
        if (g->mac[i] == to)
            return 1;
    }
    return 0;
}

/* An IP header that says no length: only merged segments of more than 64 KB, or a jumbogram, are such (RFC 2675). */
static __always_inline int sw_has_no_length(struct xdp_md *ctx, __u32 ip_off)
{
    const __u8 *ip = (void *)(long)ctx->data;

    sw_opaque(ip_off);
    if (ip_off > 0xfff || bpf_xdp_get_buff_len(ctx) - ip_off > 65535)
        return 0;
    ip += ip_off;
    if (!SW_HAS(ip, 8, (void *)(long)ctx->data_end))
        return 0;
    return ip[0] >> 4 == 4 ? !(ip[2] | ip[3]) : !(ip[4] | ip[5]) && ip[6] != SW_IP_HOPOPT;
}

/* The kernel drops what comes from one of its own addresses, but for IPv6. */
static __always_inline int sw_is_from_here(const struct sw_guard *g, const struct sw_key *key, __u32 src_is_b)
{
    struct sw_ip src;

    if (!(g->flags & SW_G_NO_OWN_SOURCE) || sw_now_coarse() > g->local_ns + SW_ROUTES_NS)
        return 0; /* also if nobody keeps the addresses up to date */
    sw_key_ip(key, src_is_b, &src);
    return sw_ip_is_4(&src) && sw_ip_is_local(&src);
}

/*
 * To a group, or to everybody (RFC 9293 section 3.9.2.3); with fewer bytes than its IP header says; from one of this
 * host's addresses; or for one of its services, and to another host's Ethernet address. What this host only forwards or
 * bridges has any address.
 */
SW_STEP int sw_frame_is_ignored(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, __u32 ip_off)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_guard *g = sw_guard_config();

    if (!key || !s || !g)
        return 0;
    if (!SW_HAS(data, 14, end) || *(__u8 *)data & 1)
        return 1;
    if (bpf_xdp_get_buff_len(ctx) < (__u64)ip_off + s->ip_bytes || sw_has_no_length(ctx, ip_off))
        return 1;
    if (sw_is_from_here(g, key, s->src_is_b))
        return 1;
    return !sw_mac_is_ours(g, data) && sw_service_of(key, !s->src_is_b);
}

#endif
