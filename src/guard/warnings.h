/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_GUARD_WARNINGS_H
#define SW_GUARD_WARNINGS_H

struct sw_services;

/* Warnings for people, one a call, until NULL: too many listeners or addresses, what a sysctl takes away. */
const char *sw_services_warning(struct sw_services *s);

#endif
