/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/links.h"

#include "base/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALTNAME_SIZE 128 /* the kernel's ALTIFNAMSIZ */

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

struct reader {
    sw_links_fn fn;
    void *ctx;
};

static int read_link(const struct nlmsghdr *nh, void *ctx)
{
    bool gone = nh->nlmsg_type == RTM_DELLINK;
    const struct ifinfomsg *info = sw_nl_header(nh, gone ? RTM_DELLINK : RTM_NEWLINK, sizeof(*info));
    const struct nlattr *a[IFLA_MAX + 1];
    const struct reader *reader = ctx;
    struct sw_link link = {.gone = gone};

    /* a bridge port that leaves its bridge sends DELLINK too, in its own family */
    if (!info || info->ifi_family != AF_UNSPEC)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*info), a, IFLA_MAX);
    link.ifindex = info->ifi_index;
    link.up = !gone && info->ifi_flags & IFF_UP;
    if (!gone && a[IFLA_IFNAME])
        link.name = mnl_attr_get_str(a[IFLA_IFNAME]);
    link.moved = gone && a[IFLA_NEW_NETNSID];
    reader->fn(&link, reader->ctx);
    return MNL_CB_OK;
}

int sw_links_read(int fd, sw_links_fn fn, void *ctx)
{
    struct reader reader = {fn, ctx};
    char buf[32768];

    for (;;) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);

        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (!got)
            return 0;
        mnl_cb_run(buf, got, 0, 0, read_link, &reader);
    }
}

struct xdp_ids {
    __u32 native, generic;
};

static int read_xdp(const struct nlmsghdr *nh, void *ctx)
{
    const struct nlattr *a[IFLA_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
    struct xdp_ids *ids = ctx;

    if (!sw_nl_header(nh, RTM_NEWLINK, sizeof(struct ifinfomsg)))
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(struct ifinfomsg), a, IFLA_MAX);
    sw_nl_nested(a[IFLA_XDP], xdp, IFLA_XDP_MAX);
    ids->native = sw_nl_u32(xdp[IFLA_XDP_DRV_PROG_ID]);
    ids->generic = sw_nl_u32(xdp[IFLA_XDP_SKB_PROG_ID]);
    return MNL_CB_STOP; /* no other message follows */
}

int sw_link_xdp(__u32 ifindex, __u32 *ret_native, __u32 *ret_generic)
{
    struct sw_nl_request req;
    struct ifinfomsg *info = sw_nl_begin(&req, RTM_GETLINK, 0, sizeof(*info));
    struct xdp_ids ids = {0};
    int err;

    info->ifi_index = (int)ifindex;
    err = sw_nl_ask(NETLINK_ROUTE, &req, read_xdp, &ids);
    *ret_native = ids.native;
    *ret_generic = ids.generic;
    return err;
}

static int read_name(const struct nlmsghdr *nh, void *ctx)
{
    const struct nlattr *a[IFLA_MAX + 1];
    char *ret = ctx;

    if (!sw_nl_header(nh, RTM_NEWLINK, sizeof(struct ifinfomsg)))
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(struct ifinfomsg), a, IFLA_MAX);
    if (a[IFLA_IFNAME])
        snprintf(ret, IF_NAMESIZE, "%.*s", (int)mnl_attr_get_payload_len(a[IFLA_IFNAME]),
                 mnl_attr_get_str(a[IFLA_IFNAME]));
    return MNL_CB_STOP; /* no other message follows */
}

int sw_link_name(const char *name, char ret[IF_NAMESIZE])
{
    struct sw_nl_request req;
    int err;

    *ret = 0;
    if (!*name || strlen(name) >= ALTNAME_SIZE)
        return -ENODEV;
    sw_nl_begin(&req, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    /* the kernel looks among both kinds of names, but the attribute of the first has room for short ones only */
    mnl_attr_put_strz(&req.nh, strlen(name) < IF_NAMESIZE ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
    err = sw_nl_ask(NETLINK_ROUTE, &req, read_name, ret);
    return err ? err : *ret ? 0 : -ENODEV;
}
