/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet addresses at which this host takes frames of the interfaces that are watched. */
#ifndef SW_GUARD_LOCAL_MACS_H
#define SW_GUARD_LOCAL_MACS_H

#include "guard/devices.h"
#include "synward.h"

#include <stddef.h>

/*
 * Their own, and those of what is connected with them in this network namespace at any depth: what is made on them or
 * they on it (VLAN, macvlan), a bridge or bond and its other ports. Fills macs, as in sw_guard.mac, each once. Returns
 * how many; 0 if there are more than SW_MACS, or if a watched interface is not Ethernet: then every address may be this
 * host's.
 */
__u32 sw_local_macs_of(const struct sw_devices *devices, __u64 macs[SW_MACS]);

/* Puts them into the guard's configuration, which the programs read at any time. */
void sw_local_macs_apply(struct sw_guard *guard, const __u64 macs[SW_MACS], __u32 count);

#endif
