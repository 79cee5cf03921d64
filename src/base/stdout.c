/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/stdout.h"

#include "base/exit.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A write that failed before has left its mark, but no errno. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

int sw_stdout_end(void)
{
    int err = fflush(stdout) ? errno : 0;

    if (!err && !ferror(stdout))
        return SW_EXIT_OK;
    if (err == EPIPE || reader_is_gone())
        return SW_EXIT_OK;
    sw_err("standard output: %s", err ? strerror(err) : "it could not be written");
    return SW_EXIT_OUTPUT;
}
