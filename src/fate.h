/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of the interfaces while they are followed: told to people, to the report, to the instance file. */
#ifndef SW_FATE_H
#define SW_FATE_H

#include "loop.h"

/* One change, as sw_links_fn has it. False: no interface is left. */
bool sw_fate_link(struct sw_loop *loop, __u32 ifindex, bool gone, const char *name, bool up);

/* Changes may have been missed: asks for each interface by its index. False: none is left. */
bool sw_fate_check(struct sw_loop *loop);

#endif
