/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps map `reverse_path` as the kernel's routes are, for the programs to look sources up before they answer them. */
#ifndef SW_GUARD_REVERSE_PATH_H
#define SW_GUARD_REVERSE_PATH_H

#include "config/guard_options.h"
#include "guard/devices.h"
#include "synward.h"

struct sw_reverse_path; /* opaque */

/* guard: the mapped configuration. What is in the map may be a former daemon's. NULL: no memory. */
struct sw_reverse_path *sw_reverse_path_new(int map_fd, struct sw_guard *guard, enum sw_reverse_path_mode mode);
void sw_reverse_path_free(struct sw_reverse_path *r); /* NULL is fine */

/* Notes what has changed so far; to be called before the devices of sw_reverse_path_refresh() are read. */
void sw_reverse_path_watch(struct sw_reverse_path *r);

/* Reads the routes if something has changed and something is to be checked, and tells the programs whether to check.
 * devices NULL: they could not be read. */
void sw_reverse_path_refresh(struct sw_reverse_path *r, const struct sw_devices *devices, __u64 now);

/* Does the kernel take packets from its own IPv4 addresses that come by a watched interface? */
bool sw_accepts_local(const struct sw_devices *devices);

/* Why nothing is checked although it should be; NULL: there is no reason. One text for each reason. */
const char *sw_reverse_path_trouble(const struct sw_reverse_path *r);

#endif
