/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When `run` and `replay` enter the sandbox. */
#ifndef SW_DAEMON_LOCK_DOWN_H
#define SW_DAEMON_LOCK_DOWN_H

#include "base/failure.h"
#include "config/options.h"
#include "daemon/daemon.h"

/* Everything is open and attached. --no-sandbox: does nothing. What fails ends in f. */
int sw_lock_down_run(const struct sw_loop *loop, struct sw_failure *f);

/* The capture is open, and no frame of it was looked at. obj: the loaded programs, or NULL: none. */
int sw_lock_down_replay(const struct sw_common_opts *opts, struct synward_bpf *obj, struct sw_failure *f);

#endif
