/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/dispatch.h"
#include "base/log.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/links.h"
#include "daemon/exporter.h"
#include "daemon/flow_export.h"
#include "daemon/interfaces.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

void sw_dispatch_no_link_left(struct sw_loop_state *l, int exit_code)
{
    if (l->stop || l->exit_code)
        return;
    sw_fail(l->failure, exit_code, -ENODEV, "no interface is left to follow");
    l->exit_code = exit_code;
    l->stop = true;
}

static void on_link(const struct sw_link *link, void *ctx)
{
    struct sw_loop_state *l = ctx;

    if (l->finishing)
        return;
    if (!sw_interfaces_link_changed(l->in, link))
        sw_dispatch_no_link_left(l, SW_EXIT_INTERFACE);
}

void sw_dispatch_check_links(struct sw_loop_state *l)
{
    if (!l->finishing && !sw_interfaces_check(l->in))
        sw_dispatch_no_link_left(l, SW_EXIT_INTERFACE);
}

/* What is not translated any more hangs, or is reset. */
static void say_cut(const struct sw_loop_state *l)
{
    const __u64 cut = l->in->guard && !l->in->pin ? sw_guard_runtime_translated(l->in->guard) : 0;

    if (cut)
        sw_warn("%llu translated connections are cut (--drain waits for them, --pin keeps them)", cut);
}

void sw_dispatch_stop(struct sw_loop_state *l, __u64 now)
{
    bool cookies = !l->stopping && !l->in->pin && l->in->guard && sw_guard_runtime_stop(l->in->guard);
    __u64 wait = cookies ? SW_SECOND : 0;

    if (!l->stopping && !l->in->pin && l->in->guard && sw_guard_runtime_translated(l->in->guard) &&
        sw_guard_runtime_drain_ns(l->in->guard) > wait) {
        l->draining = true;
        wait = sw_guard_runtime_drain_ns(l->in->guard);
        sw_info("waiting for %llu translated connections, %llu s at most", sw_guard_runtime_translated(l->in->guard),
                wait / SW_SECOND);
    }
    if (!wait) {
        say_cut(l);
        l->stop = true;
        return;
    }
    l->stopping = true;
    l->deadline = now + wait;
}

void sw_dispatch_drained(struct sw_loop_state *l)
{
    if (l->draining && !sw_guard_runtime_translated(l->in->guard))
        l->stop = true;
}

void sw_dispatch_clock(struct sw_loop_state *l)
{
    if (!sw_clock_moved(&l->in->clock_offset))
        return;
    sw_report_set_clock(l->in->report, l->in->clock_offset);
    sw_flow_export_set_clock(l->in->flow_export, l->in->clock_offset, 0);
    if (l->in->guard)
        sw_guard_runtime_set_clock(l->in->guard, l->in->clock_offset);
}

static void reload(struct sw_loop_state *l)
{
    if (l->in->file)
        sw_pump_reopen(l);
    if (l->in->guard)
        sw_guard_runtime_reload(l->in->guard);
}

static void on_signal(struct sw_loop_state *l)
{
    struct signalfd_siginfo info;

    if (read(l->in->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP && (l->in->guard || l->in->opts->output)) {
        if (!l->finishing)
            reload(l);
        return;
    }
    l->signals++;
    if (!l->finishing)
        sw_dispatch_stop(l, sw_clock_now());
    else if (l->signals > 1) /* a service manager's first may come because the interface went, as we do */
        l->stop = true;
}

static void handle(struct sw_loop_state *l, const struct epoll_event *ev)
{
    if (sw_readers_handle(l->in->readers, ev, sw_clock_now()) ||
        sw_exporter_handle(l->in->exporter, ev, sw_clock_now()))
        return;
    if (ev->data.fd == l->in->signal_fd) {
        on_signal(l);
    } else if (ev->data.fd == l->clock) {
        sw_clock_rewatch(l->clock);
        sw_dispatch_clock(l);
    } else if (ev->data.fd == l->links) {
        if (sw_links_read(l->links, on_link, l))
            sw_dispatch_check_links(l);
        l->next_look = 0; /* perhaps it was about our programs */
    } else if (ev->data.fd == STDOUT_FILENO && ev->events & (EPOLLERR | EPOLLHUP)) {
        sw_pump_reader_gone(l);
    }
}

bool sw_dispatch_wait(struct sw_loop_state *l, int timeout_ms)
{
    struct epoll_event evs[8];
    int n = epoll_wait(l->epoll, evs, 8, timeout_ms);

    for (int i = 0; i < n; i++)
        handle(l, &evs[i]);
    return n != 0;
}

int sw_dispatch_catch_signals(bool reload, bool service)
{
    struct sigaction hangup = {0};
    sigset_t set;
    int fd;

    sigaction(SIGHUP, NULL, &hangup);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    if (reload || (!service && hangup.sa_handler != SIG_IGN))
        sigaddset(&set, SIGHUP);
    else
        signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* what other daemons reopen a log at must not end this one with its programs attached */
    signal(SIGUSR2, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit then fails as one to a full disk does */
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}
