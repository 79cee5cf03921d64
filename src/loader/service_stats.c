/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/service_stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 128        /* slots in one call: values of all CPUs come together */
#define COOKIE_SECONDS 4 /* engaged: the half-open handshakes are the cookies of so long at most */

SW_ASSERT(SW_SERVICES % BATCH == 0, "whole batches");

static void add(struct sw_tally *sum, const struct sw_tally *t)
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

    /* the batch that reaches the end says ENOENT */
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

static int read_counters(int fd, struct sw_tally ret[SW_SERVICES])
{
    int cpus = libbpf_num_possible_cpus(), err = 0;
    size_t stride = cpus > 0 ? cpus * sizeof(struct sw_tally) : 0;
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
            add(&ret[first + i / cpus], (const struct sw_tally *)values + i);
    }
    free(values);
    return err;
}

/* A calm service is judged when a SYN comes. If none came, the last judgement's figures stand there still. */
static void bring_up_to_date(struct sw_service *s, __u64 now_ns)
{
    __u64 tick = now_ns / SW_DECIDE_NS, second = SW_SECOND / SW_DECIDE_NS;

    if (tick < s->tick + second + 2)
        return;
    s->syn_rate = 0;
    s->done_rate = 0;
    if (tick > s->tick + (s->state == SW_GS_ENGAGED ? COOKIE_SECONDS : SW_SECONDS_BACK) * second)
        s->half_open = 0;
}

int sw_tallies_read(int services_fd, int counters_fd, __u64 now_ns, struct sw_tallies *ret)
{
    bool batches = true;
    int err = 0;

    for (__u32 first = 0; first < SW_SERVICES && !err; first += BATCH)
        err = read_slots(services_fd, first, sizeof(ret->services[0]), (char *)&ret->services[first], &batches);
    for (__u32 i = 0; i < SW_SERVICES && !err; i++)
        bring_up_to_date(&ret->services[i], now_ns);
    return err ? err : read_counters(counters_fd, ret->tally);
}

int sw_tallies_read_ids(__u32 services_id, __u32 counters_id, __u64 now_ns, struct sw_tallies *ret)
{
    int services = bpf_map_get_fd_by_id(services_id), counters, err;

    if (services < 0)
        return -errno;
    counters = bpf_map_get_fd_by_id(counters_id);
    if (counters < 0) {
        err = -errno;
    } else {
        err = sw_tallies_read(services, counters, now_ns, ret);
        close(counters);
    }
    close(services);
    return err;
}

void sw_tallies_sum(const struct sw_tallies *t, __u64 *ret_services, __u64 *ret_awake, struct sw_tally *ret_sum)
{
    *ret_services = *ret_awake = 0;
    memset(ret_sum, 0, sizeof(*ret_sum));
    for (int i = 0; i < SW_SERVICES; i++) {
        add(ret_sum, &t->tally[i]);
        if (!i || !t->services[i].port)
            continue;
        ++*ret_services;
        *ret_awake += t->services[i].state != SW_GS_CALM;
    }
}
