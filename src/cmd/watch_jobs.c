/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/watch_jobs.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/patient.h"
#include "watch/child.h"
#include "watch/env.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (2 * SW_SECOND)  /* from SIGTERM to SIGKILL */
#define AGAIN_NS (1 * SW_SECOND)  /* until it is tried again to begin what could not be */
#define SELDOM_NS (1 * SW_SECOND) /* between two lines about failures */

_Static_assert(SW_JOB_LINE <= PIPE_BUF, "a pipe that takes something takes a line");

int sw_jobs_open(const struct sw_jobs_options *opts, int signal_fd, struct sw_jobs *ret)
{
    *ret = (struct sw_jobs){.opts = opts, .signal_fd = signal_fd};
    return sw_plan_open(&opts->plan, sw_job_free, &ret->plan);
}

void sw_jobs_close(struct sw_jobs *j)
{
    sw_plan_close(j->plan);
}

/* May a line about it be written? *ret_held: how many before it were not. */
static bool may_say(struct sw_seldom *s, __u64 now, __u64 *ret_held)
{
    if (now < s->next) {
        s->held++;
        return false;
    }
    *ret_held = s->held;
    *s = (struct sw_seldom){.next = now + SELDOM_NS};
    return true;
}

static __u64 wall(__u64 now)
{
    return now + (__u64)sw_clock_offset();
}

/* Without waiting for its reader: who acts on an attack does not depend on a log. */
static void put_line(struct sw_jobs *j, const char *line, size_t len)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    ssize_t n;

    if (j->gone)
        return;
    if (poll(&out, 1, 0) == 1 && out.revents & POLLOUT) {
        if (j->half && write(STDOUT_FILENO, "\n", 1) == 1)
            j->half = false;
        n = write(STDOUT_FILENO, line, len);
        if (n == (ssize_t)len)
            return;
        j->gone = n < 0 && errno == EPIPE;
        j->half |= n > 0;
    }
    if (!j->unsaid++)
        sw_warn("watch: standard output %s: commands are run all the same, and their lines counted",
                j->gone ? "is read no more" : "takes nothing");
}

static bool succeeded(const struct sw_job_end *end)
{
    return !end->timed_out && WIFEXITED(end->status) && !WEXITSTATUS(end->status);
}

static void say_end(struct sw_jobs *j, const struct sw_job *job, const struct sw_job_end *end, __u64 now)
{
    const char *key = *job->key ? job->key : "-";
    char how[80], more[64] = "";
    __u64 held;

    if (succeeded(end))
        return;
    if (end->timed_out)
        j->timed_out++;
    else
        j->failed++;
    if (!may_say(&j->say_failed, now, &held))
        return;
    if (end->timed_out)
        snprintf(how, sizeof(how), "did not end within %g s", (double)j->opts->timeout_ns / SW_SECOND);
    else if (WIFEXITED(end->status))
        snprintf(how, sizeof(how), "ended with exit code %d%s", WEXITSTATUS(end->status),
                 WEXITSTATUS(end->status) >= 126 ? " (126, 127: it cannot be executed)" : "");
    else
        snprintf(how, sizeof(how), "was ended by signal %d", WTERMSIG(end->status));
    if (held)
        snprintf(more, sizeof(more), " (and %llu more before)", (unsigned long long)held);
    sw_warn("watch: '%s' %s: %s, key %s, seq %llu%s", j->opts->path, how, job->of, key, (unsigned long long)job->seq,
            more);
}

static void signal_one(struct sw_running *r, bool kills, __u64 now)
{
    r->killed = kills;
    r->error = sw_child_signal(r->pid, kills ? SIGKILL : SIGTERM);
    r->deadline = now + GRACE_NS;
}

/* Others begin beside it, but none of its key: what it does is not over. */
static void leave(struct sw_jobs *j, struct sw_running *r)
{
    r->left = true;
    j->left_len++;
    sw_warn("watch: '%s' with pid %d cannot be ended (%s) and is left%s", j->opts->path, r->pid,
            r->error ? strerror(-r->error) : "SIGKILL does not do it",
            j->opts->plan.per ? ": until it ends nothing is begun for its values of --per" : "");
}

static void over(struct sw_jobs *j, const struct sw_plan_task *task)
{
    sw_plan_ended(j->plan, task);
    sw_job_free(task->item);
}

/* If nothing newer waits. */
static void again(struct sw_jobs *j, const struct sw_plan_task *task, __u64 from)
{
    if (!sw_plan_again(j->plan, task, from))
        sw_job_free(task->item);
}

static void look(struct sw_jobs *j, struct sw_running *r, __u64 now)
{
    struct sw_job_end end = {.pid = r->pid, .timed_out = r->timed_out};
    char line[SW_JOB_LINE];

    if (sw_child_ended(r->pid, &end.status)) {
        end.duration_ns = now - r->began;
        put_line(j, line, sw_job_line(r->task.item, &end, wall(now), line));
        say_end(j, r->task.item, &end, now);
        if (succeeded(&end) || !j->opts->retry_ns)
            over(j, &r->task);
        else
            again(j, &r->task, now + j->opts->retry_ns);
        j->left_len -= r->left;
        *r = (struct sw_running){0};
        j->running_len--;
    } else if (now >= r->deadline && !r->killed) {
        signal_one(r, r->timed_out || j->stopping, now);
        r->timed_out |= !j->stopping;
    } else if (now >= r->deadline && !r->left) {
        leave(j, r);
    }
}

static int start(const struct sw_jobs *j, struct sw_job *job, pid_t *ret)
{
    char **env = sw_watch_env_list(environ, job->env, job->env_len);
    struct sw_child_command command = {
        .path = j->opts->path, .argv = j->opts->argv, .env = env, .input = job->line, .input_len = job->line_len};
    int err = env ? sw_child_start(&command, ret) : -ENOMEM;

    free(env);
    return err;
}

static void show(struct sw_jobs *j, struct sw_plan_task *task, __u64 now)
{
    size_t len;
    char *line = sw_job_dry_line(task->item, j->opts->argv, wall(now), &len);

    if (!line)
        j->code = SW_EXIT_MEMORY;
    else if (!j->code)
        j->code = sw_patient_write(j->signal_fd, line, len, &j->gone);
    free(line);
    over(j, task);
}

static void begin(struct sw_jobs *j, struct sw_plan_task *task, __u64 now)
{
    struct sw_running *r = j->running;
    __u64 held;
    int err;

    j->begun++;
    if (j->opts->dry_run) {
        show(j, task, now);
        return;
    }
    while (r->pid)
        r++;
    *r = (struct sw_running){.task = *task, .began = now, .deadline = now + j->opts->timeout_ns};
    err = start(j, task->item, &r->pid);
    if (!err) {
        j->running_len++;
        return;
    }
    *r = (struct sw_running){0};
    j->begun--;
    if (may_say(&j->say_failed, now, &held))
        sw_warn("watch: '%s' cannot be started now: %s", j->opts->path, strerror(-err));
    again(j, task, now + AGAIN_NS);
}

static bool has_place(const struct sw_jobs *j)
{
    return j->running_len < SW_JOBS_MAX && j->running_len - j->left_len < j->opts->jobs;
}

void sw_jobs_tick(struct sw_jobs *j, __u64 now)
{
    struct sw_plan_task task;

    for (size_t i = 0; i < SW_JOBS_MAX; i++)
        if (j->running[i].pid)
            look(j, &j->running[i], now);
    while (!j->stopping && !sw_jobs_counted(j) && !j->code && has_place(j) && sw_plan_next(j->plan, now, &task))
        begin(j, &task, now);
}

static void skipped(struct sw_jobs *j, __u64 *counter, __u64 count, const char *why, __u64 now)
{
    __u64 held;

    *counter += count;
    if (may_say(&j->say_skipped, now, &held))
        sw_warn("watch: %llu events are not acted on: %s", (unsigned long long)(held + count), why);
    else
        j->say_skipped.held += count - 1;
}

static void add(struct sw_jobs *j, struct sw_job *job, __u64 now)
{
    const bool per = j->opts->plan.per;
    const char *no_room = per ? "no room for more values of --per" : "no room for more that wait for --jobs";
    size_t displaced;
    enum sw_plan_result result = sw_plan_add(j->plan, per ? job->key : NULL, !strcmp(job->of, "guard"), job,
                                             sizeof(*job) + job->line_len + job->env_len, now, &displaced);

    if (displaced)
        skipped(j, &j->full, displaced, no_room, now);
    if (result == SW_PLAN_TAKEN)
        return;
    if (result == SW_PLAN_REPLACED) {
        j->replaced++;
        return;
    }
    sw_job_free(job);
    if (result == SW_PLAN_OVER_RATE)
        skipped(j, &j->over_rate, 1, "they are over --rate", now);
    else if (result == SW_PLAN_FULL)
        skipped(j, &j->full, 1, no_room, now);
    else
        j->code = SW_EXIT_MEMORY;
}

void sw_jobs_event(struct sw_jobs *j, const struct sw_line *line, const char *text, size_t len, __u64 now)
{
    const struct sw_jobs_options *opts = j->opts;
    char key[SW_WATCH_KEY + 1];
    struct sw_job *job;

    j->events++;
    if (opts->plan.per && !sw_job_key(line, opts->keys, opts->keys_len, key)) {
        skipped(j, &j->long_keys, 1, "the value of --per is too long", now);
        return;
    }
    job = sw_job_new(line, text, len, opts->plan.per ? key : NULL);
    if (!job) {
        j->code = SW_EXIT_MEMORY;
        return;
    }
    add(j, job, now);
    sw_jobs_tick(j, now);
}

void sw_jobs_stop(struct sw_jobs *j, __u64 now)
{
    const bool at_once = j->stopping;

    j->stopping = true;
    sw_jobs_tick(j, now);
    for (size_t i = 0; i < SW_JOBS_MAX; i++)
        if (j->running[i].pid && !j->running[i].killed)
            signal_one(&j->running[i], at_once, now);
    sw_jobs_tick(j, now);
}

bool sw_jobs_counted(const struct sw_jobs *j)
{
    return j->opts->count && j->begun >= j->opts->count;
}

bool sw_jobs_idle(const struct sw_jobs *j)
{
    return j->running_len == j->left_len && (j->stopping || sw_jobs_counted(j) || !sw_plan_waiting(j->plan));
}

int sw_jobs_wait_ms(const struct sw_jobs *j, __u64 now)
{
    bool begins = !j->stopping && !sw_jobs_counted(j) && has_place(j);
    __u64 due = begins ? sw_plan_due(j->plan) : ~0ull, ms;

    for (size_t i = 0; i < SW_JOBS_MAX; i++)
        if (j->running[i].pid && !j->running[i].left && j->running[i].deadline < due)
            due = j->running[i].deadline;
    if (due == ~0ull)
        return -1;
    ms = due > now ? (due - now) / 1000000 + 1 : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

void sw_jobs_sum_up(const struct sw_jobs *j)
{
    sw_info(
        "watch: %llu events, %llu commands %s, %llu failed, %llu timed out; events not acted on: %llu replaced by a "
        "newer one, %llu over the rate, %llu for which there was no room, %llu of too long a value of --per, %zu still "
        "waiting",
        (unsigned long long)j->events, (unsigned long long)j->begun, j->opts->dry_run ? "shown" : "begun",
        (unsigned long long)j->failed, (unsigned long long)j->timed_out, (unsigned long long)j->replaced,
        (unsigned long long)j->over_rate, (unsigned long long)j->full, (unsigned long long)j->long_keys,
        sw_plan_waiting(j->plan));
    if (j->left_len)
        sw_warn("watch: %zu commands are left that could not be ended", j->left_len);
    if (j->unsaid)
        sw_warn("watch: %llu lines about commands were not written", (unsigned long long)j->unsaid);
}
