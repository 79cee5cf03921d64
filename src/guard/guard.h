/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's life in the daemon. The kernel side decides by itself; this fills its maps, keeps them true, and
 * tells what it says. Whatever fails here while it runs is said once, and what was there before stays.
 */
#ifndef SW_GUARD_GUARD_H
#define SW_GUARD_GUARD_H

#include "base/failure.h"
#include "config/guard_options.h"
#include "loader/iface.h"
#include "loader/map_sizes.h"
#include "output/report.h"

struct sw_guarding; /* opaque */

/* Before anything is loaded: sysctls are looked at, the files that opts names are read. opts must stay. */
int sw_guarding_new(const struct sw_guard_opts *opts, struct sw_guarding **ret, struct sw_failure *ret_failure);
void sw_guarding_free(struct sw_guarding *g); /* NULL is fine */

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
/* Records stay in their ring until they are released. */
struct sw_ringbuf *sw_guarding_ring(struct sw_guarding *g);

/* After attaching, for people: which backend, what is lost by it, what harms it. */
void sw_guarding_say(struct sw_guarding *g, const struct sw_hooks *hooks);

/* Everything that is due: judgements, listeners, sockets, keys. */
void sw_guarding_tick(struct sw_guarding *g, __u64 now);

/* Tells the records that wait, and samples dropped frames to the file. more: so many that there may be others.
 * -EINVAL: a record is not of this version. */
int sw_guarding_drain(struct sw_guarding *g, struct sw_report *report, bool *ret_more);

/* The wall clock goes by another offset now. */
void sw_guarding_clock(struct sw_guarding *g, __s64 clock_offset);
void sw_guarding_renamed(struct sw_guarding *g, __u32 ifindex, const char *name);

/* The files that are read again, NULL where there is none. */
void sw_guarding_files(const struct sw_guarding *g, const char *ret_files[SW_LISTS + 1]);

/* Reads the files again. If one of them is bad all stays as it is. Says what happened. */
void sw_guarding_reload(struct sw_guarding *g);

/* We are about to detach: no more cookies. True if some are on their way, so that it is worth waiting. */
bool sw_guarding_stop(struct sw_guarding *g);

/* Detached: has the kernel side tell the rest of what it kept back. */
void sw_guarding_end(struct sw_guarding *g);

#endif
