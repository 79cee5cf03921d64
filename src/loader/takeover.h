/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other synwards on the requested interfaces. */
#ifndef SW_LOADER_TAKEOVER_H
#define SW_LOADER_TAKEOVER_H

#include "base/failure.h"
#include "loader/iface.h"

struct sw_pin;
struct sw_pinned;

/* A running one is a failure; what a killed one left is removed. 0 or -errno. */
int sw_takeover(struct sw_hooks *hooks, const struct sw_pin *pin, struct sw_failure *ret_failure);

/*
 * No more cookies of a guard whose daemon is gone: map_fd is its map `guard`, and is closed; -1: there is none. What it
 * has promised is accepted until its hooks go. True: cookies may be on their way, which takes a second.
 */
bool sw_guard_stop(int map_fd);

/*
 * Is the clsact qdisc on the interface the pins'? made: an instance file of a killed one says so. One that another
 * program made after ours was deleted has no filter of ours in it; one of a start that was killed may have none yet.
 */
bool sw_pinned_owns_clsact(const struct sw_pinned *at, __u32 ifindex, bool made);

#endif
