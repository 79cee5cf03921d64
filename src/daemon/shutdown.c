/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/shutdown.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "daemon/dispatch.h"

#include <errno.h>
#include <sys/epoll.h>

#define STUCK_NS (30 * SW_SECOND)
#define DRAIN_NS (5 * SW_SECOND) /* pinned, at the end: how long the rings are read at most */
#define READERS_NS SW_SECOND     /* how long those at the socket may take for their last lines */

/* Waits for a reader that is slow; gives up on a second signal or when nothing moves for a long time. */
static bool write_out(struct sw_loop_state *l)
{
    __u64 moved = sw_clock_now();
    size_t pending = sw_report_pending(l->in->report);

    l->stop = false;
    while (!l->stop && sw_pump_flush(l) == -EAGAIN) {
        __u64 now = sw_clock_now();

        if (sw_report_pending(l->in->report) != pending)
            moved = now;
        else if (now - moved > STUCK_NS)
            l->stop = true;
        pending = sw_report_pending(l->in->report);
        sw_pump_watch_stdout(l, EPOLLOUT);
        sw_readers_flush(l->in->readers);
        if (!l->stop)
            sw_dispatch_wait(l, 1000);
    }
    return !l->stop;
}

/* Before the last line: with readers at the socket or a collector the rings are read on, whatever standard output does.
 */
static bool write_some(struct sw_loop_state *l)
{
    if (!sw_pump_others(l))
        return write_out(l);
    sw_pump_flush(l);
    sw_readers_flush(l->in->readers);
    return true;
}

static void end_in_outage(const struct sw_loop_state *l)
{
    const struct sw_report_counts *counts = sw_report_counts(l->in->report);
    const char *outcome = !l->in->pin  ? "are lost"
                          : l->skipped ? "are lost, which the next synward logs"
                                       : "are kept for the next synward";
    __u64 lines = 0;

    for (int kind = 0; kind < SW_LOSSES; kind++)
        lines += counts->unmade[kind] - counts->unmade_logged[kind];
    sw_warn("%s: %zu bytes of lines that waited and %llu more lines %s", sw_pump_output(l),
            sw_report_pending(l->in->report), lines, outcome);
}

static void gave_up(struct sw_loop_state *l)
{
    const char *outcome = !l->in->pin  ? "are discarded"
                          : l->skipped ? "are lost, which the next synward logs"
                                       : "are kept for the next synward";
    size_t bytes;

    if (l->outage.err && l->outage.open)
        return end_in_outage(l);
    if (sw_pump_flush(l) != -EAGAIN)
        return;
    bytes = sw_report_pending(l->in->report);
    if (l->exit_code) {
        sw_warn("the reader of standard output does not read: %zu bytes %s", bytes, outcome);
        return;
    }
    sw_fail(l->failure, SW_EXIT_OUTPUT, -EAGAIN, "the reader of standard output does not read: %zu bytes %s", bytes,
            outcome);
    l->exit_code = SW_EXIT_OUTPUT;
}

/* The last lines of all. Whoever has read his is done, and does not wait for the others. */
static void end_lines(struct sw_loop_state *l)
{
    const __u64 now = sw_clock_now();

    sw_pump_tell_others(l, now, true);
    sw_account_loss(&l->account, l->in->report, now);
    sw_account_stats(&l->account, l->in->report, now, true);
    sw_readers_end(l->in->readers);
    if (!write_out(l))
        gave_up(l);
    l->stop = false;
    while (!l->stop && sw_readers_any(l->in->readers) && sw_clock_now() < now + READERS_NS)
        sw_dispatch_wait(l, 100);
}

/* Traffic continues: records that are in the rings now are logged; later ones and open connections are left to the next
 * process. */
static void finish_pinned(struct sw_loop_state *l)
{
    __u64 end = sw_clock_now() + DRAIN_NS;
    int err;

    do {
        if (!write_some(l))
            return gave_up(l);
        sw_pump_drain(l);
    } while (l->more && sw_clock_now() < end);
    err = sw_account_update(&l->account, sw_clock_now(), 0, false);
    if (err)
        return sw_loop_fail(l, SW_EXIT_INTERNAL, err, "last sweep");
    end_lines(l);
}

/* Everything is detached: end flows within the close delay, read the rings until they are empty, take the final
 * counters. */
static void finish(struct sw_loop_state *l)
{
    __u64 flush = l->in->log_open_at_exit ? 2 : 1;
    int err;

    l->stopping = true;
    if (l->in->guard)
        sw_guard_runtime_finish(l->in->guard);
    do {
        err = sw_account_update(&l->account, sw_clock_now(), flush, true);
        do {
            if (!write_some(l))
                return gave_up(l);
            sw_pump_drain(l);
        } while (l->more || sw_rings_taken(&l->rings));
    } while (!err && l->account.sweep.held_back);
    if (!err)
        err = sw_account_update(&l->account, sw_clock_now(), 0, true);
    if (err)
        sw_loop_fail(l, SW_EXIT_INTERNAL, err, "last sweep");
    end_lines(l);
}

void sw_shutdown_finish(struct sw_loop_state *l)
{
    char summary[SW_SUMMARY_ROOM];

    (l->in->pin ? finish_pinned : finish)(l);
    sw_log_text(summary, sw_report_summary(l->in->report, summary));
    l->outage.quiet = false;
    sw_outage_log(&l->outage, sw_report_gaps(l->in->report), "lines", sw_clock_now());
}
