/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Our file in the run directory: commands find this instance by it, and the next start removes what a killed one left.
 */
#ifndef SW_DAEMON_ANNOUNCE_H
#define SW_DAEMON_ANNOUNCE_H

#include "loader/iface.h"
#include "loader/instance.h"

struct synward_bpf;

/* obj NULL: none is loaded yet. attached false: no hook is attached yet. 0 or -errno. */
int sw_instance_announce(struct sw_instance *inst, const struct sw_hooks *hooks, struct synward_bpf *obj,
                         bool attached);

#endif
