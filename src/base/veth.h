/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The other end of a veth. What native XDP sends on a veth (XDP_TX) is received only if a native XDP program is on the
 * other end; without, it is lost and nothing counts it (drivers/net/veth.c, veth_xdp_flush).
 */
#ifndef SW_BASE_VETH_H
#define SW_BASE_VETH_H

#include <linux/types.h>
#include <stdbool.h>

enum sw_veth {
    SW_VETH_NOT,     /* it is none */
    SW_VETH_XDP,     /* the other end has a native XDP program */
    SW_VETH_PLAIN,   /* it has none */
    SW_VETH_UNKNOWN, /* it could not be asked */
};

static inline bool sw_veth_may_lose(enum sw_veth veth)
{
    return veth == SW_VETH_PLAIN || veth == SW_VETH_UNKNOWN;
}

/* Also in another network namespace, as far as CAP_NET_ADMIN reaches there. */
enum sw_veth sw_veth_peer(__u32 ifindex);

#endif
