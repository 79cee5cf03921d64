/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The map `filter` of a loaded object or of any running instance: which connections are followed. */
#ifndef SW_LOADER_FILTER_H
#define SW_LOADER_FILTER_H

#include "synward_filter.h"

#include <stdbool.h>

/* Maps it. 0 or -errno; -ENOENT: there is no map of that id; -EPROTO: of another version. */
int sw_filter_map(int map_fd, struct sw_filter_map **ret);
int sw_filter_map_id(__u32 map_id, struct sw_filter_map **ret);
void sw_filter_unmap(struct sw_filter_map *map); /* NULL is fine */

/* A copy, taken as a whole; all zero if no filter is set. 0, or -EAGAIN: it changes all the time. */
int sw_filter_get(const struct sw_filter_map *map, struct sw_filter_rules *ret);
int sw_filter_get_id(__u32 map_id, struct sw_filter_rules *ret);

/*
 * Replaces the filter, for all packets from then on; rules without lists remove it. 0 or -errno; -EBUSY: another
 * process is changing one and does not finish. Takes up to a few milliseconds: until no program reads the slot that is
 * filled.
 */
int sw_filter_set(struct sw_filter_map *map, const struct sw_filter_rules *rules);
/* The same for an object that is not attached, so that nothing can read it yet. */
void sw_filter_init(struct sw_filter_map *map, const struct sw_filter_rules *rules);

#endif
