/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A run from start to end: configure, load, pin, attach; then the loop; then everything is undone. */
#ifndef SW_DAEMON_START_H
#define SW_DAEMON_START_H

#include "config/export_options.h"
#include "config/guard_options.h"
#include "config/options.h"
#include "daemon/exporter.h"
#include "loader/iface.h"
#include "loader/pinfs.h"
#include "output/rotation.h"

/* The command line. */
struct sw_run {
    struct sw_common_opts common;
    struct sw_guard_opts guard;
    const char *names[SW_IFACES_MAX]; /* of interfaces */
    char own_names[SW_IFACES_MAX][IF_NAMESIZE];
    size_t names_len;
    enum sw_mode mode;
    __u64 duration_ns;           /* 0: until a signal */
    bool log_open_at_exit;       /* at exit, connections still open get their conn line, too */
    struct sw_rotation rotation; /* of --output */
    struct sw_exporter_opts exporter;
    struct sw_export_opts flow_export;
    bool ingress_only;
    bool quiet;
    bool socket_grouped; /* else the socket is root's alone */
    gid_t socket_group;
    bool pinned;
    char pin_name[SW_PIN_NAME];
};

void sw_run_defaults(struct sw_run *run);

/* Logs failures on stderr. An enum sw_exit. */
int sw_run(const struct sw_run *run);

#endif
