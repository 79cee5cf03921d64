/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's start: first the checks, then maps, files and keys, then the log lines. */
#ifndef SW_GUARD_STARTUP_H
#define SW_GUARD_STARTUP_H

#include "base/failure.h"
#include "config/guard_options.h"
#include "loader/iface.h"
#include "loader/map_sizes.h"

struct sw_guard_runtime; /* guard.h */

/* Before anything is loaded: checks sysctls, reads the files of opts. opts must remain valid. */
int sw_guard_runtime_new(const struct sw_guard_opts *opts, struct sw_guard_runtime **ret,
                         struct sw_failure *ret_failure);

/* What loading depends on: the sizes of maps, and whether sw_accept can be attached to all of the interfaces. */
void sw_guard_runtime_object(const struct sw_guard_runtime *g, const struct sw_hooks *hooks,
                             struct sw_object_opts *object);

/* Before attaching, and before anything is changed in the maps: the checks, and the files that are written.
 * clock_offset: wall time - CLOCK_MONOTONIC. */
int sw_guard_runtime_open(struct sw_guard_runtime *g, struct synward_bpf *obj, const struct sw_hooks *hooks,
                          __s64 clock_offset, struct sw_failure *ret_failure);
/* Services, keys, lists, limits: before attaching. Of a former daemon's maps: once attached, when nothing else can
 * fail, so that they are as they were if the start fails; if this does, they are, too. */
int sw_guard_runtime_fill(struct sw_guard_runtime *g, struct sw_failure *ret_failure);

/* The maps are those of a former daemon (--pin). keep_keys: the cookie keys, too. Before sw_guard_runtime_fill. */
void sw_guard_runtime_adopt(struct sw_guard_runtime *g, bool keep_keys);
/* Every service that is there gets the mode. */
void sw_guard_runtime_set_mode(struct sw_guard_runtime *g, enum sw_guard_mode mode);

/* After attaching: logs the backend, what it loses, and what interferes with it. */
void sw_guard_runtime_report(struct sw_guard_runtime *g, const struct sw_hooks *hooks);

#endif
