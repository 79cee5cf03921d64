/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an event to a line: NDJSON (docs/schema) or text for people. The reporter owns the line
 * numbering: `seq` counts up by one a line, and jumps by what was lost just before the `loss` line,
 * so that the gaps in seq add up to the reported losses exactly.
 *
 * Nothing here blocks: lines gather in a buffer (sw_report_pending bytes); sw_report_flush writes as
 * much as the descriptor takes without blocking.
 */
#ifndef SW_OUTPUT_REPORT_H
#define SW_OUTPUT_REPORT_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

enum sw_format { SW_FORMAT_JSON, SW_FORMAT_TEXT };

struct sw_report_opts {
    int fd; /* where lines go */
    enum sw_format format;
    bool color;            /* text only */
    __u32 event_mask;      /* 1 << kind, 1 << SW_LINE_* */
    __u16 cid_seed;        /* Community ID seed */
    const char *host;      /* any bytes: escaped */
    __s64 clock_offset_ns; /* event time + offset = nanoseconds since 1970 */
    bool replay;           /* iface is the capture's name */
    const char *iface;     /* replay: name to show; live: NULL, by ifindex */
    __u64 seq;             /* of the line before the first */
};

struct sw_report; /* opaque */

/* Everything a stats line says; counters are sums over CPUs, indexed by enum sw_counter. */
struct sw_report_stats {
    __u64 counters[SW_C_MAX];
    __u64 flows, flows_max;
    __u64 embryos, embryos_max;
    __u64 established;
    __u64 lost_total;      /* events lost since start, all kinds */
    __u64 embryos_evicted; /* embryos that the LRU took: their conn lines are lost (kind conn) */
    __u64 services;        /* protected, and of these not calm; 0 without the guard */
    __u64 services_awake;
    struct sw_tally guard; /* sum over all services and CPUs */
    bool final;            /* the last line of a run */
};

int sw_report_new(const struct sw_report_opts *opts, struct sw_report **ret_report); /* 0 or -errno */
void sw_report_free(struct sw_report *r);                                            /* NULL is fine */

/* The name to print for an ifindex; called at start and when an interface is renamed. */
int sw_report_set_iface(struct sw_report *r, __u32 ifindex, const char *name);
void sw_report_set_clock(struct sw_report *r, __s64 clock_offset_ns);

/* Adds one line for the event if its kind is wanted. -EINVAL: version or size is not ours; -ENOMEM. */
int sw_report_event(struct sw_report *r, const struct sw_event *ev);
/* Adds a loss line for what was lost since the last one, lost[kind]; seq jumps by their sum first.
 * now_ns is in event time. No line (and no jump) if all are 0. Kinds outside the event mask do not count:
 * they would have made no line (SW_LOSS_GUARD counts if one of guard and drop is wanted). Events that failed with
 * -ENOMEM are added by the reporter itself. With loss lines masked out seq still jumps. */
int sw_report_loss(struct sw_report *r, const __u64 lost[SW_LOSSES], __u64 now_ns);
int sw_report_stats(struct sw_report *r, const struct sw_report_stats *stats, __u64 now_ns);

/* A guard or drop line, if its kind is wanted. -EINVAL: version, size or kind is not ours; -ENOMEM: as for events. */
int sw_report_told(struct sw_report *r, const struct sw_told *told);

/* One service's figures: a `service` line. */
struct sw_report_service {
    struct sw_service service;
    struct sw_tally tally; /* summed over CPUs */
    bool final;
};
int sw_report_service(struct sw_report *r, const struct sw_report_service *s, __u64 now_ns);

size_t sw_report_pending(const struct sw_report *r); /* bytes not yet written */
__u64 sw_report_lines(const struct sw_report *r);    /* lines made so far */
__u64 sw_report_made(const struct sw_report *r);     /* bytes of them, written or not */
__u64 sw_report_seq(const struct sw_report *r);      /* of the last one, lost ones before it included */
/* Writes what goes without blocking: a pipe or terminal through a non-blocking descriptor of our own, opened
 * anew so that nobody else who holds it is affected; else poll, then pieces of at most PIPE_BUF. 0 when all is
 * out, -EAGAIN when the reader is slow, -EPIPE when it is gone (the caller ignores SIGPIPE), -errno otherwise
 * (ENOSPC, EIO). */
int sw_report_flush(struct sw_report *r);

/* Pure pieces, used by other commands too. buf sizes: uid 24, cid 32. */
void sw_format_uid(const struct sw_key *key, __u64 start_ns, char *buf);
void sw_format_community_id(const struct sw_key *key, __u16 seed, char *buf);

#endif
