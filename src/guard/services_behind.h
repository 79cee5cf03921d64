/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The services of a gateway: of other hosts, of which nothing is known but what the options say. */
#ifndef SW_GUARD_SERVICES_BEHIND_H
#define SW_GUARD_SERVICES_BEHIND_H

#include "guard/services_state.h"

/* sw_services_refresh of a gateway: services, map `service_nets`, this host's addresses. 0 or -errno. */
int sw_services_refresh_behind(struct sw_services *s);

#endif
