/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Are our hooks still where we put them? Anybody with the right to can take them off or put a program of his own in
 * the place, and without one of them what is told would be wrong, or cookies would be answered that nobody accepts.
 */
#ifndef SW_DAEMON_HOOK_MONITOR_H
#define SW_DAEMON_HOOK_MONITOR_H

#include "loader/iface.h"

struct sw_watch {
    struct {
        __u32 xdp, egress, accept; /* program ids, 0: none is ours to look for */
        bool down;
    } of[SW_IFACES_MAX]; /* as in hooks->ifaces */
};

/* Right after attaching: what is there is ours. */
void sw_watch_begin(struct sw_watch *w, const struct sw_hooks *hooks);

/* What has been taken from interface i, for people; NULL: all is there, or the kernel does not say. Asks the kernel. */
const char *sw_watch_missing(struct sw_watch *w, const struct sw_hooks *hooks, size_t i);

#endif
