/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the instance whose events are read, and asks it for them. */
#ifndef SW_CMD_EVENTS_SOURCE_H
#define SW_CMD_EVENTS_SOURCE_H

#include "readers/request.h"

struct sw_events_choice {
    int pid;              /* 0: any */
    const char *iface;    /* NULL: any */
    struct sw_hello last; /* pid 0: there was none; else one with the same interfaces is preferred to others */
};

/*
 * The one instance that fits; of several, the one of this network namespace. A connected descriptor and what it says of
 * itself. An enum sw_exit, after a line on stderr: SW_EXIT_NOT_RUNNING (no line if waits: the caller will try again),
 * SW_EXIT_PRIVILEGE, or SW_EXIT_USAGE with the candidates.
 */
int sw_events_find(const struct sw_events_choice *choice, bool waits, int *ret_fd, struct sw_hello *ret);

/* Sends the request and takes the answer: lines come next. An enum sw_exit, after a line on stderr. */
int sw_events_ask(int fd, const struct sw_request *request);

#endif
