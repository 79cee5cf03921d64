/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --export: records of connections that have ended, by UDP, whatever becomes of the lines. Nothing here waits: what the
 * kernel does not take, or the collector's host refuses, is lost and counted.
 */
#ifndef SW_DAEMON_FLOW_EXPORT_H
#define SW_DAEMON_FLOW_EXPORT_H

#include "base/failure.h"
#include "config/export_options.h"
#include "output/figures.h"

struct sw_flow_export; /* opaque; in all functions but open NULL is fine: nothing is exported */

/* The socket is connected: later only write() and read() are called. *ret is NULL if nothing is asked for. */
int sw_flow_export_open(const struct sw_export_opts *opts, struct sw_flow_export **ret, struct sw_failure *f);
void sw_flow_export_free(struct sw_flow_export *e);

/* Before the first event, and when it has changed; boot_ns: the event time at which the device was started. */
void sw_flow_export_set_clock(struct sw_flow_export *e, __s64 clock_offset_ns, __u64 boot_ns);

/* An event of any kind. Times are those of events. */
void sw_flow_export_event(struct sw_flow_export *e, const struct sw_event *ev);
/* Once a second: sends what waits, templates when they are due, warns of failures. unmade: connections whose record has
 * never come here. */
void sw_flow_export_tick(struct sw_flow_export *e, __u64 now, __u64 unmade);
/* The last message; then all connections are counted, one way or the other. */
void sw_flow_export_end(struct sw_flow_export *e, __u64 now, __u64 unmade);

const struct sw_export_counts *sw_flow_export_counts(const struct sw_flow_export *e); /* NULL: nothing is exported */
const char *sw_flow_export_url(const struct sw_flow_export *e);                       /* the same */

#endif
