/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hooks that go with the daemon: XDP by libxdp (dispatcher where the kernel can, else alone), sw_egress by tcx, else
 * clsact. hooks->obj is loaded.
 */
#ifndef SW_LOADER_HOOKS_SHARED_H
#define SW_LOADER_HOOKS_SHARED_H

#include "base/failure.h"
#include "loader/iface.h"

/* To all interfaces, XDP last, so that nothing is answered before it can be accepted; on failure everything is undone.
 */
int sw_hooks_shared_attach(struct sw_hooks *hooks, enum sw_mode mode, struct sw_failure *ret_failure);
/* Everything, sw_accept last, and frees. Safe on a zeroed or half-attached struct, and twice. */
void sw_hooks_shared_detach(struct sw_hooks *hooks);
void sw_hooks_shared_drop(struct sw_hooks *hooks, struct sw_hook_iface *iface); /* one interface */

/* Is it our XDP program, of any interface? */
bool sw_hooks_shared_is_ingress(const struct sw_hooks *hooks, __u32 prog_id);
__u32 sw_hooks_shared_id(const struct sw_hooks *hooks); /* of that program; 0: none */

#endif
