/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* This host's addresses, by rtnetlink, and their table for the kernel side (map `local_ips`). */
#ifndef SW_GUARD_ADDRESSES_H
#define SW_GUARD_ADDRESSES_H

#include "synward.h"
#include "synward_guard.h"

#include <stdbool.h>
#include <stddef.h>

/* Every address of every interface once, v4-mapped, sorted, loopback addresses left out. *ret is freed by the caller.
 * 0 or -errno. */
int sw_local_ips_read(__u8 (**ret)[16], size_t *ret_len);
/* Adds an address that is not an interface's, if the routes say that it is this host's (a local route for a whole
 * prefix). 0 or -ENOMEM. */
int sw_local_ips_add_routed(__u8 (**ips)[16], size_t *len, const __u8 ip[16]);
/* These, and prefixes of local routes; sorted, each once. *ret is freed by the caller. 0 or -errno. */
int sw_local_nets_read(const __u8 (*ips)[16], size_t ips_len, struct sw_cidr **ret, size_t *ret_len);
bool sw_local_ips_has(const __u8 (*ips)[16], size_t len, const __u8 ip[16]);

/*
 * Makes the table (SW_LOCAL_IPS slots of four words) hold exactly these. Entries that remain are not moved, except to
 * make room for a neighbour, and can be found at any time. Returns how many did not fit.
 */
size_t sw_local_ips_apply(__u32 (*table)[4], const __u8 (*ips)[16], size_t len);

/* The smallest MTU of these interfaces, and of routes over them that have an MTU or MSS of their own, for IPv4 and for
 * IPv6; 1500 if no interface can be queried. */
void sw_local_mtu(const __u32 *ifindexes, size_t len, __u32 *ret_v4, __u32 *ret_v6);

#endif
