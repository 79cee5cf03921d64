/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the daemon's files share: one running instance, set up by start.c. */
#ifndef SW_DAEMON_DAEMON_H
#define SW_DAEMON_DAEMON_H

#include "config/options.h"
#include "daemon/hook_monitor.h"
#include "guard/guard.h"
#include "loader/iface.h"
#include "loader/instance.h"
#include "loader/pins.h"
#include "output/output_file.h"
#include "output/report.h"
#include "readers/readers.h"

struct sw_exporter;    /* exporter.h */
struct sw_flow_export; /* flow_export.h */

struct sw_loop {
    const struct sw_common_opts *opts;
    struct synward_bpf *obj;
    struct sw_hooks *hooks;
    struct sw_hook_monitor monitor;
    struct sw_instance *inst;
    struct sw_report *report;
    struct sw_output_file *file; /* NULL: standard output is not a file of ours */
    struct sw_readers *readers;
    struct sw_owners *owners;           /* NULL: they are not looked for */
    struct sw_exporter *exporter;       /* NULL: no metrics */
    struct sw_flow_export *flow_export; /* NULL: none is wanted */
    struct sw_guard_runtime *guard;     /* NULL: no guard */
    struct sw_pin *pin;                 /* NULL: not pinned */
    __s64 clock_offset;
    __u64 duration_ns;     /* 0: until a signal */
    bool no_output;        /* only for readers at the socket */
    bool log_open_at_exit; /* at exit, connections still open get their conn line, too */
    bool terminal;         /* Ctrl-C ends it */
    int signal_fd;         /* SIGINT, SIGTERM, SIGHUP, blocked before */
};

#endif
