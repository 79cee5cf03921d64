/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/service_stats.h"

#include "loader/map_reader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 128        /* slots in one call: values of all CPUs come together */
#define COOKIE_SECONDS 4 /* engaged: half-open handshakes are the unanswered cookies of this time at most */

SW_ASSERT(SW_SERVICES % BATCH == 0, "whole batches");

static void add(struct sw_svc_counters *sum, const struct sw_svc_counters *t)
{
    for (int i = 0; i < SW_T_MAX; i++)
        sum->item[i] += t->item[i];
    for (int i = 0; i < SW_DROP_MAX; i++)
        sum->drop[i] += t->drop[i];
}

/* Before 5.13 per-CPU arrays have no batches: one by one. */
static int read_slots(int fd, __u32 first, size_t stride, char *values, bool *batches)
{
    __u32 keys[BATCH], in = first - 1, out, n = BATCH;

    /* the last batch returns ENOENT */
    if (*batches && (!bpf_map_lookup_batch(fd, first ? &in : NULL, &out, keys, values, &n, NULL) || errno == ENOENT) &&
        n == BATCH)
        return 0;
    *batches = false;
    for (__u32 i = 0; i < BATCH; i++) {
        __u32 slot = first + i;

        if (bpf_map_lookup_elem(fd, &slot, values + i * stride))
            return -errno;
    }
    return 0;
}

static int read_counters(int fd, struct sw_svc_counters ret[SW_SERVICES])
{
    int cpus = libbpf_num_possible_cpus(), err = 0;
    size_t stride = cpus > 0 ? cpus * sizeof(struct sw_svc_counters) : 0;
    bool batches = true;
    char *values;

    if (cpus <= 0)
        return cpus ? cpus : -ENODEV;
    values = calloc(BATCH, stride);
    if (!values)
        return -ENOMEM;
    memset(ret, 0, SW_SERVICES * sizeof(*ret));
    for (__u32 first = 0; first < SW_SERVICES && !err; first += BATCH) {
        err = read_slots(fd, first, stride, values, &batches);
        for (size_t i = 0; i < BATCH * (size_t)cpus && !err; i++)
            add(&ret[first + i / cpus], (const struct sw_svc_counters *)values + i);
    }
    free(values);
    return err;
}

/* A calm service is evaluated when a SYN comes. Without SYNs the values of the last evaluation are out of date. */
static void bring_up_to_date(struct sw_service *s, __u64 now_ns)
{
    __u64 tick = now_ns / SW_DETECT_NS, second = SW_SECOND / SW_DETECT_NS;

    if (tick < s->tick + second + 2)
        return;
    s->syn_rate = 0;
    s->completed_rate = 0;
    if (tick > s->tick + (s->state == SW_GS_ENGAGED ? COOKIE_SECONDS : SW_SECONDS_BACK) * second)
        s->half_open = 0;
}

int sw_service_stats_read(int services_fd, int counters_fd, __u64 now_ns, struct sw_service_stats *ret)
{
    bool batches = true;
    int err = 0;

    for (__u32 first = 0; first < SW_SERVICES && !err; first += BATCH)
        err = read_slots(services_fd, first, sizeof(ret->services[0]), (char *)&ret->services[first], &batches);
    for (__u32 i = 0; i < SW_SERVICES && !err; i++)
        bring_up_to_date(&ret->services[i], now_ns);
    return err ? err : read_counters(counters_fd, ret->tally);
}

int sw_service_stats_read_ids(__u32 services_id, __u32 counters_id, __u64 now_ns, struct sw_service_stats *ret)
{
    int services = sw_map_by_id(services_id, sizeof(struct sw_service)), counters, err;

    if (services < 0)
        return services;
    counters = sw_map_by_id(counters_id, sizeof(struct sw_svc_counters));
    if (counters < 0) {
        err = counters;
    } else {
        err = sw_service_stats_read(services, counters, now_ns, ret);
        close(counters);
    }
    close(services);
    return err;
}

int sw_service_stats_unprotected(int guard_fd, __u64 *ret)
{
    struct sw_guard guard = {0};
    __u32 zero = 0;

    if (bpf_map_lookup_elem(guard_fd, &zero, &guard))
        return -errno;
    *ret = guard.unprotected;
    return 0;
}

int sw_service_stats_guard_id(__u32 guard_id, struct sw_guard *ret)
{
    int fd = sw_map_by_id(guard_id, sizeof(struct sw_guard)), err;
    const __u32 zero = 0;

    if (fd < 0)
        return fd;
    err = bpf_map_lookup_elem(fd, &zero, ret) ? -errno : 0;
    close(fd);
    return err;
}

int sw_service_stats_keys(int guard_fd, __u64 now_ns, bool alive, struct sw_key_state *ret)
{
    struct sw_guard guard = {0};
    __u32 zero = 0;

    if (bpf_map_lookup_elem(guard_fd, &zero, &guard))
        return -errno;
    *ret = sw_key_state_of(&guard, now_ns, alive);
    return 0;
}

void sw_service_stats_sum(const struct sw_service_stats *t, __u64 *ret_services, __u64 *ret_active,
                          struct sw_svc_counters *ret_sum)
{
    *ret_services = *ret_active = 0;
    memset(ret_sum, 0, sizeof(*ret_sum));
    for (int i = 0; i < SW_SERVICES; i++) {
        add(ret_sum, &t->tally[i]);
        if (!i || !t->services[i].port)
            continue;
        ++*ret_services;
        *ret_active += t->services[i].state != SW_GS_CALM;
    }
}
