/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the instance whose events are read, and asks it for them. */
#ifndef SW_CMD_EVENTS_SOURCE_H
#define SW_CMD_EVENTS_SOURCE_H

#include "cmd/choice.h"
#include "readers/request.h"

struct sw_events_choice {
    struct sw_choice which;
    const char *command;  /* which error lines name; NULL: events */
    struct sw_hello last; /* pid 0: there was none; else one of its interface and namespace is waited for */
    /* of sw_events_join: */
    bool quiet;     /* what was said is not said again */
    int answer_ms;  /* how long one may take to answer; 0: as long as it is worth to wait */
    __u64 again_at; /* not before */
};

/*
 * The one instance that fits. A connected descriptor and what it says of
 * itself. An enum sw_exit, after a line on stderr: SW_EXIT_NOT_RUNNING (no line if waits: the caller will try again),
 * SW_EXIT_PRIVILEGE, or SW_EXIT_USAGE with the candidates.
 */
int sw_events_find(struct sw_events_choice *choice, bool waits, int *ret_fd, struct sw_hello *ret);

/* What it says of itself, for people. */
const char *sw_events_text(const struct sw_events_choice *choice, const struct sw_hello *hello,
                           char buf[SW_INSTANCE_TEXT]);

/* Sends the request and takes the answer: lines come next. An enum sw_exit, after a line on stderr. */
int sw_events_ask(const struct sw_events_choice *choice, int fd, const struct sw_request *request);

/*
 * Both. If waits, SW_EXIT_NOT_RUNNING is all that is to be tried again: none is there, or one that does not answer or
 * refuses, which is said once; others then end it. It takes up to 6 s where one does not answer.
 */
int sw_events_join(struct sw_events_choice *choice, bool waits, const struct sw_request *request, int *ret_fd,
                   struct sw_hello *ret);

#endif
