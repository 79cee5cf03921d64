/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The formats of lines: what makes a line of which record. See line.h for the buffer that they write to. */
#ifndef SW_OUTPUT_FORMAT_H
#define SW_OUTPUT_FORMAT_H

#include "output/figures.h"
#include "output/line.h"

#define SW_FORMAT_ROOM 1024 /* for what is first or last in a file */

struct sw_formatter {
    const char *name;  /* as --format and the readers' protocol have it */
    __u32 lines;       /* 1 << kind, 1 << SW_LINE_*: those that it has. Of no other is a record handed over */
    size_t before_seq; /* bytes of a line before its number; 0: lines have none */
    char *(*event)(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
    char *(*loss)(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
    char *(*stats)(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);
    char *(*guard_event)(struct sw_lines *l, __u64 seq, const struct sw_guard_event *ev, char *p);
    char *(*service)(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);
    /* What is first in each file, and last after a regular end, as of seconds since 1970; NULL: nothing */
    char *(*head)(char *p, __s64 now, bool utc);
    char *(*end)(char *p, __s64 now, bool utc);
};

const struct sw_formatter *sw_formatter(enum sw_format format);

#endif
