/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the guard's rings: records of `guard_events` to lines, frames of `captures` to a pcapng file. */
#ifndef SW_GUARD_READER_H
#define SW_GUARD_READER_H

#include "base/failure.h"
#include "base/outage.h"
#include "config/guard_options.h"
#include "events/ringbuf.h"
#include "loader/iface.h"
#include "output/pcapng.h"
#include "output/report.h"

struct ring_buffer;

struct sw_guard_reader {
    struct sw_ringbuf events;
    struct ring_buffer *captures;
    int captures_fd;
    struct sw_guard *guard; /* mmapped */
    struct sw_pcapng *capture;
    const char *path; /* of the capture */
    struct sw_report *report;
    int err;
    int records;             /* in this call */
    struct sw_outage outage; /* of the capture */
    __u64 unwritten;         /* frames */
    bool keep;               /* records remain in the ring until they are released */
};

/* guard is the mmapped configuration: nothing in it is changed. If opts name a file, `capture` is there for frames. */
int sw_guard_reader_open(struct sw_guard_reader *reader, struct synward_bpf *obj, struct sw_guard *guard,
                         const struct sw_guard_opts *opts, const struct sw_hooks *hooks, __s64 clock_offset,
                         struct sw_failure *ret_failure);
/* As sw_guard_runtime_watch. The kernel wakes whoever has read all there was. */
int sw_guard_reader_watch(const struct sw_guard_reader *reader, int epoll, bool on);
void sw_guard_reader_close(struct sw_guard_reader *reader); /* also half-open */

/* Without a report its records stay where they are. more: so many records that others may wait. -EINVAL: one is not of
 * this version. */
int sw_guard_reader_drain(struct sw_guard_reader *reader, struct sw_report *report, bool *ret_more);

#endif
