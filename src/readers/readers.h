/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The readers of a running instance, at its socket. What lines are made of is compared with the filter of each, made a
 * line once for each format that somebody wants, and copied into the queues of those who want it. Nothing here waits
 * for a reader, and without one nothing is done.
 */
#ifndef SW_READERS_READERS_H
#define SW_READERS_READERS_H

#include "base/failure.h"
#include "loader/instance.h"
#include "output/report.h"
#include "readers/socket.h"

#include <sys/epoll.h>

struct sw_readers; /* opaque */

/* The socket is there, and nobody is answered yet. inst is read when somebody comes. 0 or -errno with f. */
int sw_readers_open(const struct sw_instance *inst, gid_t group, __u32 event_mask, struct sw_readers **ret,
                    struct sw_failure *f);
void sw_readers_close(struct sw_readers *r); /* of all, at once; NULL is fine */

/* From here on they are answered: report is what they read. */
int sw_readers_watch(struct sw_readers *r, int epoll, struct sw_report *report);
/* Is it about one of theirs? If so, it is handled. */
bool sw_readers_handle(struct sw_readers *r, const struct epoll_event *ev, __u64 now_ns);

size_t sw_readers_count(const struct sw_readers *r);

bool sw_readers_any(const struct sw_readers *r); /* somebody reads */
void sw_readers_flush(struct sw_readers *r);     /* what goes without waiting */
/* Once a second, and last before the last stats line: what was lost before it came here, by kind, since the start. */
void sw_readers_tick(struct sw_readers *r, const __u64 lost[SW_LOSSES], __u64 now_ns, bool last);

/* The last line is made. Nobody new is answered, and who has read all is done: then there is none any more. */
void sw_readers_end(struct sw_readers *r);

#endif
