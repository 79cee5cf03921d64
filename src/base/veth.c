/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/veth.h"

#include "base/netlink.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

struct end {
    bool veth, elsewhere; /* elsewhere: its peer is in another namespace, which is called netnsid here */
    __u32 peer, netnsid, native_xdp;
};

static int read_end(const struct nlmsghdr *nh, void *ctx)
{
    const struct nlattr *a[IFLA_MAX + 1], *in[IFLA_INFO_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
    struct end *end = ctx;

    if (!sw_nl_header(nh, RTM_NEWLINK, sizeof(struct ifinfomsg)))
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(struct ifinfomsg), a, IFLA_MAX);
    sw_nl_nested(a[IFLA_LINKINFO], in, IFLA_INFO_MAX);
    sw_nl_nested(a[IFLA_XDP], xdp, IFLA_XDP_MAX);
    end->veth = in[IFLA_INFO_KIND] &&
                !strncmp(mnl_attr_get_str(in[IFLA_INFO_KIND]), "veth", mnl_attr_get_payload_len(in[IFLA_INFO_KIND]));
    end->peer = sw_nl_u32(a[IFLA_LINK]);
    end->elsewhere = a[IFLA_LINK_NETNSID];
    end->netnsid = sw_nl_u32(a[IFLA_LINK_NETNSID]);
    end->native_xdp = sw_nl_u32(xdp[IFLA_XDP_DRV_PROG_ID]);
    return MNL_CB_STOP; /* no other message follows */
}

static int ask(__u32 ifindex, const __u32 *netnsid, struct end *ret)
{
    struct sw_nl_request req;
    struct ifinfomsg *info = sw_nl_begin(&req, RTM_GETLINK, 0, sizeof(*info));

    memset(ret, 0, sizeof(*ret));
    info->ifi_index = (int)ifindex;
    if (netnsid)
        mnl_attr_put_u32(&req.nh, IFLA_TARGET_NETNSID, *netnsid);
    return sw_nl_ask(NETLINK_ROUTE, &req, read_end, ret);
}

enum sw_veth sw_veth_peer(__u32 ifindex)
{
    struct end here, there;

    if (ask(ifindex, NULL, &here) || !here.veth)
        return SW_VETH_NOT;
    if (!here.peer || ask(here.peer, here.elsewhere ? &here.netnsid : NULL, &there) || !there.veth)
        return SW_VETH_UNKNOWN;
    return there.native_xdp ? SW_VETH_XDP : SW_VETH_PLAIN;
}
