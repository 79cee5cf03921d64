/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Four-tuples that have a socket, as bits (map `known`): SYNs for one are left to the kernel. */
#ifndef SW_GUARD_KNOWN_TUPLES_H
#define SW_GUARD_KNOWN_TUPLES_H

#include <stdbool.h>

struct sw_services;

/* The other generation of `known`, filled with the sockets that are there, then takes over (once a minute). */
int sw_services_refill_known(struct sw_services *s);

/* Has it so many bits that strangers' SYNs are often taken for known, which costs a lookup each? Time for a refill. */
bool sw_services_known_is_full(const struct sw_services *s);

#endif
