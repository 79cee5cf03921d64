/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rings to lines, with back-pressure: a ring is read only while the reader of our lines keeps up. With the guard, or a
 * file of --output, an output that cannot be written is no end: so many lines wait, further records are read and lost,
 * and it is tried again each second. Readers at the socket, and the collector of --export, do not wait for standard
 * output either: while there are any, the rings are read on, and what it does not take is lost to it alone.
 */
#ifndef SW_DAEMON_PUMP_H
#define SW_DAEMON_PUMP_H

#include "base/failure.h"
#include "base/outage.h"
#include "daemon/daemon.h"
#include "events/checkpoint.h"
#include "events/loss.h"
#include "events/reader.h"

#define SW_PENDING_HIGH (8u << 20) /* bytes of pending lines above which no ring is read */
#define SW_PENDING_LOW (4u << 20)  /* above it `events_open` is not read: established connections first */
#define SW_PENDING_READERS 8       /* times as much, if others read at the socket */

/* The loop's own state. */
struct sw_loop_state {
    struct sw_loop *in;
    struct sw_account account;
    struct sw_rings rings;
    struct sw_checkpoints checkpoints; /* pinned */
    struct sw_outage outage;           /* of standard output; with the guard, or a file of ours */
    bool skip[SW_RINGS];               /* the batch is read and lost */
    bool skipped;                      /* something was, and not all lines are written since */
    int epoll;
    int links;
    int clock;
    bool ring_watched[SW_RINGS];
    __u32 stdout_events;
    bool stdout_polled; /* epoll takes it */
    bool stdout_watched;
    bool stop;
    bool draining;  /* stopping, and translated connections are waited for */
    bool stopping;  /* the guard issues no more cookies; stop follows */
    bool finishing; /* nothing is attached any more: only the remaining events are logged */
    bool more;      /* a batch was full: do not sleep */
    bool quiet;     /* nothing came while the loop slept last */
    unsigned signals;
    int exit_code;
    struct sw_failure *failure;
    __u64 next_tick, next_stats, next_look, next_room, deadline;
};

/* The first failure is the cause; the loop stops. */
void sw_loop_fail(struct sw_loop_state *l, int exit_code, int err, const char *what);

void sw_pump_drain(struct sw_loop_state *l); /* l->more: there may be others */
/* Are so many bytes waiting that no more lines are made? */
bool sw_pump_full(const struct sw_loop_state *l, size_t pending_max);
/* Does somebody have of the records what standard output does not take: readers at the socket, a collector? */
bool sw_pump_others(const struct sw_loop_state *l);
/* Is a ring read though standard output is full? */
bool sw_pump_reads_on(const struct sw_loop_state *l);
/* 0: all lines are out; -EAGAIN: the reader is slow; or why they cannot be written, which stops us, or an outage has
 * begun and it is not time to try again. */
int sw_pump_flush(struct sw_loop_state *l);
void sw_pump_reopen(struct sw_loop_state *l); /* the file of --output; lines that wait go into the new one */
const char *sw_pump_output(const struct sw_loop_state *l); /* where lines go, for messages */
void sw_pump_reader_gone(struct sw_loop_state *l);         /* as it is seen without writing */

/* What is lost, to those who read at the socket, and the collector; last: before the last stats line. */
void sw_pump_tell_others(struct sw_loop_state *l, __u64 now, bool last);

/* What epoll wakes us for. events 0: errors only. */
void sw_pump_watch_stdout(struct sw_loop_state *l, __u32 events);
void sw_pump_watch_ring(struct sw_loop_state *l, int which, bool on);

#endif
