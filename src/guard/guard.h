/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's life in the daemon. The kernel side decides by itself; this fills its maps, keeps them true, and
 * tells what it says. Whatever fails here while it runs is said once, and what was there before stays.
 */
#ifndef SW_GUARD_GUARD_H
#define SW_GUARD_GUARD_H

#include "config/guard_options.h"
#include "output/report.h"

struct sw_guarding; /* opaque */

void sw_guarding_free(struct sw_guarding *g); /* NULL is fine */

/* Records stay in their ring until they are released. */
struct sw_ringbuf *sw_guarding_ring(struct sw_guarding *g);

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
