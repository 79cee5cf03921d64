/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services of hosts behind a gateway: named by --protect and by nothing else. */
#ifndef SW_GUARD_GATEWAY_H
#define SW_GUARD_GATEWAY_H

#include "config/guard_options.h"
#include "guard/service_chain.h"

#include <stdbool.h>

/* Those that --protect names. 0 or -ENOMEM. */
int sw_gateway_set_make(const struct sw_guard_opts *opts, struct sw_service_spec **ret, size_t *ret_len);

struct sw_net_entry {
    struct sw_service_net net;
    __u32 service; /* 0: none */
};

/*
 * What map `service_nets` should hold: each service by port and prefix, and within them this host's own addresses and
 * local routes as none. Sorted. 0, -ENOMEM, or -E2BIG: more than the map takes. *ret_own: addresses of this host that
 * --protect names as such.
 */
int sw_gateway_nets_make(const struct sw_chains *chains, const struct sw_cidr *own, size_t own_len,
                         struct sw_net_entry **ret, size_t *ret_len, size_t *ret_own);

/* The map becomes that, also one of a former daemon. 0 or -errno. */
int sw_gateway_nets_apply(int map_fd, const struct sw_net_entry *want, size_t len);

#endif
