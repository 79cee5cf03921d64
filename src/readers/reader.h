/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lines of one reader: numbered for itself, in a queue of fixed size. What this cannot hold is lost and counted by
 * kind; before the next line that it takes, a `loss` line says how many, and the number jumps by so many. Lines
 * received and lost are together the lines that matched.
 */
#ifndef SW_READERS_READER_H
#define SW_READERS_READER_H

#include "output/figures.h"
#include "readers/queue.h"
#include "readers/request.h"

/* Room that lines of one kind leave to others: `loss` and `stats` find some when events fill the queue, and those of
 * the end when these fill the rest. */
#define SW_READER_REST (64u << 10)
#define SW_READER_LAST (32u << 10)

struct sw_reader_lines {
    struct sw_request wants;
    struct sw_queue queue;
    __u64 seq;
    __u64 lost[SW_LOSSES];     /* not in a loss line yet */
    __u64 lost_here;           /* since the start: what the queue could not hold */
    bool behind;               /* something was lost, and the queue is not half empty since */
    struct sw_heading heading; /* text */
};

int sw_reader_open(struct sw_reader_lines *r, size_t bytes); /* wants is not touched. 0 or -ENOMEM */
void sw_reader_close(struct sw_reader_lines *r);

/* Text: the date and the zone, where another one is due than the reader has. */
void sw_reader_heading(struct sw_reader_lines *r, struct sw_lines *names, __u64 ts);

/*
 * The line of an event, as it is with the number 0; kind is its kind or SW_LOSS_GUARD. now_ns and names: for a loss
 * line before it.
 */
void sw_reader_event(struct sw_reader_lines *r, int kind, const char *line, size_t len, struct sw_lines *names,
                     __u64 now_ns);

/* Lost before it came to any reader, by kind: what the reader wants of it is in its next loss line. */
void sw_reader_lost(struct sw_reader_lines *r, const __u64 lost[SW_LOSSES]);
/* Once a second, and at the end: what is lost, if there is room for a line about it. */
void sw_reader_say_lost(struct sw_reader_lines *r, struct sw_lines *names, __u64 now_ns, bool last);

/* If there is room; they are no events. lost_total of stats is what was lost for this reader, and all of lost_before.
 */
void sw_reader_stats(struct sw_reader_lines *r, const struct sw_report_stats *stats, __u64 lost_before,
                     struct sw_lines *names, __u64 now_ns);
void sw_reader_service(struct sw_reader_lines *r, const struct sw_report_service *s, struct sw_lines *names,
                       __u64 now_ns);

#endif
