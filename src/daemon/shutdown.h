/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of a run. */
#ifndef SW_DAEMON_SHUTDOWN_H
#define SW_DAEMON_SHUTDOWN_H

#include "daemon/pump.h"

/* Everything is detached, or pinned: reads the rings until they are empty, and logs losses and final counters. */
void sw_shutdown_finish(struct sw_loop_state *l);

#endif
