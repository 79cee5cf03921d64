/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many connections of each second are open: those with an `opening` line and no `conn` line yet. A number a second,
 * and none where it is 0, so it does not grow with the connections.
 */
#ifndef SW_JOIN_SECONDS_H
#define SW_JOIN_SECONDS_H

#include <linux/types.h>

struct sw_open_seconds; /* opaque */

int sw_open_seconds_new(struct sw_open_seconds **ret); /* 0 or -ENOMEM */
void sw_open_seconds_free(struct sw_open_seconds *s);  /* NULL is fine */
int sw_open_seconds_add(struct sw_open_seconds *s, __u64 second, int n);
/* Of these seconds, both included; those with more `conn` than `opening` count as 0. */
__u64 sw_open_seconds_sum(const struct sw_open_seconds *s, __u64 from, __u64 to);

#endif
