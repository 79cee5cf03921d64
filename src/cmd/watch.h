/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward watch: what its options fill, and its loop. */
#ifndef SW_CMD_WATCH_H
#define SW_CMD_WATCH_H

#include "cmd/events_source.h"
#include "cmd/watch_jobs.h"

enum { SW_WATCH_ARGS = 64 };

struct sw_watch {
    struct sw_request wants;
    bool wants_loss; /* as events to act on */
    struct sw_events_choice choice;
    struct sw_jobs_options opts;
    const char *exec;
    char *argv[SW_WATCH_ARGS + 2];
    __u64 every_ns, rate_burst, burst;
    bool follow;
    int signal_fd, child_fd;
    struct sw_ndjson *lines; /* NULL: of no instance now */
    bool reading, more;      /* more: lines may be there that poll does not know of */
    bool said;               /* that none is running */
    __u64 lost, lost_unsaid, say_lost_at;
    struct sw_jobs jobs;
};

/* Until it ends: an enum sw_exit, after a line on stderr. */
int sw_watch_run(struct sw_watch *w);

#endif
