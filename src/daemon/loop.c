/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/loop.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/links.h"
#include "base/log.h"
#include "base/notify.h"
#include "daemon/interfaces.h"
#include "daemon/lock_down.h"
#include "events/checkpoint.h"
#include "events/loss.h"
#include "events/reader.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PENDING_HIGH (8u << 20) /* bytes of lines that wait for the reader: over it no ring is read */
#define PENDING_LOW (4u << 20)  /* over it `events_open` is not read: real connections first */
#define NAP_MS 50               /* the rings wake us for a batch; fewer records wait so long at most */
#define STUCK_NS (30 * SW_SECOND)
#define DRAIN_NS (5 * SW_SECOND) /* pinned, at the end: the rings are read for so long at most */

struct loop {
    struct sw_loop *in;
    struct sw_account account;
    struct sw_rings rings;
    struct sw_marks marks; /* pinned */
    int epoll;
    int links;
    int clock;
    bool ring_watched[SW_RINGS];
    __u32 stdout_events;
    bool stdout_watched;
    bool stop;
    bool stopping;  /* the guard issues no more cookies; stop follows */
    bool finishing; /* nothing is attached any more: only what was followed is told */
    bool more;      /* a batch was full: do not sleep */
    unsigned signals;
    int exit_code;
    struct sw_failure *failure;
    __u64 next_tick, next_stats, next_look, deadline;
};

static void fail(struct loop *l, int exit_code, int err, const char *what)
{
    if (!l->exit_code) /* the first failure is the cause */
        sw_fail(l->failure, exit_code, err, "%s: %s", what, strerror(-err));
    l->exit_code = l->exit_code ? l->exit_code : exit_code;
    l->stop = true;
}

static void tell(struct loop *l, const struct sw_event *ev)
{
    int err = sw_report_event(l->in->report, ev);

    if (err == -EINVAL) /* one that found no memory is in the reporter's next loss line */
        fail(l, SW_EXIT_INTERNAL, err, "a record is not of this version");
}

static bool take(struct loop *l, int which, size_t pending_max)
{
    l->rings.batch[which].len = 0;
    return sw_report_pending(l->in->report) < pending_max && sw_rings_take(&l->rings, which);
}

static void drain_guard(struct loop *l)
{
    bool more;

    if (!l->in->guarding || sw_report_pending(l->in->report) >= PENDING_HIGH)
        return;
    if (sw_guarding_drain(l->in->guarding, l->in->report, &more))
        fail(l, SW_EXIT_INTERNAL, -EINVAL, "a guard record is not of this version");
    l->more |= more;
}

/*
 * `events` is read first and both are told in the order of time: what `events_open` then holds is at least as
 * young, so the opening of a connection comes before the rest of its story.
 */
static void drain(struct loop *l)
{
    const struct sw_batch *first = &l->rings.batch[SW_RING_MAIN], *second = &l->rings.batch[SW_RING_OPEN];
    const struct sw_event *a, *b, *a_end, *b_end;

    l->more = take(l, SW_RING_MAIN, PENDING_HIGH);
    l->more |= take(l, SW_RING_OPEN, PENDING_LOW);
    a = first->events, a_end = a + first->len;
    b = second->events, b_end = b + second->len;
    while (a < a_end || b < b_end)
        tell(l, b == b_end || (a < a_end && a->ts <= b->ts) ? a++ : b++);
    drain_guard(l);
}

/* 0: all lines are out. */
static int flush_lines(struct loop *l)
{
    int err;

    if (l->in->pin)
        sw_books_mark(&l->marks, l->in->report, &l->account);
    err = sw_report_flush(l->in->report);
    if (l->in->pin)
        sw_books_written(&l->marks, l->in->report);

    if (err == -EPIPE) /* the reader has seen enough */
        l->stop = true;
    else if (err && err != -EAGAIN)
        fail(l, SW_EXIT_OUTPUT, err, "standard output");
    return err;
}

/* Descriptors that cannot be polled (files) are always writable; no events asks for errors only. */
static void watch_stdout(struct loop *l, __u32 events)
{
    struct epoll_event ev = {.events = events, .data.fd = STDOUT_FILENO};

    if (l->stdout_watched && events != l->stdout_events)
        epoll_ctl(l->epoll, EPOLL_CTL_MOD, STDOUT_FILENO, &ev);
    l->stdout_events = events;
}

static void watch_ring(struct loop *l, int which, bool on)
{
    int fd = l->rings.ring[which].fd;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

    if (l->ring_watched[which] == on)
        return;
    epoll_ctl(l->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &ev);
    l->ring_watched[which] = on;
}

static void no_link_left(struct loop *l, int exit_code)
{
    if (l->stop || l->exit_code)
        return;
    sw_fail(l->failure, exit_code, -ENODEV, "no interface is left to follow");
    l->exit_code = exit_code;
    l->stop = true;
}

static void on_link(const struct sw_link *link, void *ctx)
{
    struct loop *l = ctx;

    if (l->finishing)
        return;
    if (!sw_fate_link(l->in, link))
        no_link_left(l, SW_EXIT_INTERFACE);
}

static void check_links(struct loop *l)
{
    if (!l->finishing && !sw_fate_check(l->in))
        no_link_left(l, SW_EXIT_INTERFACE);
}

static void look_at_hooks(struct loop *l, __u64 now)
{
    l->next_look = now + SW_SECOND;
    if (!sw_fate_hooks(l->in))
        no_link_left(l, SW_EXIT_ATTACH);
}

/* Cookies on their way may still come back for a second, if nobody says a second time that we shall stop. */
static void begin_stop(struct loop *l, __u64 now)
{
    if (l->stopping || l->in->pin || !l->in->guarding || !sw_guarding_stop(l->in->guarding)) {
        l->stop = true;
        return;
    }
    l->stopping = true;
    l->deadline = now + SW_SECOND;
}

static void look_at_clock(struct loop *l)
{
    if (!sw_clock_moved(&l->in->clock_offset))
        return;
    sw_report_set_clock(l->in->report, l->in->clock_offset);
    if (l->in->guarding)
        sw_guarding_clock(l->in->guarding, l->in->clock_offset);
}

static void tick(struct loop *l, __u64 now)
{
    int err = sw_account_update(&l->account, now, 0, false);

    if (err)
        return fail(l, SW_EXIT_INTERNAL, err, "sweep");
    l->next_tick = l->account.sweep.held_back ? now + SW_SECOND / 10 : now + SW_SECOND;
    look_at_clock(l);
    if (sw_report_pending(l->in->report) > PENDING_HIGH)
        return; /* a slow reader gets its loss line when it reads again */
    sw_account_loss(&l->account, l->in->report, now);
    if (l->in->opts->interval_ns && now >= l->next_stats) {
        sw_account_stats(&l->account, l->in->report, now, false);
        l->next_stats = now + l->in->opts->interval_ns;
    }
}

static void on_signal(struct loop *l)
{
    struct signalfd_siginfo info;

    if (read(l->in->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP && l->in->guarding) {
        if (!l->finishing)
            sw_guarding_reload(l->in->guarding);
        return;
    }
    l->signals++;
    if (!l->finishing)
        begin_stop(l, sw_clock_now());
    else if (l->signals > 1) /* a service manager's first may come because the interface went, as we do */
        l->stop = true;
}

static void handle(struct loop *l, const struct epoll_event *ev)
{
    if (ev->data.fd == l->in->signal_fd) {
        on_signal(l);
    } else if (ev->data.fd == l->clock) {
        sw_clock_rewatch(l->clock);
        look_at_clock(l);
    } else if (ev->data.fd == l->links) {
        if (sw_links_read(l->links, on_link, l))
            check_links(l);
        l->next_look = 0; /* perhaps it was about our programs */
    } else if (ev->data.fd == STDOUT_FILENO && ev->events & (EPOLLERR | EPOLLHUP)) {
        l->stop = true;
    }
}

static void wait_and_handle(struct loop *l, int timeout_ms)
{
    struct epoll_event evs[8];
    int n = epoll_wait(l->epoll, evs, 8, timeout_ms);

    for (int i = 0; i < n; i++)
        handle(l, &evs[i]);
}

static int nap(const struct loop *l, __u64 now)
{
    __u64 ns = NAP_MS * 1000000ull;

    if (l->more)
        return 0;
    if (l->deadline && l->deadline < now + ns)
        ns = l->deadline > now ? l->deadline - now : 0;
    return (ns + 999999) / 1000000;
}

static void follow(struct loop *l)
{
    while (!l->stop) {
        size_t pending;
        __u64 now;

        drain(l);
        watch_stdout(l, flush_lines(l) == -EAGAIN ? EPOLLOUT : 0);
        pending = sw_report_pending(l->in->report);
        watch_ring(l, SW_RING_MAIN, pending < PENDING_HIGH);
        watch_ring(l, SW_RING_OPEN, pending < PENDING_LOW);
        now = sw_clock_now();
        if (now >= l->next_tick)
            tick(l, now);
        if (l->in->guarding)
            sw_guarding_tick(l->in->guarding, now);
        if (now >= l->next_look)
            look_at_hooks(l, now);
        if (l->deadline && now >= l->deadline)
            begin_stop(l, now);
        if (!l->stop)
            wait_and_handle(l, nap(l, now));
    }
}

/* Waits for a reader that is slow; gives up on a second signal or when nothing moves for a long time. */
static bool write_out(struct loop *l)
{
    __u64 moved = sw_clock_now();
    size_t pending = sw_report_pending(l->in->report);

    l->stop = false;
    while (!l->stop && flush_lines(l) == -EAGAIN) {
        __u64 now = sw_clock_now();

        if (sw_report_pending(l->in->report) != pending)
            moved = now;
        else if (now - moved > STUCK_NS)
            l->stop = true;
        pending = sw_report_pending(l->in->report);
        watch_stdout(l, EPOLLOUT);
        if (!l->stop)
            wait_and_handle(l, 1000);
    }
    return !l->stop;
}

static void gave_up(struct loop *l)
{
    const char *fate = l->in->pin ? "are left to the next synward on the pins" : "thrown away";
    size_t bytes;

    if (flush_lines(l) != -EAGAIN)
        return;
    bytes = sw_report_pending(l->in->report);
    if (l->exit_code) {
        sw_warn("the reader of standard output does not read: %zu bytes %s", bytes, fate);
        return;
    }
    sw_fail(l->failure, SW_EXIT_OUTPUT, -EAGAIN, "the reader of standard output does not read: %zu bytes %s", bytes,
            fate);
    l->exit_code = SW_EXIT_OUTPUT;
}

/* Traffic goes on: what is in the rings now is told, what comes later and what is still open is left to the next. */
static void finish_pinned(struct loop *l)
{
    __u64 end = sw_clock_now() + DRAIN_NS;
    int err;

    do {
        if (!write_out(l))
            return gave_up(l);
        drain(l);
    } while (l->more && sw_clock_now() < end);
    err = sw_account_update(&l->account, sw_clock_now(), 0, false);
    if (err)
        return fail(l, SW_EXIT_INTERNAL, err, "last sweep");
    sw_account_loss(&l->account, l->in->report, sw_clock_now());
    sw_account_stats(&l->account, l->in->report, sw_clock_now(), true);
    if (!write_out(l))
        gave_up(l);
}

/* Everything is detached: end what is over, read the rings dry, close the books. */
static void finish(struct loop *l)
{
    __u64 flush = l->in->flush ? 2 : 1;
    int err;

    l->stopping = true;
    if (l->in->guarding)
        sw_guarding_end(l->in->guarding);
    do {
        err = sw_account_update(&l->account, sw_clock_now(), flush, true);
        do {
            if (!write_out(l))
                return gave_up(l);
            drain(l);
        } while (l->more || l->rings.batch[SW_RING_MAIN].len || l->rings.batch[SW_RING_OPEN].len);
    } while (!err && l->account.sweep.held_back);
    if (!err)
        err = sw_account_update(&l->account, sw_clock_now(), 0, true);
    if (err)
        fail(l, SW_EXIT_INTERNAL, err, "last sweep");
    sw_account_loss(&l->account, l->in->report, sw_clock_now());
    sw_account_stats(&l->account, l->in->report, sw_clock_now(), true);
    if (!write_out(l))
        gave_up(l);
}

static int add_fd(struct loop *l, int fd, __u32 events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_loop(struct loop *l)
{
    int err = sw_rings_open(&l->rings, l->in->obj);

    if (err)
        return err;
    if (l->in->pin) {
        l->rings.keep = true;
        l->marks = (struct sw_marks){.saved = &l->in->pin->at->saved,
                                     .ring = {&l->rings.ring[SW_RING_MAIN], &l->rings.ring[SW_RING_OPEN],
                                              l->in->guarding ? sw_guarding_ring(l->in->guarding) : NULL}};
        sw_books_resume(l->marks.saved, &l->account, &l->marks);
    }
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return -errno;
    l->links = sw_links_open();
    if (l->links < 0)
        return l->links;
    l->clock = sw_clock_watch();
    if (l->clock < 0)
        return l->clock;
    l->stdout_watched = !add_fd(l, STDOUT_FILENO, 0);
    err = add_fd(l, l->in->signal_fd, EPOLLIN);
    if (!err)
        err = add_fd(l, l->links, EPOLLIN);
    return err ? err : add_fd(l, l->clock, EPOLLIN);
}

static void close_loop(struct loop *l)
{
    sw_rings_close(&l->rings);
    if (l->epoll >= 0)
        close(l->epoll);
    if (l->links >= 0)
        close(l->links);
    if (l->clock >= 0)
        close(l->clock);
}

int sw_loop_run(struct sw_loop *loop, struct sw_failure *ret_failure)
{
    __u64 now = sw_clock_now();
    struct loop l = {
        .in = loop,
        .account = {.obj = loop->obj,
                    .event_mask = loop->opts->object.cfg.event_mask,
                    .max_flows = loop->opts->object.max_flows,
                    .max_embryos = loop->opts->object.max_embryos},
        .epoll = -1,
        .links = -1,
        .clock = -1,
        .failure = ret_failure,
        .next_tick = now + SW_SECOND,
        .next_stats = now + loop->opts->interval_ns,
        .deadline = loop->duration_ns ? now + loop->duration_ns : 0,
    };
    int err = open_loop(&l);

    if (err) {
        fail(&l, err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL, err, "event loop");
        sw_hooks_detach(loop->hooks);
    } else if (sw_confining_run(loop, ret_failure)) {
        l.exit_code = ret_failure->exit_code;
        sw_hooks_detach(loop->hooks);
    } else {
        sw_notify("READY=1");
        sw_watch_begin(&loop->watch, loop->hooks);
        check_links(&l); /* what happened between attaching and listening */
        follow(&l);
        l.finishing = true;
        sw_notify("STOPPING=1");
        sw_hooks_detach(loop->hooks);
        if (l.exit_code == SW_EXIT_OK || l.exit_code == SW_EXIT_INTERFACE || l.exit_code == SW_EXIT_ATTACH)
            (loop->pin ? finish_pinned : finish)(&l);
    }
    close_loop(&l);
    return l.exit_code;
}
