/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/pump.h"

#include "base/clock.h"
#include "base/exit.h"
#include "daemon/flow_export.h"
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

static void report_event(struct sw_loop_state *l, const struct sw_event *ev, int which)
{
    int err;

    sw_flow_export_event(l->in->flow_export, ev);
    sw_report_skip(l->in->report, l->skip[which]);
    err = sw_report_event(l->in->report, ev);
    sw_report_skip(l->in->report, false);
    if (err == -EINVAL) /* one that found no memory is in the reporter's next loss line */
        sw_loop_fail(l, SW_EXIT_INTERNAL, err, "a record is not of this version");
}

const char *sw_pump_output(const struct sw_loop_state *l)
{
    return l->in->opts->output ? l->in->opts->output : "standard output";
}

/* Is standard output to be tried again, instead of ending? */
static bool survives_outage(const struct sw_loop_state *l)
{
    return (l->in->guard || l->in->file) && !l->finishing;
}

bool sw_pump_others(const struct sw_loop_state *l)
{
    return sw_readers_any(l->in->readers) || l->in->flow_export;
}

bool sw_pump_reads_on(const struct sw_loop_state *l)
{
    return l->outage.err || sw_pump_others(l);
}

/* What would wait in the rings has to wait here, if these are read for others. */
bool sw_pump_full(const struct sw_loop_state *l, size_t pending_max)
{
    if (!l->outage.err && sw_pump_others(l))
        pending_max *= SW_PENDING_READERS;
    return sw_report_pending(l->in->report) >= pending_max;
}

/* Is there room for more lines? If not, and others read or none can be written, what is read is lost. */
static bool has_room(struct sw_loop_state *l, size_t pending_max, bool *ret_skip)
{
    bool full = sw_pump_full(l, pending_max);

    *ret_skip = full && sw_pump_reads_on(l);
    l->skipped |= *ret_skip;
    return !full;
}

static bool take(struct sw_loop_state *l, int which, size_t pending_max)
{
    l->rings.batch[which].len = 0;
    return (has_room(l, pending_max, &l->skip[which]) || l->skip[which]) && sw_rings_take(&l->rings, which);
}

static void drain_guard(struct sw_loop_state *l)
{
    bool more, skip, room = has_room(l, SW_PENDING_HIGH, &skip);

    if (!l->in->guard)
        return;
    sw_report_skip(l->in->report, skip);
    if (sw_guard_runtime_drain(l->in->guard, room || skip ? l->in->report : NULL, &more))
        sw_loop_fail(l, SW_EXIT_INTERNAL, -EINVAL, "a guard record is not of this version");
    sw_report_skip(l->in->report, false);
    l->more |= more;
}

/* The ring whose next record is the oldest, the first of those of the same time; SW_RINGS if there is no record. */
static int oldest(const struct sw_loop_state *l, const size_t next[SW_RINGS])
{
    int ret = SW_RINGS;
    __u64 ts = 0;

    for (int i = 0; i < SW_RINGS; i++) {
        const struct sw_batch *b = &l->rings.batch[i];

        if (next[i] == b->len || (ret < SW_RINGS && sw_batch_at(b, next[i])->ts >= ts))
            continue;
        ret = i;
        ts = sw_batch_at(b, next[i])->ts;
    }
    return ret;
}

/* Anomalies that are newer than what a full batch leaves in its ring wait for that. */
static void hold_back_anomalies(struct sw_loop_state *l, const bool full[SW_RINGS])
{
    const struct sw_batch *anomalies = &l->rings.batch[SW_RING_ANOMALY];
    __u64 until = ~0ULL;
    size_t n = 0;

    for (int i = 0; i < SW_RING_ANOMALY; i++) {
        const struct sw_batch *b = &l->rings.batch[i];

        if (full[i] && sw_batch_at(b, b->len - 1)->ts < until)
            until = sw_batch_at(b, b->len - 1)->ts;
    }
    while (n < anomalies->len && sw_batch_at(anomalies, n)->ts <= until)
        n++;
    sw_rings_used(&l->rings, SW_RING_ANOMALY, n);
}

static void see_owners(struct sw_loop_state *l)
{
    const struct sw_batch *b = &l->rings.batch[SW_RING_MAIN];
    const __u64 now = sw_clock_now();

    for (size_t i = 0; i < b->len; i++)
        sw_owners_see(l->in->owners, sw_batch_at(b, i), now);
    sw_owners_ask(l->in->owners, now);
}

/*
 * All are merged by time. Anomalies are read first: what their connections did before is then in `events` or
 * `events_open`, and comes before them. Of these `events` is first: the records that `events_open` then holds are at
 * least as new, so `opening` comes before the other events of its connection.
 */
void sw_pump_drain(struct sw_loop_state *l)
{
    size_t next[SW_RINGS] = {0};
    bool full[SW_RINGS] = {0};
    int which;

    l->rings.batch[SW_RING_ANOMALY].len = 0;
    if (has_room(l, SW_PENDING_HIGH, &l->skip[SW_RING_ANOMALY]) || l->skip[SW_RING_ANOMALY])
        sw_rings_look(&l->rings, SW_RING_ANOMALY);
    full[SW_RING_MAIN] = take(l, SW_RING_MAIN, SW_PENDING_HIGH);
    full[SW_RING_OPEN] = take(l, SW_RING_OPEN, SW_PENDING_LOW);
    hold_back_anomalies(l, full);
    see_owners(l);
    l->more = full[SW_RING_MAIN] || full[SW_RING_OPEN];
    while ((which = oldest(l, next)) < SW_RINGS)
        report_event(l, sw_batch_at(&l->rings.batch[which], next[which]++), which);
    drain_guard(l);
}

/* Its errors would wake us for ever. */
static void unwatch_stdout(struct sw_loop_state *l)
{
    if (l->stdout_watched)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, STDOUT_FILENO, NULL);
    l->stdout_watched = false;
}

static void watch_stdout(struct sw_loop_state *l)
{
    struct epoll_event ev = {.data.fd = STDOUT_FILENO};

    l->stdout_watched = l->stdout_polled && !epoll_ctl(l->epoll, EPOLL_CTL_ADD, STDOUT_FILENO, &ev);
    l->stdout_events = 0;
}

static void begin_outage(struct sw_loop_state *l, int err)
{
    const char *but = err == -EPIPE  ? "the guard goes on without output"
                      : l->in->guard ? "the guard goes on, lines that cannot wait are lost and counted"
                                     : "lines that cannot wait are lost and counted";

    unwatch_stdout(l);
    if (err == -EPIPE)
        sw_report_reader_gone(l->in->report);
    l->outage.what = sw_pump_output(l);
    if (l->stopping && err == -EPIPE) /* the signal was for both */
        l->outage.err = err;
    else
        sw_outage_failed(&l->outage, err, sw_report_gaps(l->in->report), but, sw_clock_now());
}

void sw_pump_reader_gone(struct sw_loop_state *l)
{
    if (survives_outage(l))
        begin_outage(l, -EPIPE);
    else
        l->stop = true;
}

/* Records are kept until their lines are written. If that takes half a ring, those who read at the socket, and the
 * collector, would lose what then does not fit into it. */
static bool keeps_too_much(const struct sw_loop_state *l)
{
    bool much = false;

    for (int i = 0; i < SW_CHECKPOINT_RINGS && sw_pump_others(l); i++) {
        const struct sw_ringbuf *ring = l->checkpoints.ring[i];

        much |= ring && sw_ringbuf_waiting(ring) > ring->size / 2;
    }
    return much;
}

static void add_checkpoint(struct sw_loop_state *l)
{
    if (l->in->pin)
        l->skipped |= keeps_too_much(l);
    if (l->in->pin)
        (l->skipped ? sw_checkpoint_skip : sw_checkpoint_add)(&l->checkpoints, l->in->report, &l->account);
}

static void note_written(struct sw_loop_state *l, bool all)
{
    if (all && l->skipped) {
        l->skipped = false;
        add_checkpoint(l);
    }
    if (l->in->pin && !l->skipped)
        sw_checkpoint_written(&l->checkpoints, l->in->report);
}

/* As sw_report_flush. */
static int write_lines(struct sw_loop_state *l)
{
    int err = 1;

    if (!l->in->file)
        return sw_report_flush(l->in->report);
    for (bool full = false; err > 0; full = true) {
        size_t room = sw_output_room(l->in->file, l->in->report, full, sw_clock_now());

        err = sw_report_flush_some(l->in->report, room, full);
    }
    return err;
}

int sw_pump_flush(struct sw_loop_state *l)
{
    size_t pending = sw_report_pending(l->in->report);
    int err;

    add_checkpoint(l);
    /* with nothing to write nobody can tell whether it could be */
    if (l->outage.err && (!pending || (survives_outage(l) && !sw_outage_due(&l->outage, sw_clock_now()))))
        return l->outage.err;
    err = write_lines(l);
    note_written(l, !err);
    if (!err || err == -EAGAIN) {
        if (l->outage.err) {
            sw_outage_over(&l->outage, sw_clock_now());
            watch_stdout(l);
        }
        return err;
    }
    if (survives_outage(l))
        begin_outage(l, err);
    else if (err == -EPIPE) /* the reader has seen enough */
        l->stop = true;
    else
        sw_loop_fail(l, SW_EXIT_OUTPUT, err, sw_pump_output(l));
    return err;
}

void sw_pump_reopen(struct sw_loop_state *l)
{
    struct sw_instance *inst = l->in->inst;

    sw_pump_flush(l);
    if (sw_output_reopen(l->in->file, l->in->report, sw_clock_now()))
        inst->reopen_failed++;
    else
        inst->reopened++;
    l->outage.retry = 0; /* there may be room now */
    sw_instance_update(inst);
}

/* For `synward status`, of another process. */
static void note_exports(struct sw_loop_state *l)
{
    const struct sw_export_counts *counts = sw_flow_export_counts(l->in->flow_export);
    struct sw_instance *inst = l->in->inst;

    if (!counts || (counts->exported == inst->exported && counts->lost == inst->export_lost))
        return;
    inst->exported = counts->exported;
    inst->export_lost = counts->lost;
    sw_instance_update(inst);
}

void sw_pump_tell_others(struct sw_loop_state *l, __u64 now, bool last)
{
    __u64 lost[SW_LOSSES];

    sw_account_lost(&l->account, lost);
    sw_readers_tick(l->in->readers, lost, now, last);
    if (last)
        sw_flow_export_end(l->in->flow_export, now, lost[SW_EV_CONN]);
    else
        sw_flow_export_tick(l->in->flow_export, now, lost[SW_EV_CONN]);
    note_exports(l);
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
