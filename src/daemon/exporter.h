/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Metrics of the daemon itself: over HTTP, and in a file. */
#ifndef SW_DAEMON_EXPORTER_H
#define SW_DAEMON_EXPORTER_H

#include "base/failure.h"
#include "daemon/pump.h"
#include "metrics/listen.h"

struct sw_exporter_opts {
    struct sw_metrics_place place;
    const char *file; /* NULL: none */
    __u64 interval_ns;
};

/* Before anything is attached: the socket listens, the file can be written. *ret is NULL if nothing is asked for. */
int sw_exporter_open(const struct sw_exporter_opts *opts, struct sw_exporter **ret, struct sw_failure *f);
void sw_exporter_free(struct sw_exporter *e); /* NULL is fine; the file is removed */

const char *sw_exporter_place(const struct sw_exporter *e);              /* "127.0.0.1:9435"; NULL: nowhere */
int sw_exporter_dir(const struct sw_exporter *e, const char **ret_name); /* of the file; -1: none */

/* Once a second, when the accounts are new. */
void sw_exporter_tick(struct sw_exporter *e, struct sw_loop_state *l, __u64 now);
bool sw_exporter_handle(struct sw_exporter *e, const struct epoll_event *ev, __u64 now);

#endif
