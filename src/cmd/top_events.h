/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `top` takes from an instance's lines: which server refused, reset or did not answer. Only the lines of our own
 * daemon come here, which makes them in one way; so a piece of the text is enough, for a hundredth of what a JSON
 * parser takes. A name in a line cannot look like one of these pieces: its quotation marks are escaped.
 */
#ifndef SW_CMD_TOP_EVENTS_H
#define SW_CMD_TOP_EVENTS_H

#include "top/model.h"

/* What it takes: 1 << enum sw_event_kind, 1 << SW_LINE_LOSS */
#define SW_TOP_EVENTS (1u << SW_EV_REFUSED | 1u << SW_EV_RESET | 1u << SW_EV_TIMEOUT)

enum sw_top_line_kind { SW_TOP_LINE_OTHER, SW_TOP_LINE_FAILURE, SW_TOP_LINE_LOSS };

/* One line, terminated, without its newline. OTHER: it is about nothing of that, or is none of ours. */
enum sw_top_line_kind sw_top_line_parse(const char *line, struct sw_top_id *ret_id, enum sw_top_failure *ret_what,
                                        __u64 *ret_lost);

#endif
