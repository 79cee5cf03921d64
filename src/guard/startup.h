/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard until it runs: what can be found wrong first, then maps, files and keys, then what people are told. */
#ifndef SW_GUARD_STARTUP_H
#define SW_GUARD_STARTUP_H

#include "base/failure.h"
#include "config/guard_options.h"
#include "loader/iface.h"
#include "loader/map_sizes.h"

struct sw_guarding; /* guard.h */

/* Before anything is loaded: sysctls are looked at, the files that opts names are read. opts must stay. */
int sw_guarding_new(const struct sw_guard_opts *opts, struct sw_guarding **ret, struct sw_failure *ret_failure);

/* What loading depends on: the sizes of maps, and whether sw_accept can be attached to all of the interfaces. */
void sw_guarding_object(const struct sw_guarding *g, const struct sw_hooks *hooks, struct sw_object_opts *object);

/* Before attaching, and before anything is changed in the maps: what can be found wrong, and the files that are
 * written. clock_offset: wall time - CLOCK_MONOTONIC. */
int sw_guarding_open(struct sw_guarding *g, struct synward_bpf *obj, const struct sw_hooks *hooks, __s64 clock_offset,
                     struct sw_failure *ret_failure);
/* Services, keys, lists, limits: before attaching. Of a former daemon's maps: once attached, when nothing else can
 * fail, so that they are as they were if the start fails; if this does, they are, too. */
int sw_guarding_fill(struct sw_guarding *g, struct sw_failure *ret_failure);

/* The maps are those of a former daemon (--pin). keep_keys: the cookie keys, too. Before sw_guarding_fill. */
void sw_guarding_adopt(struct sw_guarding *g, bool keep_keys);
/* Every service that is there gets the mode. */
void sw_guarding_set_mode(struct sw_guarding *g, enum sw_guard_mode mode);

/* After attaching, for people: which backend, what is lost by it, what harms it. */
void sw_guarding_say(struct sw_guarding *g, const struct sw_hooks *hooks);

#endif
