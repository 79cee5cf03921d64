/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* This network namespace's devices, and which of them are connected with the interfaces that are watched. */
#ifndef SW_GUARD_DEVICES_H
#define SW_GUARD_DEVICES_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct sw_device {
    __u32 ifindex;
    __u32 below, master; /* 0: none here */
    bool ethernet, watched;
    bool above; /* watched, or takes frames of one that is: made on it (VLAN, macvlan), its bridge or bond, at any depth
                 */
    bool ours;  /* connected with a watched one, in whichever direction */
    __u64 mac;  /* the first byte lowest */
    char name[IF_NAMESIZE];
};

struct sw_devices {
    struct sw_device *at; /* by ifindex */
    size_t len, room;
};

/* By rtnetlink. ifindexes: those that are watched. 0 or -errno; *ret is freed by sw_devices_free in any case. */
int sw_devices_read(const __u32 *ifindexes, size_t len, struct sw_devices *ret);
void sw_devices_free(struct sw_devices *devices);

/* NULL: there is none. */
struct sw_device *sw_devices_find(const struct sw_devices *devices, __u32 ifindex);

#endif
