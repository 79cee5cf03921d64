/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads flows and counters: our own by descriptor, those of any running instance by map id. */
#ifndef SW_LOADER_MAP_READER_H
#define SW_LOADER_MAP_READER_H

#include "synward.h"
#include "synward_ladder.h"

#include <stdbool.h>
#include <stddef.h>

/* The map of that id, to be closed. -ENOENT: there is none; -EPROTO: its values have another size, as those of another
 * version that has the same number. */
int sw_map_by_id(__u32 id, size_t value_size);

/* Calls fn for each connection in the map. The map changes during the iteration: a connection that begins or ends
 * meanwhile may be missed. 0 or -errno. */
typedef void (*sw_map_flow_fn)(const struct sw_key *key, const struct sw_flow *flow, void *ctx);
int sw_map_flows(__u32 map_id, sw_map_flow_fn fn, void *ctx);

/* The two maps of ladders, of a running instance with --ladder. */
struct sw_ladder_maps {
    int fd[2];
};
int sw_map_ladders_open(__u32 map_id, __u32 map_id_open, struct sw_ladder_maps *ret); /* 0 or -errno */
void sw_map_ladders_close(struct sw_ladder_maps *maps);
/* The one of the flow that began then; false: there is none. */
bool sw_map_ladder(const struct sw_ladder_maps *maps, const struct sw_key *key, __u64 start_ns, struct sw_ladder *ret);

int sw_counters_read(int map_fd, __u64 ret_counters[SW_C_MAX]);  /* sums over CPUs; 0 or -errno */
int sw_map_counters(__u32 map_id, __u64 ret_counters[SW_C_MAX]); /* sums over CPUs */
int sw_map_max_entries(__u32 map_id, __u64 *ret_max);

#endif
