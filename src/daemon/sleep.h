/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long the loop sleeps. While records come it looks at the rings every 50 ms, so that nobody has to wake it for
 * each of them. If a look finds nothing it sleeps until it is time for one of its tasks, and the first record wakes it.
 */
#ifndef SW_DAEMON_SLEEP_H
#define SW_DAEMON_SLEEP_H

#include "daemon/pump.h"

#define SW_NAP_MS 50 /* the rings wake the loop for a batch; fewer records wait this long at most */

/* Until something comes or is due; what came is handled. */
void sw_sleep(struct sw_loop_state *l, __u64 now);

#endif
