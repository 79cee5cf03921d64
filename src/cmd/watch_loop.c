/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/watch.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/patient.h"
#include "watch/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    AT_ONCE = 256, /* lines, between two looks at signals */
    LOOK_MS = 100, /* --follow: between two looks for an instance */
};
#define LOSS_NS (1 * SW_SECOND) /* between two lines about losses */

/* Warns of losses at most once a second. */
static void say_lost(struct sw_watch *w, __u64 now)
{
    if (!w->lost_unsaid || now < w->say_lost_at)
        return;
    sw_warn("watch: at most %llu events were lost before they could be read, and are not acted on",
            (unsigned long long)w->lost_unsaid);
    w->lost_unsaid = 0;
    w->say_lost_at = now + LOSS_NS;
}

static void take_line(struct sw_watch *w, const struct sw_line *line, __u64 now)
{
    const char *kind = sw_field_text(line, "event"), *text;
    __u64 lost = 0;
    size_t len;

    if (kind && !strcmp(kind, "loss")) {
        sw_field_u64(line, "lost", &lost);
        w->lost += lost;
        w->lost_unsaid += lost;
        say_lost(w, now);
        if (!w->wants_loss)
            return;
    }
    text = sw_ndjson_text(w->lines, &len);
    sw_jobs_event(&w->jobs, line, text, len, now);
}

static void leave(struct sw_watch *w)
{
    sw_ndjson_close(w->lines);
    w->lines = NULL;
    w->more = false;
}

/* What is there, but not too much at once. */
static int take_lines(struct sw_watch *w)
{
    const struct sw_line *line;
    int got = 1;

    for (int n = 0; n < AT_ONCE && got == 1 && !sw_jobs_counted(&w->jobs) && !w->jobs.code; n++) {
        got = sw_ndjson_next(w->lines, &line);
        if (got == 1)
            take_line(w, line, sw_clock_now());
    }
    w->more = got == 1;
    if (got == 1 || got == -EAGAIN)
        return SW_EXIT_OK;
    leave(w);
    if (w->follow)
        sw_info("the synward with pid %d has ended: waiting for the next one", w->choice.last.pid);
    else
        sw_info("the synward with pid %d has ended", w->choice.last.pid);
    w->said = true;
    w->reading = w->follow;
    return SW_EXIT_OK;
}

static void say_source(const struct sw_watch *w, const struct sw_hello *hello)
{
    char who[SW_INSTANCE_TEXT];

    sw_info("watching events of the synward with %s", sw_events_text(&w->choice, hello, who));
    if (!(w->wants.event_mask & hello->event_mask & ~(1u << SW_LINE_LOSS)))
        sw_warn("it makes no such lines: its own --events leaves them out");
}

/* SW_EXIT_OK also if there is none and it is waited for. */
static int join_instance(struct sw_watch *w)
{
    struct sw_hello hello;
    int fd, code = sw_events_join(&w->choice, w->follow, &w->wants, &fd, &hello);

    if (!code && sw_ndjson_take(fd, &w->lines)) {
        close(fd);
        return SW_EXIT_MEMORY;
    }
    if (!code) {
        say_source(w, &hello);
        w->choice.last = hello;
        w->more = true;
        return SW_EXIT_OK;
    }
    if (code != SW_EXIT_NOT_RUNNING || !w->follow)
        return code;
    if (!w->said && !w->choice.quiet)
        sw_info("no synward is running: waiting for one");
    w->said = true;
    return SW_EXIT_OK;
}

static void drain(int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) > 0)
        ;
}

static int timeout_ms(const struct sw_watch *w)
{
    int ms = sw_jobs_wait_ms(&w->jobs, sw_clock_now());

    if (w->more)
        return 0;
    if (w->reading && !w->lines && (ms < 0 || ms > LOOK_MS))
        return LOOK_MS;
    if (w->lost_unsaid && (ms < 0 || ms > 1000))
        return 1000;
    return ms;
}

static void wait_for(struct sw_watch *w)
{
    struct pollfd fds[] = {{.fd = w->signal_fd, .events = POLLIN},
                           {.fd = w->child_fd, .events = POLLIN},
                           {.fd = w->lines ? sw_ndjson_fd(w->lines) : -1, .events = POLLIN}};

    if (poll(fds, 3, timeout_ms(w)) < 0)
        return;
    if (fds[1].revents)
        drain(w->child_fd);
    if (fds[0].revents) {
        drain(w->signal_fd);
        w->reading = false;
        leave(w);
        sw_jobs_stop(&w->jobs, sw_clock_now());
    }
    w->more |= w->lines && fds[2].revents;
}

static int loop(struct sw_watch *w)
{
    int code = join_instance(w);

    while (!code && (w->reading || !sw_jobs_idle(&w->jobs))) {
        wait_for(w);
        sw_jobs_tick(&w->jobs, sw_clock_now());
        say_lost(w, sw_clock_now());
        if (w->lines && w->more)
            code = take_lines(w);
        else if (w->reading && !w->lines)
            code = join_instance(w);
        if (sw_jobs_counted(&w->jobs) || (w->opts.dry_run && w->jobs.gone)) {
            w->reading = false;
            leave(w);
        }
        code = code ? code : w->jobs.code;
        if (w->opts.dry_run && w->jobs.gone)
            break;
    }
    return code;
}

/* After a failure of ours, too: nothing that was begun is left behind. */
static void end_jobs(struct sw_watch *w)
{
    if (!sw_jobs_idle(&w->jobs))
        sw_jobs_stop(&w->jobs, sw_clock_now());
    leave(w);
    w->reading = false;
    while (!sw_jobs_idle(&w->jobs)) {
        wait_for(w);
        sw_jobs_tick(&w->jobs, sw_clock_now());
    }
}

static int open_signals(struct sw_watch *w)
{
    sigset_t set;

    w->signal_fd = sw_patient_signals();
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    signal(SIGCHLD, SIG_DFL); /* a caller that ignores it would have its zombies taken away */
    sigprocmask(SIG_BLOCK, &set, NULL);
    w->child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return w->signal_fd < 0 || w->child_fd < 0 ? SW_EXIT_INTERNAL : SW_EXIT_OK;
}

int sw_watch_run(struct sw_watch *w)
{
    int code, err = sw_child_find(w->exec, getenv("PATH"), &w->opts.path);

    if (err) {
        sw_err("watch: --exec '%s': %s", w->exec, strerror(-err));
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_USAGE;
    }
    w->argv[0] = (char *)w->exec;
    w->opts.argv = w->argv;
    w->reading = true;
    code = open_signals(w);
    if (!code && sw_jobs_open(&w->opts, w->signal_fd, &w->jobs))
        code = SW_EXIT_MEMORY;
    if (code)
        return code;
    code = loop(w);
    end_jobs(w);
    if (w->jobs.events || !code)
        sw_jobs_sum_up(&w->jobs);
    if (w->lost)
        sw_warn("watch: at most %llu events were lost in all, and not acted on", (unsigned long long)w->lost);
    sw_jobs_close(&w->jobs);
    return code;
}
