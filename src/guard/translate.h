/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --gateway translate in the daemon: the table is swept, SYNs to backends are repeated for clients that are silent, and
 * what a failure costs is said.
 */
#ifndef SW_GUARD_TRANSLATE_H
#define SW_GUARD_TRANSLATE_H

#include "config/guard_options.h"
#include "loader/hooks.h"

#include <stddef.h>

struct synward_bpf;

enum { SW_TRANSLATE_FRAME = 128 };

struct sw_translate {
    struct sw_gateway_state *state; /* mmapped; NULL: this gateway does not translate */
    int due_fd, sweep_fd, pass_fd;
    __u64 next_sweep, next_warning;
    __u64 warned[SW_GC_MAX]; /* as of the last warnings */
    bool failed, said_route;
};

/* Its ifindex: the first that is named, loopback is none. 0: no other interface is followed. */
__u32 sw_translate_outer(const struct sw_hooks *hooks);
/* Logs it, for who meant both as outer ones. */
void sw_translate_say_outer(const struct sw_hooks *hooks, __u32 outer);

/* 0 or -errno. */
int sw_translate_open(struct sw_translate *t, struct synward_bpf *obj, const struct sw_guard_opts *opts);
void sw_translate_close(struct sw_translate *t); /* safe on a zeroed one */
void sw_translate_tick(struct sw_translate *t, __u64 now);

/* When it is due; whenever there is a tick, if no backend is waited for. */
__u64 sw_translate_next(const struct sw_translate *t);

/* Before the last lines: what is left to be said. */
void sw_translate_finish(struct sw_translate *t);

/* Connections that are translated and not closed, as of the last sweep. */
__u64 sw_translate_live(const struct sw_translate *t);

/* The client's acknowledgement anew, as it came in. Returns its length. Pure. */
size_t sw_translate_frame(const struct sw_gateway_due *due, __u8 frame[SW_TRANSLATE_FRAME]);

#endif
