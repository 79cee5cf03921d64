/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an event to a line, in one of the formats (format.h). The reporter owns the line numbering: `seq` counts up by
 * one a line, and jumps by what was lost just before the `loss` line, so that the gaps in seq add up to the reported
 * losses exactly.
 *
 * Nothing here blocks: lines gather in a buffer (sw_report_pending bytes); sw_report_flush writes as
 * much as the descriptor takes without blocking.
 */
#ifndef SW_OUTPUT_REPORT_H
#define SW_OUTPUT_REPORT_H

#include "output/figures.h"
#include "output/line.h"
#include "output/summary.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_report; /* opaque */

int sw_report_new(const struct sw_report_opts *opts, struct sw_report **ret_report); /* 0 or -errno */
void sw_report_free(struct sw_report *r);                                            /* NULL is fine */

/* The name to print for an ifindex; called at start and when an interface is renamed. */
int sw_report_set_iface(struct sw_report *r, __u32 ifindex, const char *name);
void sw_report_set_clock(struct sw_report *r, __s64 clock_offset_ns);

/* Adds one line for the event if its kind is enabled, and its connection is of the sample. What is not makes no gap in
 * seq. -EINVAL: version or size is not ours; -ENOMEM: no line, counted.
 */
int sw_report_event(struct sw_report *r, const struct sw_event *ev);
/* Adds a loss line for what was lost since the last one, lost[kind]; seq jumps by their sum first. now_ns is in event
 * time. No line (and no jump) if all are 0. Kinds outside the event mask do not count: they would have made no line
 * (SW_LOSS_GUARD counts if guard or drop is enabled). Events that made no line are added by the reporter itself.
 * With loss lines masked out seq still jumps. */
int sw_report_loss(struct sw_report *r, const __u64 lost[SW_LOSSES], __u64 now_ns);
/* With text the final one is followed by the summary, if one is wanted. */
int sw_report_stats(struct sw_report *r, const struct sw_report_stats *stats, __u64 now_ns);

/* With JSON, after the final stats: the summary for standard error, in SW_SUMMARY_ROOM bytes. 0: there is none. */
size_t sw_report_summary(const struct sw_report *r, char *text);

/* A guard or drop line, if its kind is enabled. -EINVAL: version, size or kind is not ours; -ENOMEM: as for events. */
int sw_report_guard_event(struct sw_report *r, const struct sw_guard_event *ev);

/* A `service` line: values of one service. */
int sw_report_service(struct sw_report *r, const struct sw_report_service *s, __u64 now_ns);

/*
 * Who else is shown what lines are made of, before the event mask or sw_report_skip decide of a line here: the records
 * that are of this version, and the values of stats and service lines. NULL: nobody, which costs nothing.
 */
struct sw_report_tap {
    void (*event)(void *ctx, const struct sw_event *ev);
    void (*guard_event)(void *ctx, const struct sw_guard_event *ev);
    void (*service)(void *ctx, const struct sw_report_service *s, __u64 now_ns);
    void (*stats)(void *ctx, const struct sw_report_stats *s, __u64 now_ns);
    void *ctx;
};
void sw_report_set_tap(struct sw_report *r, const struct sw_report_tap *tap);
struct sw_lines *sw_report_names(struct sw_report *r); /* names, times and identities, for lines made elsewhere */

/* While it is on, events of both kinds make no line and are counted for the next loss line; stats and service lines are
 * left out. */
void sw_report_skip(struct sw_report *r, bool skip);
const struct sw_report_counts *sw_report_counts(const struct sw_report *r);

size_t sw_report_pending(const struct sw_report *r); /* bytes not yet written */
__u64 sw_report_lines(const struct sw_report *r);    /* lines made so far */
__u64 sw_report_made(const struct sw_report *r);     /* bytes of them, written or not */
__u64 sw_report_seq(const struct sw_report *r);      /* of the last one, lost ones before it included */
__u64 sw_report_gaps(const struct sw_report *r);     /* lost ones that loss lines reported, or would have */
/* Writes what goes without blocking: a pipe or terminal through a non-blocking descriptor of our own, opened again so
 * that other holders are not affected; else poll, then pieces of at most PIPE_BUF. 0 when all is out, -EAGAIN when the
 * reader is slow, -EPIPE when it is gone (the caller ignores SIGPIPE), -errno otherwise (ENOSPC, EIO). After a failure
 * it may be called again: it continues within the line, or begins it anew where its first half is not what precedes. */
int sw_report_flush(struct sw_report *r);
/* The same, but no more than the whole lines that fit into `most` bytes, at least one if `one`. 1: lines are left. */
int sw_report_flush_some(struct sw_report *r, size_t most, bool one);
/* Another file follows: the line that was written in part is written from its beginning. How much of it stands at the
 * end of this file. */
size_t sw_report_rewind(struct sw_report *r);
/* After that: the last line of the format into the file that is left, if it has one and the file takes it. */
void sw_report_leave(struct sw_report *r);
/* The reader of a pipe is gone. Another one may come: what is first in a file comes once more, before the next line. */
void sw_report_reader_gone(struct sw_report *r);

#endif
