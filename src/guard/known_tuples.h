/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Four-tuples that have a socket, as a bit map (map `known_tuples`): their SYNs are left to the kernel. */
#ifndef SW_GUARD_KNOWN_TUPLES_H
#define SW_GUARD_KNOWN_TUPLES_H

#include <stdbool.h>

struct sw_services;

/* Fills the other generation of `known_tuples` from the kernel's sockets and switches to it (once a minute). */
int sw_services_refill_known(struct sw_services *s);

/* Are so many bits set that unknown four-tuples often match, which costs a lookup each? Time for a refill. */
bool sw_services_known_is_full(const struct sw_services *s);

#endif
