/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/map_reader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 512
#define BATCH_MAX (1u << 20)

struct room {
    struct sw_key *keys;
    struct sw_flow *flows;
    __u32 size;
};

static int make_room(struct room *r, __u32 size)
{
    free(r->keys);
    free(r->flows);
    r->keys = calloc(size, sizeof(*r->keys));
    r->flows = calloc(size, sizeof(*r->flows));
    r->size = size;
    return r->keys && r->flows ? 0 : -ENOMEM;
}

static int open_map(__u32 id, struct bpf_map_info *ret_info)
{
    __u32 len = sizeof(*ret_info);
    int err, fd = bpf_map_get_fd_by_id(id);

    memset(ret_info, 0, sizeof(*ret_info));
    if (fd < 0)
        return -errno;
    if (!bpf_obj_get_info_by_fd(fd, ret_info, &len))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

int sw_map_by_id(__u32 id, size_t value_size)
{
    struct bpf_map_info info;
    int fd = open_map(id, &info);

    if (fd < 0 || info.value_size == value_size)
        return fd;
    close(fd);
    return -EPROTO;
}

int sw_map_flows(__u32 map_id, sw_map_flow_fn fn, void *ctx)
{
    struct room r = {0};
    bool first = true;
    __u32 in, out, count;
    int fd, err;

    fd = sw_map_by_id(map_id, sizeof(struct sw_flow));
    if (fd < 0)
        return fd;
    err = make_room(&r, BATCH);
    while (!err) {
        count = r.size;
        err = bpf_map_lookup_batch(fd, first ? NULL : &in, &out, r.keys, r.flows, &count, NULL) ? -errno : 0;
        if (err == -ENOSPC && r.size < BATCH_MAX) { /* a bucket holds more than that */
            err = make_room(&r, r.size * 2);
            continue;
        }
        if (err && err != -ENOENT) /* which means that this batch is the last */
            break;
        for (__u32 i = 0; i < count; i++)
            fn(&r.keys[i], &r.flows[i], ctx);
        in = out;
        first = false;
    }
    free(r.keys);
    free(r.flows);
    close(fd);
    return err == -ENOENT ? 0 : err;
}

int sw_map_ladders_open(__u32 map_id, __u32 map_id_open, struct sw_ladder_maps *ret)
{
    const __u32 ids[2] = {map_id, map_id_open};

    ret->fd[0] = ret->fd[1] = -1;
    for (int i = 0; i < 2; i++) {
        struct bpf_map_info info;

        ret->fd[i] = open_map(ids[i], &info);
        if (ret->fd[i] >= 0 && info.key_size == sizeof(struct sw_key) && info.value_size == sizeof(struct sw_ladder))
            continue;
        int err = ret->fd[i] < 0 ? ret->fd[i] : -EINVAL;
        sw_map_ladders_close(ret);
        return err;
    }
    return 0;
}

void sw_map_ladders_close(struct sw_ladder_maps *maps)
{
    for (int i = 0; i < 2; i++)
        if (maps->fd[i] >= 0)
            close(maps->fd[i]);
    maps->fd[0] = maps->fd[1] = -1;
}

bool sw_map_ladder(const struct sw_ladder_maps *maps, const struct sw_key *key, __u64 start_ns, struct sw_ladder *ret)
{
    for (int i = 0; i < 2; i++)
        if (!bpf_map_lookup_elem(maps->fd[i], key, ret) && ret->start_ns == start_ns)
            return true;
    return false;
}

int sw_map_max_entries(__u32 map_id, __u64 *ret_max)
{
    struct bpf_map_info info;
    int fd = open_map(map_id, &info);

    if (fd < 0)
        return fd;
    close(fd);
    *ret_max = info.max_entries;
    return 0;
}

int sw_counters_read(int map_fd, __u64 ret_counters[SW_C_MAX])
{
    int cpus = libbpf_num_possible_cpus(), err = 0;
    __u64 *values;

    if (cpus < 0)
        return cpus;
    values = calloc(cpus, sizeof(*values));
    if (!values)
        return -ENOMEM;
    for (__u32 i = 0; i < SW_C_MAX && !err; i++) {
        if (bpf_map_lookup_elem(map_fd, &i, values)) {
            err = -errno;
            break;
        }
        ret_counters[i] = 0;
        for (int cpu = 0; cpu < cpus; cpu++)
            ret_counters[i] += values[cpu];
    }
    free(values);
    return err;
}

int sw_map_counters(__u32 map_id, __u64 ret_counters[SW_C_MAX])
{
    struct bpf_map_info info;
    int fd = open_map(map_id, &info), err;

    if (fd < 0)
        return fd;
    err = sw_counters_read(fd, ret_counters);
    close(fd);
    return err;
}
