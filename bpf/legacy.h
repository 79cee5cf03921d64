/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernels before 5.18, of which Debian 11's 5.10 is tested: the tracker, and nothing of the guard. There global
 * functions take no pointers (5.12), atomic operations return no values (5.12), no helper iterates over a map (5.13),
 * there are no syscall programs (5.14) and no frames of several pages (5.18). Maps and programs have the same names, so
 * that user space handles one object; the programs below are never loaded. Replaces the whole of guard/.
 */
#ifndef SW_BPF_LEGACY_H
#define SW_BPF_LEGACY_H

#include "guard/maps.h"
#include "track/sweep.h"
#include "unguarded.h"

#include <linux/pkt_cls.h>

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} guard_scratch SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} gate_scratch SEC(".maps");

/* A frame of several pages is truncated before it gets here. */
static __always_inline __u32 sw_frame_len(struct xdp_md *ctx)
{
    return (__u32)(ctx->data_end - ctx->data);
}

static __always_inline int sw_tcp_csum_is_bad(struct xdp_md *ctx, struct sw_scratch *sc)
{
    (void)ctx, (void)sc;
    return 0;
}

SW_PART int sw_read_option(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    return sc ? sw_tcpopt_next(&sc->opt) : 0;
}

/* Option by option: with the parser inlined the verifier took from 200,000 to over 1,000,000 steps, depending on
 * clang's version. */
SW_PART int sw_read_list(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    if (!sc)
        return 0;
    sw_tcpopt_begin(&sc->opt);
    for (int i = 0; i < SW_TCPOPT_MAX; i++)
        if (!sw_read_option())
            break;
    return 0;
}

SEC(SW_XDP)
int sw_xdp_guard(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_PASS;
}

SEC("syscall")
int sw_sweep(void *ctx)
{
    (void)ctx;
    return 0;
}

SEC("syscall")
int sw_detect(void *ctx)
{
    (void)ctx;
    return 0;
}

SEC("tc")
int sw_gateway_in(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}

SEC("tc")
int sw_gateway_out(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}

SEC("syscall")
int sw_gateway_sweep(void *ctx)
{
    (void)ctx;
    return 0;
}

SEC("tc")
int sw_accept(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}

#endif
