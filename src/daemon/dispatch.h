/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What wakes the loop beside the rings: signals, changes of interfaces, a clock that is set, the end of the reader. */
#ifndef SW_DAEMON_DISPATCH_H
#define SW_DAEMON_DISPATCH_H

#include "daemon/pump.h"

/* Waits for one of them so long at most, and handles what came. */
void sw_dispatch_wait(struct sw_loop_state *l, int timeout_ms);

void sw_dispatch_check_links(struct sw_loop_state *l); /* changes may have been missed */
void sw_dispatch_no_link_left(struct sw_loop_state *l, int exit_code);
void sw_dispatch_clock(struct sw_loop_state *l); /* has the wall clock moved? */

/* Time is up, or a signal says so. Cookies on their way may still come back for a second, if nobody says a second time
 * that we shall stop. */
void sw_dispatch_stop(struct sw_loop_state *l, __u64 now);

/*
 * A descriptor of the signals that end us, from here on; -errno. SIGHUP reads files again, if there are any (reload).
 * Else it says that the terminal is gone; but a service has none, and only was told to reload; and under nohup(1) it is
 * ignored, which a signal that is blocked would not be.
 */
int sw_dispatch_catch_signals(bool reload, bool service);

#endif
