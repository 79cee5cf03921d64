/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Are our hooks still attached? Any privileged process can detach or replace them. Without one of them events would be
 * wrong, or SYNs would be answered with cookies that are never accepted.
 */
#ifndef SW_DAEMON_HOOK_MONITOR_H
#define SW_DAEMON_HOOK_MONITOR_H

#include "loader/iface.h"

struct sw_hook_monitor {
    struct {
        __u32 xdp, egress, accept, gate[SW_GATE_HOOKS]; /* program ids, 0: none of ours */
        bool down;
        bool answers_lost; /* as of the last look */
    } of[SW_IFACES_MAX];   /* as in hooks->ifaces */
};

/* Right after attaching: the attached programs are ours. */
void sw_hook_monitor_start(struct sw_hook_monitor *w, const struct sw_hooks *hooks);

/* The hook that is missing on interface i, as text; NULL: none, or the kernel gives no answer. Queries the kernel. */
const char *sw_hook_monitor_missing(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i);

/* A veth on which native XDP has to send: is what it sends lost now, as the other end has no XDP program? True if that
 * changed since the last call; before the first it was not so. Queries the kernel. */
bool sw_hook_monitor_answers(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i, bool *ret_lost);

#endif
