/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/links.h"

#include "base/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

int sw_links_open(void)
{
    const struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_TC};
    int fd, err;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr))) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static struct sw_link read_link(struct nlmsghdr *nh)
{
    const struct ifinfomsg *info = NLMSG_DATA(nh);
    struct sw_link link = {.ifindex = info->ifi_index, .gone = nh->nlmsg_type == RTM_DELLINK};
    struct rtattr *attr = IFLA_RTA(NLMSG_DATA(nh));
    int len = IFLA_PAYLOAD(nh);

    link.up = !link.gone && info->ifi_flags & IFF_UP;
    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        if (attr->rta_type == IFLA_IFNAME && !link.gone)
            link.name = RTA_DATA(attr);
        if (attr->rta_type == IFLA_NEW_NETNSID)
            link.moved = link.gone;
    }
    return link;
}

int sw_links_read(int fd, sw_links_fn fn, void *ctx)
{
    char buf[32768];

    for (;;) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);
        struct nlmsghdr *nh = (void *)buf;

        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (!got)
            return 0;
        for (; NLMSG_OK(nh, got); nh = NLMSG_NEXT(nh, got)) {
            struct ifinfomsg *info = NLMSG_DATA(nh);

            /* a bridge port that leaves its bridge sends DELLINK too, in its own family */
            if (nh->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) || info->ifi_family != AF_UNSPEC)
                continue;
            if (nh->nlmsg_type == RTM_DELLINK || nh->nlmsg_type == RTM_NEWLINK) {
                const struct sw_link link = read_link(nh);

                fn(&link, ctx);
            }
        }
    }
}

struct xdp_ids {
    __u32 native, generic;
};

static int read_xdp(const struct nlmsghdr *nh, void *ctx)
{
    struct rtattr *attr = IFLA_RTA(NLMSG_DATA(nh)), *sub;
    int len = IFLA_PAYLOAD(nh), sub_len;
    struct xdp_ids *ids = ctx;

    if (nh->nlmsg_type != RTM_NEWLINK)
        return 0;
    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        if ((attr->rta_type & NLA_TYPE_MASK) != IFLA_XDP)
            continue;
        sub_len = RTA_PAYLOAD(attr);
        for (sub = RTA_DATA(attr); RTA_OK(sub, sub_len); sub = RTA_NEXT(sub, sub_len)) {
            if (sub->rta_type == IFLA_XDP_DRV_PROG_ID && RTA_PAYLOAD(sub) >= sizeof(__u32))
                ids->native = *(__u32 *)RTA_DATA(sub);
            if (sub->rta_type == IFLA_XDP_SKB_PROG_ID && RTA_PAYLOAD(sub) >= sizeof(__u32))
                ids->generic = *(__u32 *)RTA_DATA(sub);
        }
    }
    return 1; /* no other part follows */
}

int sw_link_xdp(__u32 ifindex, __u32 *ret_native, __u32 *ret_generic)
{
    const struct {
        struct nlmsghdr nh;
        struct ifinfomsg info;
    } req = {
        .nh = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .info = {.ifi_index = (int)ifindex},
    };
    struct xdp_ids ids = {0};
    int err = sw_nl_dump(NETLINK_ROUTE, &req, sizeof(req), read_xdp, &ids);

    if (err != 1)
        return err < 0 ? err : -EIO;
    *ret_native = ids.native;
    *ret_generic = ids.generic;
    return 0;
}
