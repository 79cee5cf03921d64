/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of ports and networks as text, and what they decide of a connection. */
#ifndef SW_BASE_FILTER_RULES_H
#define SW_BASE_FILTER_RULES_H

#include "synward_filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

extern const char *const sw_filter_list_names[SW_FL_MAX]; /* "port", as the option without its dashes */

/*
 * Adds to a list: "22,80,8000-8100", or "10.0.0.0/8,2001:db8::1". What was in it stays. 0 or -EINVAL; then why says in
 * one line what is wrong, and the rules hold what came before it.
 */
int sw_filter_add(struct sw_filter_rules *rules, enum sw_filter_list list, const char *text, char *why, size_t size);

/* The list as it would be typed, in order and without what is twice; nothing if it is not given. */
void sw_filter_print_list(const struct sw_filter_rules *rules, enum sw_filter_list list, FILE *out);
/* All of them as options, one blank between two; nothing if none is given. */
void sw_filter_print(const struct sw_filter_rules *rules, FILE *out);

__u32 sw_filter_lists_of(const struct sw_filter_rules *rules, const __u8 ip[16], __be16 port);
/* Is the connection to be followed, or shown? */
bool sw_filter_rules_match(const struct sw_filter_rules *rules, const struct sw_key *key, bool orig_is_b);

#endif
