/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's routes, by rtnetlink, as a reverse path filter sees them: to which sources do they lead over an
 * interface that is watched? */
#ifndef SW_GUARD_ROUTES_H
#define SW_GUARD_ROUTES_H

#include "guard/devices.h"
#include "synward.h"

#include <stdbool.h>

/* Why nothing can be said of any source. */
enum sw_routes_unknown {
    SW_ROUTES_KNOWN,
    SW_ROUTES_CHANGING, /* while they were read: try again */
    SW_ROUTES_RULES,
    SW_ROUTES_MANY,
    SW_ROUTES_NEXTHOP,
    SW_ROUTES_THROW,
    SW_ROUTES_NONE, /* none leads over a device that is `ours`: it takes its packets for one of which nothing is known
                     */
    SW_ROUTES_UNREAD,
};

struct sw_route {
    struct sw_cidr cidr;
    __u8 reached; /* 1 or 0 */
    bool first;   /* of table local, which is searched before all others: longer ones of these do not count */
};

struct sw_routes {
    struct sw_route *at; /* by sw_cidr_compare, each prefix once */
    size_t len, room;
};

/*
 * Adds the routes of one family from the tables local, main and default. A prefix is reached if one of its routes has a
 * nexthop over a device that is `ours`; with accept_local also if it is this host's own. IPv4 has 0.0.0.0/0 always, so
 * that no route of IPv6 stands for it. In doubt a source is reached. Then sw_routes_sort().
 */
enum sw_routes_unknown sw_routes_read(__u8 family, const struct sw_devices *devices, bool accept_local,
                                      struct sw_routes *ret);
void sw_routes_sort(struct sw_routes *routes);

/* Are there the kernel's own policy rules and no other ones? False also if they cannot be read. */
bool sw_rules_are_plain(__u8 family);
void sw_routes_free(struct sw_routes *routes);

#endif
