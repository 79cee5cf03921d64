/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes of the tracked interfaces: to the log, the reporter and the instance file. */
#ifndef SW_DAEMON_INTERFACES_H
#define SW_DAEMON_INTERFACES_H

#include "base/links.h"
#include "daemon/daemon.h"

/* One change, as sw_links_fn has it. False: no interface is left. */
bool sw_interfaces_link_changed(struct sw_loop *loop, const struct sw_link *link);

/* Changes may have been missed: queries each interface by its index. False: none is left. */
bool sw_interfaces_check(struct sw_loop *loop);

/* Checks the hooks of each interface; one with a missing hook is no longer tracked. False: none is left. */
bool sw_interfaces_check_hooks(struct sw_loop *loop);

#endif
