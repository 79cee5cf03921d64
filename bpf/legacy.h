/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernels before 5.18, of which Debian 11's 5.10 is tested: the tracker, and nothing of the guard. There global
 * functions take no pointers (5.12), atomic operations give no results (5.12), nothing walks a map (5.13), there are no
 * syscall programs (5.14) and no frames of several pages (5.18). The same maps and programs by name, so that user space
 * knows one object; those below are never loaded. Stands for the whole of guard/.
 */
#ifndef SW_BPF_LEGACY_H
#define SW_BPF_LEGACY_H

#include "guard/maps.h"
#include "track/sweep.h"

#include <linux/pkt_cls.h>

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} guarding SEC(".maps");

enum { SW_BOOK_OPENED, SW_BOOK_COMPLETED, SW_BOOK_ABORTED };

static __always_inline void sw_guard_book(struct sw_key *key, __u32 resp_is_b, __u32 what)
{
    (void)key, (void)resp_is_b, (void)what;
}

static __always_inline void sw_known_set(const struct sw_key *k, __u32 src_is_b)
{
    (void)k, (void)src_is_b;
}

/* A frame of several pages is cut short before it comes here. */
static __always_inline __u32 sw_frame_len(struct xdp_md *ctx)
{
    return (__u32)(ctx->data_end - ctx->data);
}

static __always_inline int sw_sum_is_wrong(struct xdp_md *ctx, struct sw_scratch *sc)
{
    (void)ctx, (void)sc;
    return 0;
}

SW_PART int sw_read_option(void)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);

    return sc ? sw_tcpopt_next(&sc->opt) : 0;
}

/* Option by option: with the reader inlined this was checked in 200,000 to over 1,000,000 steps, as clang pleased. */
SW_PART int sw_read_list(void)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);

    if (!sc)
        return 0;
    sw_tcpopt_begin(&sc->opt);
    for (int i = 0; i < SW_TCPOPT_MAX; i++)
        if (!sw_read_option())
            break;
    return 0;
}

SEC(SW_XDP)
int sw_guarded(struct xdp_md *ctx)
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
int sw_judge(void *ctx)
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
