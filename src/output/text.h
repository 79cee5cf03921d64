/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection, loss and stats lines for people. See line.h. */
#ifndef SW_OUTPUT_TEXT_H
#define SW_OUTPUT_TEXT_H

#include "output/figures.h"
#include "output/line.h"

char *sw_text_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_text_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_text_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);

#endif
