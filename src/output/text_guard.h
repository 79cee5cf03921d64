/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's lines for people. See line.h. */
#ifndef SW_OUTPUT_TEXT_GUARD_H
#define SW_OUTPUT_TEXT_GUARD_H

#include "output/figures.h"
#include "output/line.h"

char *sw_text_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *t, char *p);
char *sw_text_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);

#endif
