/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection, loss and stats lines for people in 80 columns (text_row.h). */
#ifndef SW_OUTPUT_TEXT_NARROW_H
#define SW_OUTPUT_TEXT_NARROW_H

#include "output/figures.h"
#include "output/line.h"

char *sw_text_narrow_event(struct sw_lines *l, const struct sw_event *ev, char *p);
char *sw_text_narrow_loss(struct sw_lines *l, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_text_narrow_stats(struct sw_lines *l, const struct sw_report_stats *s, __u64 now_ns, char *p);

/* Red: refused and reset. Yellow: what is not as it should be. Dim: opening. NULL: normal. */
const char *sw_text_event_color(const struct sw_event *ev);

#endif
