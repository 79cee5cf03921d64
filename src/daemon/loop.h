/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's loop: rings to lines, once a second the sweep and the accounting, signals, back-pressure and changes of
 * interfaces. Nothing in it blocks, whatever the reader does.
 */
#ifndef SW_DAEMON_LOOP_H
#define SW_DAEMON_LOOP_H

#include "base/failure.h"
#include "daemon/daemon.h"

/* Runs until a signal, the end of the duration or a failure; detaches, unless it is pinned; logs the remaining events.
 * With the guard SIGHUP reads its files again instead. An enum sw_exit. */
int sw_loop_run(struct sw_loop *loop, struct sw_failure *ret_failure);

#endif
