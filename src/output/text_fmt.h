/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of text that all lines for people share. Each appends and returns the new end. */
#ifndef SW_OUTPUT_TEXT_FMT_H
#define SW_OUTPUT_TEXT_FMT_H

#include "output/line.h"

#define SW_RED "\033[31m"
#define SW_YELLOW "\033[33m"
#define SW_DIM "\033[2m"
#define SW_BOLD "\033[1m"
#define SW_PLAIN "\033[0m"

/* As printf, at most 511 characters. */
__attribute__((format(printf, 2, 3))) char *sw_text_put(char *p, const char *fmt, ...);
char *sw_text_color(const struct sw_lines *l, char *p, const char *color);
/* The line "# 2026-11-21, times in CET (UTC+01:00)", if date or zone are other than those of the line before. */
char *sw_text_heading(struct sw_lines *l, char *p, __u64 ts);
char *sw_text_time(struct sw_lines *l, char *p, __u64 ts, int digits); /* of the second, 3 or 6 */
/* How a line of --wide begins: heading, date if it is a capture's, time. */
char *sw_text_clock(struct sw_lines *l, char *p, __u64 ts);
char *sw_text_duration(char *p, __u64 ns);

#endif
