/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two hooks of --gateway translate on the outer device: clsact filters before those of the guard, which see what
 * the client sees. They outlive a daemon that is killed, as XDP does.
 */
#ifndef SW_LOADER_HOOKS_GATEWAY_H
#define SW_LOADER_HOOKS_GATEWAY_H

#include "base/failure.h"
#include "loader/iface.h"

/* Does this object translate? Else the rest does nothing. */
bool sw_hooks_gateway_wanted(const struct sw_hooks *hooks, const struct sw_hook_iface *iface);

/* In the places of those of a former daemon, if there are any. 0, or -errno with *f; then sw_hooks_gateway_undo. */
int sw_hooks_gateway_attach(struct sw_hooks *hooks, struct sw_hook_iface *iface, struct sw_failure *f);
/* As it was before: the former programs, or none. */
void sw_hooks_gateway_undo(struct sw_hook_iface *iface);
/* None are left. */
void sw_hooks_gateway_detach(struct sw_hook_iface *iface);
/* The former ones are not needed any more. */
void sw_hooks_gateway_release(struct sw_hook_iface *iface);

#endif
