/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An event that a command is run for, and the line about that (docs/schema/watch.schema.json). */
#ifndef SW_WATCH_JOB_H
#define SW_WATCH_JOB_H

#include "lines/ndjson.h"

#include <sys/types.h>

enum { SW_WATCH_KEYS = 4, SW_WATCH_KEY = 255 }; /* keys of --per; bytes of their values together */

struct sw_job {
    char *line, *env; /* with its newline; as sw_watch_env_pack has it */
    size_t line_len, env_len;
    char of[32]; /* the event's kind */
    __u64 seq;
    char key[SW_WATCH_KEY + 1]; /* empty: without --per */
};

/*
 * "10.0.0.1:80", of several keys joined by spaces; what an event has not is "null". In a text a space, a '\' and the
 * whole of "null" have a '\' before them, so that nobody can choose a value that makes the key of other ones. False: it
 * is too long.
 */
bool sw_job_key(const struct sw_line *line, char *const *keys, size_t len, char ret[SW_WATCH_KEY + 1]);

/* key: NULL without --per. NULL: no memory. */
struct sw_job *sw_job_new(const struct sw_line *line, const char *text, size_t len, const char *key);
void sw_job_free(void *job); /* NULL is fine */

struct sw_job_end {
    pid_t pid;
    int status; /* as of waitpid(2) */
    bool timed_out;
    __u64 duration_ns;
};

/* A line, with its newline: at most SW_JOB_LINE bytes. Its length. now_ns: of the wall clock. */
#define SW_JOB_LINE 2048
size_t sw_job_line(const struct sw_job *job, const struct sw_job_end *end, __u64 now_ns, char buf[SW_JOB_LINE]);
/* What would be run: a line of any length, in memory of the caller's. NULL: there is none. */
char *sw_job_dry_line(const struct sw_job *job, char *const *argv, __u64 now_ns, size_t *ret_len);

#endif
