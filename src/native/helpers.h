/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of bpf/ call and how they declare their maps, for the host. A map is a variable with pointers in
 * it that only say its type; here the first of them points to what the map is (sw_native_map).
 */
#ifndef SW_NATIVE_HELPERS_H
#define SW_NATIVE_HELPERS_H

#include "native/map.h"

#include <arpa/inet.h>
#include <string.h>

/* In the kernel's one addresses have 32 bits. */
#define xdp_md kernel_xdp_md
#include <linux/bpf.h>
#undef xdp_md

struct xdp_md {
    unsigned long data, data_end;
    __u32 ingress_ifindex;
};

#define SEC(name)
#define __uint(name, number) int(*name)[number]
#define __type(name, type) typeof(type) *name
#define SW_XDP "xdp"

#define bpf_ntohs ntohs
#define bpf_ntohl ntohl
#define bpf_htons htons
#define bpf_htonl htonl

static inline struct sw_native_map *sw_native_of(const void *map)
{
    struct sw_native_map *m;

    memcpy(&m, map, sizeof(m));
    return m;
}

/* While a sweep runs: reads the rings. */
static void sw_native_make_space(void);

#define SW_NATIVE_TYPE(map) (sizeof(*(map)->type) / sizeof(int))

static inline __attribute__((always_inline)) void *sw_native_lookup(__u32 type, const void *map, const void *key)
{
    if (type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH)
        return sw_native_hash_lookup(sw_native_of(map), key);
    return sw_native_array_lookup(sw_native_of(map), *(const __u32 *)key);
}

#define bpf_map_lookup_elem(map, key) sw_native_lookup(SW_NATIVE_TYPE(map), map, key)
#define bpf_map_update_elem(map, key, value, flags) sw_native_map_update(sw_native_of(map), key, value, flags)
#define bpf_map_delete_elem(map, key) sw_native_map_delete(sw_native_of(map), key)
#define bpf_for_each_map_elem(map, fn, arg, flags) sw_native_map_walk(sw_native_of(map), fn, arg)
#define bpf_ringbuf_reserve(map, size, flags) sw_native_ring_reserve(sw_native_of(map), size)
#define bpf_ringbuf_submit(record, flags) ((void)(record), (void)(flags))
#define bpf_ringbuf_discard(record, flags) ((void)(record), (void)(flags)) /* nobody sleeps there */

/* A sweep asks whether there is space: if there is none, it is made. */
static inline __u64 bpf_ringbuf_query(const void *map, __u64 what)
{
    const struct sw_native_map *m = sw_native_of(map);

    if (what != BPF_RB_AVAIL_DATA)
        return m->max_entries;
    if (m->used >= m->max_entries / 2)
        sw_native_make_space();
    return m->used;
}

static inline __u64 bpf_ktime_get_ns(void)
{
    return 0; /* the clock is the capture's */
}

static inline __u64 bpf_jiffies64(void)
{
    return 0;
}

static inline __u64 bpf_get_socket_cookie(const void *skb)
{
    (void)skb;
    return 0;
}

static inline __u64 bpf_skb_cgroup_id(const void *skb)
{
    (void)skb;
    return 0;
}

static inline __u64 bpf_xdp_get_buff_len(const struct xdp_md *ctx)
{
    return ctx->data_end - ctx->data;
}

static inline long bpf_xdp_load_bytes(const struct xdp_md *ctx, __u32 offset, void *to, __u32 len)
{
    if (offset > ctx->data_end - ctx->data || len > ctx->data_end - ctx->data - offset)
        return -1;
    memcpy(to, (const void *)(ctx->data + offset), len);
    return 0;
}

/* The sum of `to` alone, not folded: a multiple of four bytes, at most 512. */
static inline __s64 bpf_csum_diff(const void *from, __u32 from_size, const __be32 *to, __u32 to_size, __u32 seed)
{
    __u64 sum = seed;

    (void)from, (void)from_size;
    for (__u32 i = 0; i < to_size / sizeof(*to); i++)
        sum += to[i];
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (__u32)(sum + (sum >> 32));
}

#endif
