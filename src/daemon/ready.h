/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one line that says that everything is attached. */
#ifndef SW_DAEMON_READY_H
#define SW_DAEMON_READY_H

#include "daemon/daemon.h"

#define SW_READY_TEXT 1056

struct sw_ready {
    const struct sw_hooks *hooks;
    const char *guard; /* its mode; NULL: no guard */
    unsigned int services;
    const char *pin;         /* NULL: not pinned */
    const char *output;      /* the file of --output; NULL: standard output */
    const char *metrics;     /* where they are served; NULL: nowhere */
    const char *flow_export; /* URL of the collector; NULL: none */
    __u64 duration_ns;       /* 0: until a signal */
    bool terminal;           /* Ctrl-C reaches us */
};

/* "following eth0 (native XDP, tcx egress), guard auto on 3 services; Ctrl-C ends" */
void sw_ready_text(const struct sw_ready *r, char ret[SW_READY_TEXT]);

/* Logs it, and says so in the instance file: `status` shows it as starting until then. */
void sw_ready_log(struct sw_loop *loop);

#endif
