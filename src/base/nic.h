/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an interface is and is set to, by ethtool, sysfs and netlink. */
#ifndef SW_BASE_NIC_H
#define SW_BASE_NIC_H

#include "base/veth.h"

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>

struct sw_nic {
    __u32 ifindex;
    char name[IF_NAMESIZE];
    char driver[32]; /* "" unknown */
    int mtu;
    bool up, ethernet, loopback;
    int gro, lro, gso, tso, rxvlan; /* 1 on, 0 off, -1 unknown */
    int rx_queues, tx_queues;
    int native_xdp; /* as the driver declares it (netlink): 1, 0, -1 unknown */
    enum sw_veth veth;
    __u32 xdp_prog; /* id of the program on it now, 0: none */
};

int sw_probe_nic(const char *name, struct sw_nic *ret_nic); /* 0; -ENODEV: there is none; or -errno */

/* Is it a card, from which frames come with whole checksums? Of a virtual device, and of what is not known: no. */
bool sw_nic_is_card(const char *name);
bool sw_nic_is_card_by(const char *driver, const char *bus); /* by what ethtool says */

/* Is it a port of a bridge, bond or the like, so that addresses and sockets belong to that? (Of a VRF: no.) */
bool sw_nic_is_port(__u32 ifindex, char ret_master[IF_NAMESIZE], char ret_kind[16]);

/* It has VLANs above it, and takes their tags off before native XDP. */
bool sw_nic_strips_vlans(const struct sw_nic *nic);

#endif
