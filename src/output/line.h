/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What lines of all formats share: names already escaped, caches of dates and identities. A formatter (format.h)
 * appends one line, newline included, to a buffer with enough space: sw_lines_room() bytes are always enough.
 */
#ifndef SW_OUTPUT_LINE_H
#define SW_OUTPUT_LINE_H

#include "output/conn_id.h"
#include "output/labels.h"
#include "owner/owners.h"
#include "synward.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum sw_format { SW_FORMAT_JSON, SW_FORMAT_TEXT, SW_FORMAT_ZEEK, SW_FORMAT_ECS };

/* Events by kind, since the start; with `--pin` since the pins were made, but for `made`. */
struct sw_report_counts {
    __u64 made[SW_LOSSES];          /* lines, written or not */
    __u64 unmade[SW_LOSSES];        /* events that made no line: no memory, or skipped */
    __u64 unmade_logged[SW_LOSSES]; /* of these in loss lines */
};

struct sw_report_opts {
    int fd; /* where lines go */
    enum sw_format format;
    bool full_events;                      /* JSON: every key in every line of a connection */
    bool color, wide, utc;                 /* text only */
    __u32 event_mask;                      /* 1 << kind, 1 << SW_LINE_* */
    __u16 cid_seed;                        /* Community ID seed */
    const char *host;                      /* any bytes: escaped */
    __s64 clock_offset_ns;                 /* event time + offset = nanoseconds since 1970 */
    bool replay;                           /* iface is the capture's name */
    const char *iface;                     /* replay: name to show; live: NULL, by ifindex */
    bool summary;                          /* at the end: text after the last line, else on standard error */
    __u32 kinds;                           /* of events that the programs make, for the summary */
    __u64 seq;                             /* of the line before the first */
    const struct sw_report_counts *counts; /* to go on from; NULL: none */
    struct sw_owners *owners;              /* NULL: they are not looked for */
    const struct sw_labels *labels;        /* NULL: none */
    __u32 sample;                          /* connections: one of so many; 0, 1: all */
};

#define SW_SCHEMA 3
#define SW_SAMPLE_MAX 1000000000u
#define SW_SECONDS 64 /* cached date texts, by second */
#define SW_IDS 1024   /* cached identities: the lines of a short connection come close together */

struct sw_iface_text {
    __u32 ifindex;
    __u32 len;
    char *text; /* escaped */
};

struct sw_second {
    __s64 sec;
    char text[24]; /* "2026-11-21T04:41:00." */
};

struct sw_ids {
    struct sw_key key;
    __u64 start_ns;
    char uid[24]; /* of SW_UID_LEN */
    char cid[32]; /* of SW_CID_LEN */
};

/* Text: the date and the zone that the last heading has shown. */
struct sw_heading {
    bool shown;
    int day, year;
    long off;
};

struct sw_drops;

struct sw_lines {
    __s64 clock_offset;
    __u16 cid_seed;
    bool color;
    bool full_events;
    bool replay;
    __u32 sample;      /* of 2 on the lines say it */
    char *before_host; /* `,"labels":{…}`, if there are some, `,"host":"` and the host, escaped */
    size_t before_host_len, labels_len;
    const char *host; /* in it */
    size_t host_len;
    struct sw_owners *owners;
    struct sw_drops *drops;       /* of late, for guard lines; NULL: not known */
    struct sw_iface_text capture; /* replay: stands for every ifindex */
    struct sw_iface_text *ifaces;
    size_t ifaces_len, ifaces_room;
    size_t iface_max; /* longest name, for the room and for columns */
    size_t last_iface;
    bool wide, utc; /* text: all columns; times are not local */
    int width;      /* text: widest pair of endpoints so far */
    bool tm_known;  /* text: tm is of tm_sec */
    __s64 tm_sec;
    struct tm tm;
    bool no_heading; /* text: they are made elsewhere */
    struct sw_heading heading;
    struct sw_iface_text unnamed; /* an ifindex without a name: "#7" */
    char unnamed_text[16];
    struct sw_second seconds[SW_SECONDS];
    struct sw_ids ids[SW_IDS];
};

/* How text looks, and of which sample lines are; the lines of several readers of one daemon differ in it. */
struct sw_style {
    bool color, wide, utc;
    __u32 sample;
};

int sw_lines_init(struct sw_lines *l, const struct sw_report_opts *opts);
void sw_lines_fini(struct sw_lines *l);
/* Takes this style, and gives the one before. */
void sw_lines_swap_style(struct sw_lines *l, struct sw_style *style);
int sw_lines_set_iface(struct sw_lines *l, __u32 ifindex, const char *name);
size_t sw_lines_room(const struct sw_lines *l);
const struct sw_iface_text *sw_lines_iface(struct sw_lines *l, const struct sw_event *ev);
const struct sw_iface_text *sw_lines_iface_at(struct sw_lines *l, __u32 ifindex);
const struct sw_ids *sw_lines_ids(struct sw_lines *l, const struct sw_key *key, __u64 start_ns);

char *sw_put_time(struct sw_lines *l, char *p, __s64 unix_ns); /* RFC 3339, UTC, nanoseconds */
char *sw_put_history(char *p, const struct sw_flow *f);
char *sw_put_tcp_flags(char *p, __u16 flags); /* "SYN,ACK", "none"; in the usual order */

#endif
