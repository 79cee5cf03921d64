/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A failure, passed from where it happened to the command that logs it. */
#ifndef SW_BASE_FAILURE_H
#define SW_BASE_FAILURE_H

#include "base/exit.h"

/* A failure for the command to log: an enum sw_exit and one line. */
struct sw_failure {
    int exit_code;
    char line[512];
};

/* Fills *f and returns err. */
__attribute__((format(printf, 4, 5))) int sw_fail(struct sw_failure *f, int exit_code, int err, const char *fmt, ...);

#endif
