/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's loop: rings to lines, once a second the sweep and the accounts, signals, the reader's pace and
 * the interfaces' fate. Nothing in it blocks, whatever the reader does.
 */
#ifndef SW_DAEMON_LOOP_H
#define SW_DAEMON_LOOP_H

#include "config/options.h"
#include "daemon/hook_monitor.h"
#include "guard/guard.h"
#include "loader/hooks.h"
#include "loader/instance.h"
#include "loader/pins.h"

struct sw_loop {
    const struct sw_common_opts *opts;
    struct synward_bpf *obj;
    struct sw_hooks *hooks;
    struct sw_watch watch;
    struct sw_instance *inst;
    struct sw_report *report;
    struct sw_guarding *guarding; /* NULL: no guard */
    struct sw_pin *pin;           /* NULL: not pinned */
    __s64 clock_offset;
    __u64 duration_ns; /* 0: until a signal */
    bool flush;        /* at the end, connections still open get their conn line too */
    int signal_fd;     /* SIGINT, SIGTERM, SIGHUP, blocked before */
};

/* Runs until a signal, the end of the duration or a failure; detaches, unless it is pinned; tells the rest. With the
 * guard SIGHUP reads its files again instead. An enum sw_exit. */
int sw_loop_run(struct sw_loop *loop, struct sw_failure *ret_failure);

#endif
