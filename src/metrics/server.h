/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Serves metrics over HTTP from the daemon's epoll loop: one request a connection, a bounded number of clients, a time
 * limit for each, and nothing that waits for one. What the figures cost is bounded, too: they are made at most once a
 * second for each format, and shared by all who ask meanwhile.
 */
#ifndef SW_METRICS_SERVER_H
#define SW_METRICS_SERVER_H

#include "output/metrics.h"

#include <sys/epoll.h>

#define SW_METRICS_CLIENTS 16
#define SW_METRICS_ASK_NS (5 * SW_SECOND)   /* to send a request */
#define SW_METRICS_TAKE_NS (10 * SW_SECOND) /* to take the response */
#define SW_METRICS_LEAVE_NS SW_SECOND       /* to close, after it */
#define SW_METRICS_STUCK_NS (2 * SW_SECOND) /* without taking anything, when another one wants its place */
#define SW_METRICS_KEEP_NS SW_SECOND        /* how old figures may be */

struct sw_metrics_server; /* opaque */

/* *ret_text is for free(). 0 or -errno. */
typedef int (*sw_metrics_make_fn)(void *ctx, enum sw_metrics_format format, char **ret_text, size_t *ret_len);

/* listen_fd is the server's from here on. Nobody is answered yet. NULL: no memory. */
struct sw_metrics_server *sw_metrics_server_new(int listen_fd, sw_metrics_make_fn make, void *ctx);
void sw_metrics_server_free(struct sw_metrics_server *s); /* NULL is fine */

/* From now on, or (once a second) as soon as there are descriptors again, clients are taken; who is late goes. */
void sw_metrics_server_tick(struct sw_metrics_server *s, int epoll, __u64 now_ns);
/* Is it about one of theirs? If so, it is handled. */
bool sw_metrics_server_handle(struct sw_metrics_server *s, const struct epoll_event *ev, __u64 now_ns);

/* Answered with figures; closed without an answer. */
void sw_metrics_server_counts(const struct sw_metrics_server *s, __u64 *ret_requests, __u64 *ret_refused);

#endif
