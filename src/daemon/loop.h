/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's loop: rings to lines, once a second the sweep and the accounts, signals, the reader's pace and
 * the interfaces' fate. Nothing in it blocks, whatever the reader does.
 */
#ifndef SW_DAEMON_LOOP_H
#define SW_DAEMON_LOOP_H

#include "base/failure.h"
#include "daemon/daemon.h"

/* Runs until a signal, the end of the duration or a failure; detaches, unless it is pinned; tells the rest. With the
 * guard SIGHUP reads its files again instead. An enum sw_exit. */
int sw_loop_run(struct sw_loop *loop, struct sw_failure *ret_failure);

#endif
