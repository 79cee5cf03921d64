/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a run, or a capture, amounts to: connections by outcome, the targets that refused, reset or did not answer most
 * often, the handshake times of the busiest servers. In bounded memory, whatever comes: about 1.6 MB.
 */
#ifndef SW_OUTPUT_SUMMARY_H
#define SW_OUTPUT_SUMMARY_H

#include "output/figures.h"

#include <stddef.h>

#define SW_SUMMARY_ROOM 8192 /* for its text; no more than SW_TEXT_COLUMNS in a line */

struct sw_summary; /* opaque */

/* `kinds` of events that will be seen: handshakes are counted when they complete, or else when the connection ends. */
int sw_summary_new(__u32 kinds, struct sw_summary **ret); /* 0 or -errno */
void sw_summary_free(struct sw_summary *s);               /* NULL is fine */

void sw_summary_event(struct sw_summary *s, const struct sw_event *ev);
void sw_summary_lost(struct sw_summary *s, const __u64 lost[SW_LOSSES]);

/* Its text, whole lines, in a buffer of SW_SUMMARY_ROOM bytes; returns the end. */
char *sw_summary_put(const struct sw_summary *s, const struct sw_report_stats *end, bool color, char *p);

#endif
