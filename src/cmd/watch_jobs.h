/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands of synward watch: which wait, which run, what became of them. */
#ifndef SW_CMD_WATCH_JOBS_H
#define SW_CMD_WATCH_JOBS_H

#include "watch/job.h"
#include "watch/plan.h"

#include <sys/types.h>

enum { SW_JOBS_MAX = 64 };

struct sw_jobs_options {
    struct sw_plan_rules plan;
    char *keys[SW_WATCH_KEYS]; /* of --per */
    size_t keys_len;
    char *path;  /* of the command */
    char **argv; /* ends with NULL */
    __u32 jobs;  /* at once */
    __u64 timeout_ns;
    __u64 retry_ns; /* with --per: once more after a failure; 0: no */
    __u64 count;    /* begin so many and no more; 0: no end */
    bool dry_run;
};

/* One at most so often; the others are counted. */
struct sw_seldom {
    __u64 next;
    __u64 held;
};

struct sw_jobs {
    const struct sw_jobs_options *opts;
    int signal_fd;
    struct sw_plan *plan;
    struct sw_running {
        pid_t pid; /* 0: a free place */
        struct sw_plan_task task;
        __u64 began, deadline; /* when it is signalled next */
        bool timed_out, killed;
        bool left; /* SIGKILL has not ended it: nobody waits for it, but its key does */
        int error; /* -errno of the last signal */
    } running[SW_JOBS_MAX];
    size_t running_len, left_len;
    __u64 begun, failed, timed_out;                             /* of commands */
    __u64 events, replaced, over_rate, full, long_keys, unsaid; /* of events; and lines that nobody took */
    bool half, gone; /* of standard output: half a line is there; it has no reader */
    bool stopping;   /* nothing begins any more */
    struct sw_seldom say_failed, say_skipped;
    int code; /* an enum sw_exit other than 0: it cannot go on, and that was said */
};

int sw_jobs_open(const struct sw_jobs_options *opts, int signal_fd, struct sw_jobs *ret); /* 0 or -ENOMEM */
void sw_jobs_close(struct sw_jobs *j);

/* All of these look at what has ended and at what may begin. */
void sw_jobs_event(struct sw_jobs *j, const struct sw_line *line, const char *text, size_t len, __u64 now);
void sw_jobs_tick(struct sw_jobs *j, __u64 now);
/* What waits is dropped and counted, what runs is asked to end, and killed after two seconds or if it is called again.
 * What does not end two seconds after that is left.
 */
void sw_jobs_stop(struct sw_jobs *j, __u64 now);

bool sw_jobs_idle(const struct sw_jobs *j);    /* nothing runs that is waited for, and nothing waits that will */
bool sw_jobs_counted(const struct sw_jobs *j); /* so many as were wanted have begun */
int sw_jobs_wait_ms(const struct sw_jobs *j, __u64 now); /* until the next tick is due; -1: none is */

void sw_jobs_sum_up(const struct sw_jobs *j); /* one line on standard error */

#endif
