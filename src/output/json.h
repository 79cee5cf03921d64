/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection, loss and stats lines as NDJSON (docs/schema). See line.h. */
#ifndef SW_OUTPUT_JSON_H
#define SW_OUTPUT_JSON_H

#include "output/figures.h"
#include "output/line.h"

char *sw_json_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_json_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_json_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);

/* ,"key":value … of these lines alone */
char *sw_json_loss_keys(char *p, const __u64 lost[SW_LOSSES]);
char *sw_json_stats_keys(char *p, const struct sw_report_stats *s);

#endif
