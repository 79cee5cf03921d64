/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>

int sw_fail(struct sw_failure *f, int exit_code, int err, const char *fmt, ...)
{
    va_list ap;

    f->exit_code = exit_code;
    va_start(ap, fmt);
    vsnprintf(f->line, sizeof(f->line), fmt, ap);
    va_end(ap);
    return err;
}
