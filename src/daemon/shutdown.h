/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of the story. */
#ifndef SW_DAEMON_SHUTDOWN_H
#define SW_DAEMON_SHUTDOWN_H

#include "daemon/pump.h"

/* Everything is detached, or stays pinned: the rings are read dry, and what was lost and counted is said. */
void sw_shutdown_finish(struct sw_loop_state *l);

#endif
