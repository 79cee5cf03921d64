/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A line for people of at most 80 columns: time, event, endpoints, and what this kind of event is about.
 *
 *     05:51:01.780 reset       10.0.0.2:43586 -> 10.0.0.1:81  by server after 208 us
 *
 * Where that does not fit, in this order: IPv6 addresses lose groups in their middle ("2001:db8:~:1234:5678"), the
 * detail takes its brief form, the space after the event's name goes, the detail is cut ("rst_out_of_wind~").
 */
#ifndef SW_OUTPUT_TEXT_ROW_H
#define SW_OUTPUT_TEXT_ROW_H

#include "output/line.h"

#define SW_TEXT_COLUMNS 80
#define SW_TEXT_MORE 8

struct sw_text_end {
    const __u8 *ip;
    __be16 port;
    __u8 any; /* SW_ANY_*, SW_NET + n */
};

struct sw_text_row {
    const char *event;
    const char *color; /* of the event's name; NULL: none */
    bool dim;          /* the whole line */
    int ends;          /* 0, 1 or 2 */
    struct sw_text_end end[2];
    char detail[128];
    char brief[64];
    char more[SW_TEXT_MORE][48]; /* after the detail while there is room, in this order */
    int mores;
};

/* Appends to detail, to brief, or one more. */
__attribute__((format(printf, 2, 3))) void sw_text_detail(struct sw_text_row *r, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void sw_text_brief(struct sw_text_row *r, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void sw_text_more(struct sw_text_row *r, const char *fmt, ...);

char *sw_text_row(struct sw_lines *l, char *p, __u64 ts, struct sw_text_row *r);

/* One endpoint in at most `columns`, 24 or more; returns the end. */
char *sw_text_endpoint(char *p, const struct sw_text_end *end, size_t columns);
/* Two, "a -> b", in at most `columns` if that is 46 or more. */
char *sw_text_pair(char *p, const struct sw_text_end end[2], size_t columns);

/* Values in few columns: returned in buf. */
#define SW_TEXT_VALUE 16
typedef char sw_text_value[SW_TEXT_VALUE];
const char *sw_text_count(__u64 n, sw_text_value buf);       /* 99999, 100k, 1.23M: at most 5 columns */
const char *sw_text_count_brief(__u64 n, sw_text_value buf); /* 9999, 10k, 1.2M: at most 4 */
const char *sw_text_span(__u64 ns, sw_text_value buf);       /* 54.1 us, 10.5 ms, 2h04m: at most 7 */
const char *sw_text_span_brief(__u64 ns, sw_text_value buf); /* 54us, 10ms, 2h: at most 7 */

#endif
