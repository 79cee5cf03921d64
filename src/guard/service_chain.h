/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The services of each port: lists of slots, which the kernel side reads while they change. */
#ifndef SW_GUARD_SERVICE_CHAIN_H
#define SW_GUARD_SERVICE_CHAIN_H

#include "guard/service_set.h"

#include <stdbool.h>

/* An element of the mmapped `svc_ports`: values are padded to 8 bytes. */
struct sw_port_slot {
    __u32 first;
    __u32 pad;
};

/* Both mmapped. */
struct sw_chains {
    struct sw_service *slot;
    struct sw_port_slot *port;
    bool unbounded; /* of a gateway: the BPF programs search map `service_nets` instead */
};

/* The slot of this service, 0: it has none. */
__u32 sw_chain_find(const struct sw_chains *c, const struct sw_service_spec *w);
/* That of a local address (v4-mapped) and port, as the BPF programs find it; 0: none. */
__u32 sw_chain_of(const struct sw_chains *c, const __u8 ip[16], __u16 port);
/* Services of a port: at most SW_CHAIN, unless it is unbounded. */
int sw_chain_most(const struct sw_chains *c);
int sw_chain_len(const struct sw_chains *c, __u16 port);

/* Puts a slot that is filled into the chain of its port, takes it out. */
void sw_chain_in(struct sw_chains *c, __u32 index);
void sw_chain_out(struct sw_chains *c, __u32 index);

#endif
