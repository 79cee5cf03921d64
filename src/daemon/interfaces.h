/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of the interfaces while they are followed: told to people, to the report, to the instance file. */
#ifndef SW_DAEMON_INTERFACES_H
#define SW_DAEMON_INTERFACES_H

#include "base/links.h"
#include "daemon/daemon.h"

/* One change, as sw_links_fn has it. False: no interface is left. */
bool sw_fate_link(struct sw_loop *loop, const struct sw_link *link);

/* Changes may have been missed: asks for each interface by its index. False: none is left. */
bool sw_fate_check(struct sw_loop *loop);

/* Has each interface all its hooks? One that has not is followed no more. False: none is left. */
bool sw_fate_hooks(struct sw_loop *loop);

#endif
