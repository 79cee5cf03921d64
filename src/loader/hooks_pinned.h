/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hooks that outlive the daemon (--pin): XDP alone on the interface by netlink, clsact filters. The programs of a
 * previous daemon on the same pins are replaced, each in one step, so that no packet passes without one or meets two.
 * libxdp's dispatcher cannot do that: it takes a program out and puts another in.
 */
#ifndef SW_LOADER_HOOKS_PINNED_H
#define SW_LOADER_HOOKS_PINNED_H

#include "base/failure.h"
#include "loader/iface.h"

/* As sw_hooks_attach. After a failure the previous programs are attached again. */
int sw_hooks_pinned_attach(struct sw_hooks *hooks, enum sw_mode mode, struct sw_failure *ret_failure);
/* After a successful start: detaches what a previous daemon attached and this one does not need. */
void sw_hooks_pinned_commit(const struct sw_hooks *hooks);
/* Frees memory; nothing is detached. Safe on a zeroed or half-attached struct, and twice. */
void sw_hooks_pinned_release(struct sw_hooks *hooks);
/* After sw_hooks_pinned_attach, if a later step fails: restores the previous programs. */
void sw_hooks_pinned_undo(struct sw_hooks *hooks);

/* One of its hooks was detached by another process: detaches the others. */
void sw_hooks_pinned_drop(const struct sw_hooks *hooks, struct sw_hook_iface *iface);
bool sw_hooks_pinned_is_ingress(const struct sw_hooks *hooks, __u32 prog_id);
__u32 sw_hooks_pinned_id(int prog_fd);

#endif
