/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What event lines amount to, line by line, in bounded memory: under 50 MB whatever comes, and under 10 for most logs,
 * besides the rows that are kept, which are those of rows.h: at most 8 kB each (15 MB where the command keeps 300).
 * What is not known (other events, keys, values) is counted or ignored, as docs/events.md promises.
 */
#ifndef SW_PAGE_TALLY_H
#define SW_PAGE_TALLY_H

#include "lines/ndjson.h"
#include "output/top.h"
#include "page/durations.h"
#include "page/rows.h"
#include "page/services.h"
#include "page/timeline.h"
#include "synward.h"

enum { SW_PAGE_NAMES = 16, SW_PAGE_REASONS = 32 };

/* The cells of the timeline of all: outcomes by the time they began, then these. */
enum { SW_CELL_LOST = SW_OUTCOMES, SW_CELL_DROPPED, SW_CELL_WOULD_DROP, SW_CELL_HALF_OPEN, SW_CELLS };

enum { SW_SPAN_HANDSHAKE, SW_SPAN_SERVER, SW_SPAN_CLIENT, SW_SPANS };
enum { SW_FROM_CONN, SW_FROM_ESTABLISHED, SW_FROMS }; /* the line that gave the handshake's times */

struct sw_page_server {
    __u64 outcome[SW_OUTCOMES], syn_rexmit;
    struct sw_durations span[SW_FROMS][SW_SPANS];
};

/* Who was refused, reset, not answered: by the server, and by the client. */
enum { SW_TOP_REFUSED, SW_TOP_RESET, SW_TOP_UNANSWERED, SW_TOPS };

/* A few names, in the order they came. */
struct sw_page_names {
    char name[SW_PAGE_REASONS][SW_PAGE_TEXT];
    __u64 count[SW_PAGE_REASONS], other; /* of each; of those for which there was no place */
    size_t len, max;
};

struct sw_tally {
    __u64 lines, events, broken, first_broken; /* events: lines that are JSON objects */
    __u64 other_schema, unknown, no_time;      /* no_time: a conn line without times */
    __u64 sample; /* the largest that a line says: of about one of so many connections; 0: of all */
    const char *first_broken_in;
    const char *damaged; /* a file that could not be read to its end; NULL: all could */
    __u64 kinds[SW_LINE_MAX];
    __u64 first_ns, last_ns; /* ts of all lines; 0: none */
    struct sw_page_names hosts, ifaces, drops, would_drops, anomalies;
    __u64 outcome[SW_OUTCOMES], midstream, cookie, anomalous;
    struct sw_durations span[SW_FROMS][SW_SPANS];
    struct sw_top servers, target[SW_TOPS], client[SW_TOPS];
    struct sw_page_server server[SW_TOP_SLOTS];
    struct sw_timeline line;
    __u64 early; /* connections that began long before the first line: they would make the line one of days */
    struct sw_services_seen services;
    struct sw_rows rows;
    __u64 last_seq, missing, restarts; /* numbers that seq leaves out within a file */
    __u64 lost, lost_by[SW_LOSSES];    /* that loss lines report */
};

int sw_tally_new(size_t rows, struct sw_tally **ret); /* rows: of each outcome. 0 or -errno */
void sw_tally_free(struct sw_tally *t);               /* NULL is fine */

void sw_tally_file(struct sw_tally *t); /* a new file begins: its first number follows, or begins anew */
/* An object; text is its line. 0 or -ENOMEM. */
int sw_tally_add(struct sw_tally *t, const struct sw_line *line, const char *text, size_t len);
/* The file is read. */
void sw_tally_counts(struct sw_tally *t, const struct sw_ndjson_counts *counts, const char *name);

const char *sw_tally_kind_name(int kind); /* of an event, SW_EV_… or SW_LINE_… */

/* Where this server's handshakes, or all, are best taken from: established lines, or conn lines where there are more.
 */
struct sw_durations *sw_tally_spans(struct sw_durations span[SW_FROMS][SW_SPANS]);

#endif
