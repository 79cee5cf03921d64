/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's figures, read from the maps of an instance: our own by descriptor, another's by id. */
#ifndef SW_LOADER_SERVICE_STATS_H
#define SW_LOADER_SERVICE_STATS_H

#include "base/key_state.h"
#include "synward.h"

/* All services: slot 0 has what belongs to none, and what services counted that are gone. */
struct sw_service_stats {
    struct sw_service services[SW_SERVICES];
    struct sw_svc_counters tally[SW_SERVICES]; /* sums over CPUs */
};

/* Reads both maps; values of evaluations that are too old are recomputed. now_ns is CLOCK_MONOTONIC. 0 or -errno. */
int sw_service_stats_read(int services_fd, int counters_fd, __u64 now_ns, struct sw_service_stats *ret);
int sw_service_stats_read_ids(__u32 services_id, __u32 counters_id, __u64 now_ns, struct sw_service_stats *ret);

/* Listening sockets for which there was no place: of map `guard`. 0 or -errno. */
int sw_service_stats_unprotected(int guard_fd, __u64 *ret);
/* The guard's configuration as a whole. 0 or -errno. */
int sw_service_stats_guard_id(__u32 guard_id, struct sw_guard *ret);

/* Keys of the key file, of map `guard`. alive: its daemon runs. 0 or -errno. */
int sw_service_stats_keys(int guard_fd, __u64 now_ns, bool alive, struct sw_key_state *ret);

/* How many there are, how many of them are not calm, and the sum over all slots. */
void sw_service_stats_sum(const struct sw_service_stats *t, __u64 *ret_services, __u64 *ret_active,
                          struct sw_svc_counters *ret_sum);

#endif
