/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/pump.h"

#include "base/exit.h"
#include "guard/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

void sw_loop_fail(struct sw_loop_state *l, int exit_code, int err, const char *what)
{
    if (!l->exit_code) /* the first failure is the cause */
        sw_fail(l->failure, exit_code, err, "%s: %s", what, strerror(-err));
    l->exit_code = l->exit_code ? l->exit_code : exit_code;
    l->stop = true;
}

static void report_event(struct sw_loop_state *l, const struct sw_event *ev)
{
    int err = sw_report_event(l->in->report, ev);

    if (err == -EINVAL) /* one that found no memory is in the reporter's next loss line */
        sw_loop_fail(l, SW_EXIT_INTERNAL, err, "a record is not of this version");
}

static bool take(struct sw_loop_state *l, int which, size_t pending_max)
{
    l->rings.batch[which].len = 0;
    return sw_report_pending(l->in->report) < pending_max && sw_rings_take(&l->rings, which);
}

static void drain_guard(struct sw_loop_state *l)
{
    bool more;

    if (!l->in->guard || sw_report_pending(l->in->report) >= SW_PENDING_HIGH)
        return;
    if (sw_guard_runtime_drain(l->in->guard, l->in->report, &more))
        sw_loop_fail(l, SW_EXIT_INTERNAL, -EINVAL, "a guard record is not of this version");
    l->more |= more;
}

/*
 * `events` is read first and both are merged by time: the records that `events_open` then holds are at least as new, so
 * `opening` comes before the other events of its connection.
 */
void sw_pump_drain(struct sw_loop_state *l)
{
    const struct sw_batch *first = &l->rings.batch[SW_RING_MAIN], *second = &l->rings.batch[SW_RING_OPEN];
    const struct sw_event *a, *b, *a_end, *b_end;

    l->more = take(l, SW_RING_MAIN, SW_PENDING_HIGH);
    l->more |= take(l, SW_RING_OPEN, SW_PENDING_LOW);
    a = first->events, a_end = a + first->len;
    b = second->events, b_end = b + second->len;
    while (a < a_end || b < b_end)
        report_event(l, b == b_end || (a < a_end && a->ts <= b->ts) ? a++ : b++);
    drain_guard(l);
}

int sw_pump_flush(struct sw_loop_state *l)
{
    int err;

    if (l->in->pin)
        sw_checkpoint_add(&l->checkpoints, l->in->report, &l->account);
    err = sw_report_flush(l->in->report);
    if (l->in->pin)
        sw_checkpoint_written(&l->checkpoints, l->in->report);

    if (err == -EPIPE) /* the reader has seen enough */
        l->stop = true;
    else if (err && err != -EAGAIN)
        sw_loop_fail(l, SW_EXIT_OUTPUT, err, "standard output");
    return err;
}

/* Descriptors that cannot be polled (files) are always writable; without events: errors only. */
void sw_pump_watch_stdout(struct sw_loop_state *l, __u32 events)
{
    struct epoll_event ev = {.events = events, .data.fd = STDOUT_FILENO};

    if (l->stdout_watched && events != l->stdout_events)
        epoll_ctl(l->epoll, EPOLL_CTL_MOD, STDOUT_FILENO, &ev);
    l->stdout_events = events;
}

void sw_pump_watch_ring(struct sw_loop_state *l, int which, bool on)
{
    int fd = l->rings.ring[which].fd;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

    if (l->ring_watched[which] == on)
        return;
    epoll_ctl(l->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &ev);
    l->ring_watched[which] = on;
}
