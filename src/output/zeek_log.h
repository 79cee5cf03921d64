/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A `conn` record as a row of Zeek's conn.log, as its ASCII writer writes it: columns between tabs, named by a header
 * at the begin of each file. docs/formats.md says what each column holds. See format.h.
 */
#ifndef SW_OUTPUT_ZEEK_LOG_H
#define SW_OUTPUT_ZEEK_LOG_H

#include "output/line.h"

char *sw_zeek_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_zeek_head(char *p, __s64 now, bool utc);
char *sw_zeek_end(char *p, __s64 now, bool utc);

/* For `synward events` alone, which does not pass it on: the format has no line for a loss. */
#define SW_ZEEK_LOST "#lost\t"
#define SW_ZEEK_END "#close\t"
char *sw_zeek_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);

/* How many bytes at the end of a file are half a row, or a part of a header: what a killed process or a full disk
 * left. 0: nothing, or half a line of something else. */
size_t sw_zeek_torn(const char *end, size_t len);

#endif
