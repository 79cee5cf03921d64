/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/loop.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/links.h"
#include "base/log.h"
#include "base/notify.h"
#include "daemon/dispatch.h"
#include "daemon/exporter.h"
#include "daemon/flow_export.h"
#include "daemon/interfaces.h"
#include "daemon/lock_down.h"
#include "daemon/ready.h"
#include "daemon/shutdown.h"
#include "daemon/sleep.h"
#include "events/checkpoint.h"
#include "events/loss.h"
#include "events/reader.h"
#include "loader/histograms.h"
#include "loader/hooks.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ROOM_NS (10 * SW_SECOND) /* how often servers that are idle leave their places */

static void look_at_hooks(struct sw_loop_state *l, __u64 now)
{
    l->next_look = now + SW_SECOND;
    if (!sw_interfaces_check_hooks(l->in))
        sw_dispatch_no_link_left(l, SW_EXIT_ATTACH);
}

/* Fails open: then a new server has no histograms of its own, which is counted. */
static void make_room(struct sw_loop_state *l, __u64 now)
{
    if (now < l->next_room)
        return;
    l->next_room = now + ROOM_NS;
    sw_histograms_make_room(bpf_map__fd(l->in->obj->maps.server_histograms));
}

static void tick(struct sw_loop_state *l, __u64 now)
{
    int err = sw_account_update(&l->account, now, 0, false);
    bool full;

    if (err)
        return sw_loop_fail(l, SW_EXIT_INTERNAL, err, "sweep");
    l->next_tick = l->account.sweep.held_back ? now + SW_SECOND / 10 : now + SW_SECOND;
    sw_dispatch_clock(l);
    make_room(l, now);
    sw_pump_tell_others(l, now, false);
    sw_exporter_tick(l->in->exporter, l, now);
    full = sw_pump_full(l, SW_PENDING_HIGH);
    if (full && !sw_pump_others(l))
        return; /* a slow reader gets its loss line when it reads again */
    if (!full) {
        sw_account_loss(&l->account, l->in->report, now);
        sw_outage_log(&l->outage, sw_report_gaps(l->in->report), "lines", now);
    }
    if (l->in->opts->interval_ns && now >= l->next_stats) {
        sw_report_skip(l->in->report, full);
        sw_account_stats(&l->account, l->in->report, now, false);
        sw_report_skip(l->in->report, false);
        l->next_stats = now + l->in->opts->interval_ns;
    }
}

static void watch_rings(struct sw_loop_state *l)
{
    const bool on = sw_pump_reads_on(l);

    sw_pump_watch_ring(l, SW_RING_MAIN, on || !sw_pump_full(l, SW_PENDING_HIGH));
    sw_pump_watch_ring(l, SW_RING_ANOMALY, on || !sw_pump_full(l, SW_PENDING_HIGH));
    sw_pump_watch_ring(l, SW_RING_OPEN, on || !sw_pump_full(l, SW_PENDING_LOW));
}

static void follow(struct sw_loop_state *l)
{
    while (!l->stop) {
        __u64 now;

        sw_pump_drain(l);
        sw_pump_watch_stdout(l, sw_pump_flush(l) == -EAGAIN ? EPOLLOUT : 0);
        sw_readers_flush(l->in->readers);
        watch_rings(l);
        now = sw_clock_now();
        if (now >= l->next_tick)
            tick(l, now);
        if (l->in->guard)
            sw_guard_runtime_tick(l->in->guard, now);
        if (now >= l->next_look)
            look_at_hooks(l, now);
        sw_dispatch_drained(l);
        if (l->deadline && now >= l->deadline)
            sw_dispatch_stop(l, now);
        if (!l->stop)
            sw_sleep(l, now);
    }
}

static int add_fd(struct sw_loop_state *l, int fd, __u32 events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_loop(struct sw_loop_state *l)
{
    int err = sw_rings_open(&l->rings, l->in->obj);

    if (err)
        return err;
    if (l->in->pin) {
        l->rings.keep = true;
        l->checkpoints = (struct sw_checkpoints){.saved = &l->in->pin->at->saved,
                                                 .ring = {&l->rings.ring[SW_RING_MAIN], &l->rings.ring[SW_RING_OPEN],
                                                          &l->rings.ring[SW_RING_ANOMALY],
                                                          l->in->guard ? sw_guard_runtime_ring(l->in->guard) : NULL}};
        sw_checkpoint_resume(l->checkpoints.saved, &l->account, &l->checkpoints);
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
    if (!l->in->no_output)
        l->stdout_polled = l->stdout_watched = !add_fd(l, STDOUT_FILENO, 0);
    err = sw_readers_watch(l->in->readers, l->epoll, l->in->report);
    if (!err)
        err = add_fd(l, l->in->signal_fd, EPOLLIN);
    if (!err)
        err = add_fd(l, l->links, EPOLLIN);
    return err ? err : add_fd(l, l->clock, EPOLLIN);
}

static void close_loop(struct sw_loop_state *l)
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
    struct sw_loop_state l = {
        .in = loop,
        .account = {.obj = loop->obj,
                    .event_mask = loop->opts->object.cfg.event_mask,
                    .owners = loop->owners,
                    .exports = sw_flow_export_counts(loop->flow_export),
                    .max_flows = loop->opts->object.max_flows,
                    .max_half_open = loop->opts->object.max_half_open,
                    .by_need = true},
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
        sw_loop_fail(&l, err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL, err, "event loop");
        sw_hooks_detach(loop->hooks);
    } else if (sw_lock_down_run(loop, ret_failure)) {
        l.exit_code = ret_failure->exit_code;
        sw_hooks_detach(loop->hooks);
    } else {
        if (loop->guard) /* so that `always` is engaged before the first SYN, and no SYN meets its first evaluation */
            sw_guard_runtime_tick(loop->guard, sw_clock_now());
        sw_hook_monitor_start(&loop->monitor, loop->hooks);
        sw_dispatch_check_links(&l); /* what happened between attaching and listening */
        if (!l.stop) {
            sw_ready_log(loop);
            sw_notify("READY=1");
        }
        follow(&l);
        l.finishing = true;
        sw_notify("STOPPING=1");
        sw_exporter_free(loop->exporter);
        loop->exporter = NULL;
        sw_hooks_detach(loop->hooks);
        if (l.exit_code == SW_EXIT_OK || l.exit_code == SW_EXIT_INTERFACE || l.exit_code == SW_EXIT_ATTACH)
            sw_shutdown_finish(&l);
    }
    close_loop(&l);
    return l.exit_code;
}
