/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard in the daemon. The BPF programs decide by themselves; this fills their maps, keeps them up to date, and
 * logs their events. A failure while it runs is logged once, and the previous state is kept.
 */
#ifndef SW_GUARD_GUARD_H
#define SW_GUARD_GUARD_H

#include "config/guard_options.h"
#include "output/report.h"

struct sw_guard_runtime; /* opaque */

void sw_guard_runtime_free(struct sw_guard_runtime *g); /* NULL is fine */

/* Records remain in their ring until they are released. */
struct sw_ringbuf *sw_guard_runtime_ring(struct sw_guard_runtime *g);

/* Everything that is due: detection, listeners, sockets, keys. */
void sw_guard_runtime_tick(struct sw_guard_runtime *g, __u64 now);

__u64 sw_guard_runtime_next(const struct sw_guard_runtime *g); /* when something is due */

/* Wakes epoll when a record comes, or no longer; the rings are read in any case when sw_guard_runtime_drain is called.
 * 0, or -errno: it does not. */
int sw_guard_runtime_watch(const struct sw_guard_runtime *g, int epoll, bool on);
bool sw_guard_runtime_is_empty(const struct sw_guard_runtime *g); /* all records are released */

/* Logs the records that wait, unless report is NULL, and writes sampled frames to the file. more: so many that there
 * may be others. -EINVAL: a record is not of this version. */
int sw_guard_runtime_drain(struct sw_guard_runtime *g, struct sw_report *report, bool *ret_more);

/* The wall clock has another offset now. */
void sw_guard_runtime_set_clock(struct sw_guard_runtime *g, __s64 clock_offset);
void sw_guard_runtime_renamed(struct sw_guard_runtime *g, __u32 ifindex, const char *name);

enum sw_guard_mode sw_guard_runtime_mode(const struct sw_guard_runtime *g); /* the last that was set for all */
unsigned int sw_guard_runtime_services(const struct sw_guard_runtime *g);   /* protected ones */

/* The files that are read again, NULL where there is none. */
void sw_guard_runtime_files(const struct sw_guard_runtime *g, const char *ret_files[SW_LISTS + 1]);

/* Reloads the files. If one of them is invalid nothing is changed. Logs the result. */
void sw_guard_runtime_reload(struct sw_guard_runtime *g);

/* Before detaching: no more cookies. True if some are on their way, so that waiting is useful. */
bool sw_guard_runtime_stop(struct sw_guard_runtime *g);

/* --gateway translate: connections that would be cut by the end, and how long to wait for them. */
__u64 sw_guard_runtime_translated(const struct sw_guard_runtime *g);
__u64 sw_guard_runtime_drain_ns(const struct sw_guard_runtime *g);

/* After detaching: makes the BPF programs emit the drop counts that are left. */
void sw_guard_runtime_finish(struct sw_guard_runtime *g);

#endif
