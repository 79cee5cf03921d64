/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that have been decided, for as long as another line about them may come: the second view of a router that
 * follows both its interfaces, a line that is logged again, or one of a file that was not waited for any more.
 */
#ifndef SW_JOIN_PAST_H
#define SW_JOIN_PAST_H

#include "join/view.h"

struct sw_past; /* opaque */

/* What was decided of the same ISNs. */
enum sw_past_found {
    SW_PAST_NEVER,
    SW_PAST_DOUBLE, /* with a line of this file */
    SW_PAST_OTHER,  /* without */
};

int sw_past_new(size_t most, struct sw_past **ret); /* 0 or -errno; so many are kept */
void sw_past_free(struct sw_past *p);               /* NULL is fine */

/* 0 or -ENOMEM. *ret_forgot: 0, or ts of the one whose place was needed. */
int sw_past_add(struct sw_past *p, const struct sw_join_view *v, unsigned int file, __u64 *ret_forgot);
enum sw_past_found sw_past_find(const struct sw_past *p, const struct sw_join_view *v, unsigned int file);
void sw_past_expire(struct sw_past *p, __u64 before); /* whose lines are older; of those that are the first to go */

#endif
