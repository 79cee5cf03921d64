/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hooks: sw_ingress or sw_xdp_guard by libxdp (dispatcher where the kernel can, else alone), sw_egress by tcx, else
 * clsact. With the guard sw_egress and sw_accept are clsact filters: these remain when the daemon is killed, as XDP
 * does; a tcx link would go and leave half of the guard. Whatever is attached here is detached by sw_hooks_detach, also
 * after a failure in the middle.
 */
#ifndef SW_LOADER_HOOKS_H
#define SW_LOADER_HOOKS_H

#include "base/failure.h"
#include "loader/iface.h"

/* Resolves the name: exists, carries Ethernet frames, given once. Attaches nothing. */
int sw_hooks_add(struct sw_hooks *hooks, const char *name, struct sw_failure *ret_failure);

/* What a killed synward left on the interface: removed. made_clsact: it made the qdisc. *ret_found: there was something
 * to remove. */
int sw_hooks_clean(struct sw_hook_iface *iface, bool made_clsact, bool *ret_found);

/* Attaches to all interfaces, XDP last, so that nothing is answered before it can be accepted; on failure everything
 * is undone. With the guard SW_MODE_AUTO is generic on a veth whose other end has no XDP program, unless a pinned
 * program is there. */
int sw_hooks_attach(struct sw_hooks *hooks, struct synward_bpf *obj, enum sw_mode mode, struct sw_failure *ret_failure);

/* Detaches everything, sw_accept last, and frees; pinned hooks stay attached. Safe on a zeroed or half-attached struct,
 * and twice. */
void sw_hooks_detach(struct sw_hooks *hooks);

/* One of its hooks was detached by another process: detaches the others, and the interface counts as gone. Programs of
 * others are not touched. */
void sw_hooks_drop(struct sw_hooks *hooks, struct sw_hook_iface *iface);
bool sw_hooks_is_ingress(const struct sw_hooks *hooks, __u32 prog_id);

__u32 sw_hooks_ingress_id(const struct sw_hooks *hooks);

#endif
