/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Wake-ups of the loop beside the rings: signals, changes of interfaces, a clock that is set, a reader that closed. */
#ifndef SW_DAEMON_DISPATCH_H
#define SW_DAEMON_DISPATCH_H

#include "daemon/pump.h"

/* Waits for one of them, or for a ring, for timeout_ms at most, and handles it. False: nothing came. */
bool sw_dispatch_wait(struct sw_loop_state *l, int timeout_ms);

void sw_dispatch_check_links(struct sw_loop_state *l); /* changes may have been missed */
void sw_dispatch_no_link_left(struct sw_loop_state *l, int exit_code);
void sw_dispatch_clock(struct sw_loop_state *l); /* has the wall clock moved? */

/* The duration is over, or a signal came. Cookies on their way may come back for another second, unless a second signal
 * comes. */
void sw_dispatch_stop(struct sw_loop_state *l, __u64 now);
/* Waiting for translated connections (--drain), and there are none any more: the end. */
void sw_dispatch_drained(struct sw_loop_state *l);

/*
 * A descriptor for the signals that end the daemon, which are blocked from here on; -errno. With `reload` SIGHUP
 * reloads files. Else it means that the terminal is gone. A service has no terminal: there it is ignored. So it is
 * under nohup(1), which blocking it would undo.
 */
int sw_dispatch_catch_signals(bool reload, bool service);

#endif
