/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other synwards on the interfaces that we want. */
#ifndef SW_LOADER_TAKEOVER_H
#define SW_LOADER_TAKEOVER_H

#include "loader/hooks.h"

struct sw_pin;

/* A living one is a failure; what a dead one left is removed. 0 or -errno. */
int sw_clear_the_way(struct sw_hooks *hooks, const struct sw_pin *pin, struct sw_failure *ret_failure);

#endif
