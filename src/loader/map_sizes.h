/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sizes of the maps, and the memory they take. */
#ifndef SW_LOADER_MAP_SIZES_H
#define SW_LOADER_MAP_SIZES_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

struct synward_bpf;
struct sw_filter_rules;
struct sw_hash_key;

struct sw_object_opts {
    struct sw_config cfg;
    __u32 max_flows; /* entries */
    __u32 max_half_open;
    __u32 ended_max;           /* connections that have ended; 0: as max_flows */
    __u32 syn_cache_max;       /* notes of syn_cache, in whole sets: for flows evicted from half_open */
    __u32 ring_bytes;          /* of `events`, a power of two and a multiple of the page */
    __u32 ring_open_bytes;     /* of `events_open` */
    const __u16 *server_ports; /* likely server ports for midstream flips; NULL: default list */
    size_t server_ports_len;
    const struct sw_filter_rules *filter; /* from the first packet on; NULL: none */
    const struct sw_hash_key *hash_key;   /* NULL: random numbers */
    /* with cfg.guard only */
    __u32 limit_source_max; /* addresses with a bucket; 1: no limit */
    __u32 limit_prefix_max;
    __u32 gateway_flows;  /* with cfg.gateway translate: connections that are translated at once */
    __u32 captures_bytes; /* of ring `captures`, a power of two; a page: none */
    bool pinned;          /* the maps outlive this process: their sizes are kept, whatever options say */
    bool old;             /* the form for kernels before 5.18: no guard, no checksums (sw_kernel_is_old) */
    bool no_ingress;      /* its XDP program is not loaded: libxdp loads a copy (sw_object_ingress_copy) */
    bool accept;          /* load sw_accept if the kernel has what it needs (sw_kernel_has_reqsk) */
};

/* sw_config.ended_bits for so many. */
__u8 sw_ended_bits(__u32 ended_max);
__u8 sw_object_ended_bits(const struct sw_object_opts *opts);

/* sw_config.share: a quarter of the table for unconfirmed connections, half for claimed ones, so a quarter for others.
 */
void sw_object_size_shares(__u32 max_flows, __u32 ret_share[SW_SHARES]);

/* sw_config.syn_sets. */
__u32 sw_object_syn_sets(const struct sw_object_opts *opts);

/* half_open_room after a sweep that has found so many. */
__s64 sw_half_open_room(__u32 max_half_open, __u64 present);

/* Bytes of `events_anomaly`. */
__u32 sw_object_anomaly_ring(const struct sw_object_opts *opts);

/* Of an object that is open and not loaded. 0 or -errno. */
int sw_object_size_maps(struct synward_bpf *obj, const struct sw_object_opts *opts);

/* Loading fails with E2BIG or ENOMEM for maps and programs alike: can maps of these sizes be created? 0 or -errno. */
int sw_object_try_maps(const struct sw_object_opts *opts);

/* About what the maps of these sizes take in the kernel. */
unsigned long long sw_object_bytes(const struct sw_object_opts *opts);

#endif
