/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of a connection whose lines are together, or whose time is over. */
#ifndef SW_JOIN_DECIDE_H
#define SW_JOIN_DECIDE_H

#include "join/state.h"

/* What the clocks of two files may differ by: as was said, or as far as connections of both show. */
__u64 sw_join_slack(const struct sw_join *j, unsigned int a, unsigned int b);

/* The group, which nobody holds any more; early: for want of its place. */
void sw_join_decide(struct sw_join *j, struct sw_join_group *g, bool early);
/* One that waits: its time is over, or its place is needed. */
void sw_join_give_up(struct sw_join *j, struct sw_join_group *g, bool early);

void sw_join_keep_error(struct sw_join *j, int err); /* the first one */

#endif
