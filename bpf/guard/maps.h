/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's maps. Sizes here are defaults; user space sets those that options change before loading. */
#ifndef SW_BPF_GUARD_MAPS_H
#define SW_BPF_GUARD_MAPS_H

#include "track/maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_guard);
} guard SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SW_SERVICES);
    __type(key, __u32);
    __type(value, struct sw_service);
} services SEC(".maps");

/* port (host order) -> its first service, 0: none */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 65536);
    __type(key, __u32);
    __type(value, __u32);
} svc_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_SERVICES);
    __type(key, __u32);
    __type(value, struct sw_svc_counters);
} svc_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SW_SERVICES);
    __type(key, __u32);
    __type(value, struct sw_svc_history);
} svc_history SEC(".maps");

struct sw_ip {
    __u32 word[4];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SW_LOCAL_IPS);
    __type(key, __u32);
    __type(value, struct sw_ip);
} local_ips SEC(".maps");

/* Four-tuples that may have a socket, as a bit map: two generations, one after the other */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 2 * SW_KNOWN_WORDS);
    __type(key, __u32);
    __type(value, __u64);
} known_tuples SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct sw_keys);
} keys SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SW_USED_COOKIES);
    __type(key, struct sw_cookie_id);
    __type(value, __u32);
} used_cookies SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 20);
    __type(key, struct sw_cidr);
    __type(value, __u32);
} allow SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 20);
    __type(key, struct sw_cidr);
    __type(value, __u32);
} block SEC(".maps");

/* This host's routes: 1 if they lead over an interface that is watched, else 0. Old and new ones stand side by side for
 * a moment when they change. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 2 * SW_ROUTES_MAX);
    __type(key, struct sw_cidr);
    __type(value, __u32);
} reverse_path SEC(".maps");

/* Of a gateway: its services by port and prefix, and addresses of this host, which are none. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SW_SERVICE_NETS);
    __type(key, struct sw_service_net);
    __type(value, __u32);
} service_nets SEC(".maps");

/* What was found there, until it changes: a flood is for few addresses. */
struct sw_net_found {
    struct sw_ip ip;
    __u32 port; /* 0: nothing */
    __u32 service;
    __u64 gen;
    /* translate: what map `backends` says of it */
    __u64 read_ns; /* 0: not yet */
    __u16 mss;     /* 0: not known */
    __u8 grants;   /* SW_BE_*: what clients may be granted */
    __u8 closed;   /* it refuses, or is silent */
    __u8 ask;      /* nothing is known of it: one SYN passes, for its SYN-ACK to be seen */
    __u8 pad[3];
    __u64 asked_ns;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_NET_CACHE);
    __type(key, __u32);
    __type(value, struct sw_net_found);
} net_cache SEC(".maps");

/* Of a gateway that translates (synward_gateway.h). An entry that was evicted would be a connection that hangs. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SW_GATEWAY_FLOWS);
    __type(key, struct sw_xlate_key);
    __type(value, struct sw_xlate);
} xlate SEC(".maps");

/* Entries of `xlate` by their clients, as a hash of the address, or of the /64 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SW_GATEWAY_SHARES);
    __type(key, __u32);
    __type(value, __u32);
} xlate_shares SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SW_GATEWAY_BACKENDS);
    __type(key, struct sw_backend_key);
    __type(value, struct sw_backend_facts);
} backends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_gateway_state);
} gateway_state SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SW_GATEWAY_DUE);
    __type(key, __u32);
    __type(value, struct sw_gateway_due);
} gateway_due SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct sw_ip);
    __type(value, struct sw_bucket);
} limit_source SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct sw_ip);
    __type(value, struct sw_bucket);
} limit_prefix SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} guard_events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20);
} captures SEC(".maps");

/* Rate limit of drop records for one reason on one CPU, so that a flood does not fill the ring. */
struct sw_drop_log {
    __u64 ns;    /* of the last drop record */
    __u64 count; /* drops since */
    __u64 frames_ns;
    __u64 frames; /* sampled in the current second */
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2 * SW_DROP_MAX); /* reason * 2 + dry run */
    __type(key, __u32);
    __type(value, struct sw_drop_log);
} drop_log SEC(".maps");

#endif
