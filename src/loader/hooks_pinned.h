/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hooks that outlive the daemon (--pin): XDP alone on the interface by netlink, clsact filters. What a former daemon
 * on the same pins attached is replaced, each program in one step, so that no packet passes without one or meets two.
 * libxdp's dispatcher cannot do that: it takes a program out and puts another in.
 */
#ifndef SW_LOADER_HOOKS_PINNED_H
#define SW_LOADER_HOOKS_PINNED_H

#include "base/failure.h"
#include "loader/iface.h"

/* As sw_hooks_attach. After a failure the former programs are back in their places. */
int sw_stay_attach(struct sw_hooks *hooks, enum sw_mode mode, struct sw_failure *ret_failure);
/* The start went well: what a former daemon attached and this one does not want goes. */
void sw_stay_settle(const struct sw_hooks *hooks);
/* Frees; nothing is detached. Safe on a zeroed or half-attached struct, and twice. */
void sw_stay_let_go(struct sw_hooks *hooks);
/* After sw_stay_attach, if the start fails all the same: as if it had failed itself. */
void sw_stay_undo(struct sw_hooks *hooks);

/* Somebody took one of its hooks: the others go as well. */
void sw_stay_drop(const struct sw_hooks *hooks, struct sw_hook_iface *iface);
bool sw_stay_is_ingress(const struct sw_hooks *hooks, __u32 prog_id);
__u32 sw_stay_id(int prog_fd);

#endif
