/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/map_sizes.h"

#include "synward.skel.h"
#include "synward_histogram.h"
#include "synward_ladder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define GUARD_RING (1u << 20)
#define ANOMALY_RING_MOST (4u << 20) /* it is read as a whole */

/* A power of two and a multiple of the page, as --ring is. */
__u32 sw_object_anomaly_ring(const struct sw_object_opts *opts)
{
    const __u32 least = 4 * (__u32)sysconf(_SC_PAGESIZE), share = opts->ring_bytes / 16;

    return share < least ? least : share < ANOMALY_RING_MOST ? share : ANOMALY_RING_MOST;
}

/* The guard's maps keep their sizes only if there is a guard. */
static int size_guard_maps(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const bool guard = opts->cfg.guard, translate = opts->cfg.gateway == SW_GATEWAY_TRANSLATE;
    const __u32 page = sysconf(_SC_PAGESIZE);
    const struct {
        struct bpf_map *map;
        __u32 with, without;
    } sizes[] = {
        {obj->maps.services, SW_SERVICES, 1},
        {obj->maps.svc_ports, 65536, 1},
        {obj->maps.svc_counters, SW_SERVICES, 1},
        {obj->maps.svc_history, SW_SERVICES, 1},
        {obj->maps.local_ips, SW_LOCAL_IPS, 1},
        {obj->maps.known_tuples, 2 * SW_KNOWN_WORDS, 1},
        {obj->maps.allow, SW_LIST_ENTRIES_MAX, 1},
        {obj->maps.block, SW_LIST_ENTRIES_MAX, 1},
        {obj->maps.reverse_path, 2 * SW_ROUTES_MAX, 1},
        {obj->maps.service_nets, SW_SERVICE_NETS, 1},
        {obj->maps.net_cache, SW_NET_CACHE, 1},
        {obj->maps.xlate, translate ? opts->gateway_flows : 1, 1},
        {obj->maps.xlate_shares, translate ? SW_GATEWAY_SHARES : 1, 1},
        {obj->maps.backends, translate ? SW_GATEWAY_BACKENDS : 1, 1},
        {obj->maps.gateway_due, translate ? SW_GATEWAY_DUE : 1, 1},
        {obj->maps.used_cookies, SW_USED_COOKIES, 1},
        {obj->maps.limit_source, opts->limit_source_max, 1},
        {obj->maps.limit_prefix, opts->limit_prefix_max, 1},
        {obj->maps.guard_events, GUARD_RING, page},
        {obj->maps.captures, opts->captures_bytes, page},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !err; i++)
        err = bpf_map__set_max_entries(sizes[i].map, guard ? sizes[i].with : sizes[i].without);
    return err;
}

__u8 sw_ended_bits(__u32 ended_max)
{
    __u8 bits = 10;

    while (bits < 24 && 1u << bits < ended_max)
        bits++;
    return bits;
}

__u8 sw_object_ended_bits(const struct sw_object_opts *opts)
{
    return sw_ended_bits(opts->ended_max ? opts->ended_max : opts->max_flows);
}

__u32 sw_object_syn_sets(const struct sw_object_opts *opts)
{
    return opts->syn_cache_max / SW_SYN_WAYS + !!(opts->syn_cache_max % SW_SYN_WAYS);
}

/* In a flood so many still evict others, so that what is in the table is of the last 16 seconds and not older. */
__s64 sw_half_open_room(__u32 max_half_open, __u64 present)
{
    const __s64 least = max_half_open < 16 ? 1 : max_half_open / 16;

    return present < max_half_open - (__u64)least ? max_half_open - (__s64)present : least;
}

void sw_object_size_shares(__u32 max_flows, __u32 ret_share[SW_SHARES])
{
    ret_share[SW_SHARE_UNCONFIRMED] = max_flows < 4 ? 1 : max_flows / 4;
    ret_share[SW_SHARE_CLAIMED] = max_flows < 2 ? 1 : max_flows / 2;
}

int sw_object_size_maps(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const struct {
        struct bpf_map *map;
        __u32 entries;
    } sizes[] = {
        {obj->maps.flows, opts->max_flows},
        {obj->maps.half_open, opts->max_half_open},
        {obj->maps.syn_cache, sw_object_syn_sets(opts)},
        {obj->maps.ended, 1u << sw_object_ended_bits(opts)},
        {obj->maps.ladders, opts->cfg.ladder ? opts->max_flows : 1},
        {obj->maps.ladders_open, opts->cfg.ladder ? opts->max_half_open : 1},
        {obj->maps.events, opts->ring_bytes},
        {obj->maps.events_open, opts->ring_open_bytes},
        {obj->maps.events_anomaly, sw_object_anomaly_ring(opts)},
    };
    int err;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        err = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);
        if (err)
            return err;
    }
    return size_guard_maps(obj, opts);
}

int sw_object_try_maps(const struct sw_object_opts *opts)
{
    const struct {
        enum bpf_map_type type;
        __u32 key, value, entries;
    } maps[] = {
        {BPF_MAP_TYPE_HASH, sizeof(struct sw_key), sizeof(struct sw_flow), opts->max_flows},
        {BPF_MAP_TYPE_LRU_HASH, sizeof(struct sw_key), sizeof(struct sw_flow), opts->max_half_open},
        {BPF_MAP_TYPE_HASH, sizeof(struct sw_key), sizeof(struct sw_ladder), opts->cfg.ladder ? opts->max_flows : 1},
        {BPF_MAP_TYPE_LRU_HASH, sizeof(struct sw_key), sizeof(struct sw_ladder),
         opts->cfg.ladder ? opts->max_half_open : 1},
        {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct sw_syn_set), sw_object_syn_sets(opts)},
        {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct sw_ended), 1u << sw_object_ended_bits(opts)},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->ring_bytes},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->ring_open_bytes},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, sw_object_anomaly_ring(opts)},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->captures_bytes}, /* with the guard only */
    };
    enum { MAPS = sizeof(maps) / sizeof(maps[0]) };
    int fds[MAPS], n = 0, err = 0;

    for (; n < MAPS - !opts->cfg.guard && !err; n++) {
        fds[n] = bpf_map_create(maps[n].type, NULL, maps[n].key, maps[n].value, maps[n].entries, NULL);
        err = fds[n] < 0 ? -errno : 0;
    }
    while (n--)
        /* cppcheck-suppress uninitvar ; the loop above wrote the first n */
        if (fds[n] >= 0)
            close(fds[n]);
    return err;
}

/* A hash element costs its key and value and about 64 bytes of links, hash and bucket. */
unsigned long long sw_object_bytes(const struct sw_object_opts *opts)
{
    const unsigned long long element = sizeof(struct sw_key) + sizeof(struct sw_flow) + 64 +
                                       (opts->cfg.ladder ? sizeof(struct sw_key) + sizeof(struct sw_ladder) + 64 : 0);
    const unsigned long long bucket = sizeof(struct sw_bucket) + 16 + 64;
    unsigned long long bytes;

    bytes = (opts->max_flows + (unsigned long long)opts->max_half_open) * element +
            (unsigned long long)sw_object_syn_sets(opts) * sizeof(struct sw_syn_set) +
            (sizeof(struct sw_ended) << sw_object_ended_bits(opts)) + opts->ring_bytes + opts->ring_open_bytes +
            sw_object_anomaly_ring(opts) + sizeof(struct sw_histogram_set) * (SW_HG_SERVERS + 1ull) +
            sizeof(struct sw_histogram_set) * (SW_HG_ROWS + 1ull) * get_nprocs_conf();
    if (!opts->cfg.guard)
        return bytes;
    return bytes + (opts->limit_source_max + (unsigned long long)opts->limit_prefix_max) * bucket +
           SW_USED_COOKIES * (sizeof(struct sw_cookie_id) + 8 + 64ull) + opts->captures_bytes + GUARD_RING +
           (opts->cfg.gateway == SW_GATEWAY_TRANSLATE
                ? opts->gateway_flows * (sizeof(struct sw_xlate_key) + sizeof(struct sw_xlate) + 64ull) +
                      SW_GATEWAY_SHARES * 8 +
                      SW_GATEWAY_BACKENDS * (sizeof(struct sw_backend_key) + sizeof(struct sw_backend_facts) + 64ull)
                : 0) +
           65536ull * 8 + 2 * SW_KNOWN_WORDS * sizeof(__u64) +
           SW_SERVICES * (sizeof(struct sw_service) + sizeof(struct sw_svc_history) +
                          (unsigned long long)get_nprocs_conf() * sizeof(struct sw_svc_counters));
}
