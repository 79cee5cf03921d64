/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_DAEMON_RUN_DIR_FAIL_H
#define SW_DAEMON_RUN_DIR_FAIL_H

#include "base/failure.h"

#include <stdbool.h>

/* Records why /run/synward cannot be used; what is to be done if it, or what lies there, is another user's. Returns
 * err. */
int sw_run_dir_fail(int err, struct sw_failure *f);

/* Only what lies there and is another user's: true. Else f stays as it is. */
bool sw_run_dir_foreign(int err, struct sw_failure *f);

#endif
