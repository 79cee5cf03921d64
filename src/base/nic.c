/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/nic.h"
#include "base/netlink.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* the kernel's netdev family, younger than the headers this is built with */
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_ACT_BASIC 1

static int ask_flag(int fd, const char *name, __u32 cmd)
{
    struct ethtool_value value = {.cmd = cmd};
    struct ifreq req = {.ifr_data = (void *)&value};

    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    return ioctl(fd, SIOCETHTOOL, &req) ? -1 : !!value.data;
}

static void ask_driver(int fd, struct sw_nic *nic)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq req = {.ifr_data = (void *)&info};

    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", nic->name);
    if (!ioctl(fd, SIOCETHTOOL, &req))
        snprintf(nic->driver, sizeof(nic->driver), "%.31s", info.driver);
}

static void count_queues(struct sw_nic *nic)
{
    struct dirent *entry;
    char path[64];
    DIR *dir;

    snprintf(path, sizeof(path), "/sys/class/net/%s/queues", nic->name);
    dir = opendir(path);
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        nic->rx_queues += !strncmp(entry->d_name, "rx-", 3);
        nic->tx_queues += !strncmp(entry->d_name, "tx-", 3);
    }
    closedir(dir);
}

struct request {
    struct nlmsghdr nh;
    struct genlmsghdr genl;
    char room[64];
};

/* One generic netlink exchange; the wanted attribute's payload is copied. Its length, or -errno. */
static int ask_netlink(int fd, struct request *req, int wanted, void *ret_data, size_t max)
{
    char buf[8192];
    struct nlmsghdr *nh = (void *)buf;
    struct nlattr *attr;
    ssize_t got;
    int left;

    if (send(fd, req, req->nh.nlmsg_len, 0) < 0 || (got = recv(fd, buf, sizeof(buf), 0)) < 0)
        return -errno;
    if (!NLMSG_OK(nh, got) || nh->nlmsg_type == NLMSG_ERROR)
        return -EOPNOTSUPP;
    attr = (void *)((char *)NLMSG_DATA(nh) + GENL_HDRLEN);
    left = nh->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
    while (left >= (int)sizeof(*attr) && attr->nla_len >= sizeof(*attr) && attr->nla_len <= left) {
        size_t len = attr->nla_len - NLA_HDRLEN;

        if ((attr->nla_type & NLA_TYPE_MASK) == wanted) {
            memcpy(ret_data, (char *)attr + NLA_HDRLEN, len < max ? len : max);
            return len;
        }
        left -= NLA_ALIGN(attr->nla_len);
        attr = (void *)((char *)attr + NLA_ALIGN(attr->nla_len));
    }
    return -ENOENT;
}

static struct request make_request(__u16 family, __u8 cmd, __u16 type, const void *data, __u16 len)
{
    struct nlattr attr = {.nla_len = NLA_HDRLEN + len, .nla_type = type};
    struct request req = {
        .nh = {.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(NLA_HDRLEN + len),
               .nlmsg_type = family,
               .nlmsg_flags = NLM_F_REQUEST},
        .genl = {.cmd = cmd, .version = 1},
    };

    memcpy(req.room, &attr, sizeof(attr));
    memcpy(req.room + NLA_HDRLEN, data, len);
    return req;
}

/* What the driver declares (kernel 6.3): the only way to find out without attaching, which resets real cards. */
static int declares_native(__u32 ifindex)
{
    const struct timeval patience = {.tv_sec = 2};
    struct request req = make_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "netdev", 7);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), result = -1;
    __u64 features = 0;
    __u16 family = 0;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (ask_netlink(fd, &req, CTRL_ATTR_FAMILY_ID, &family, sizeof(family)) == sizeof(family)) {
        req = make_request(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &ifindex, sizeof(ifindex));
        if (ask_netlink(fd, &req, NETDEV_A_DEV_XDP_FEATURES, &features, sizeof(features)) > 0)
            result = features & NETDEV_XDP_ACT_BASIC;
    }
    close(fd);
    return result;
}

int sw_probe_nic(const char *name, struct sw_nic *nic)
{
    struct ifreq req = {0};
    int fd, err = 0;

    memset(nic, 0, sizeof(*nic));
    if (strlen(name) >= IF_NAMESIZE || !(nic->ifindex = if_nametoindex(name)))
        return -ENODEV;
    snprintf(nic->name, sizeof(nic->name), "%s", name);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFFLAGS, &req))
        err = -errno;
    nic->up = req.ifr_flags & IFF_UP;
    nic->loopback = req.ifr_flags & IFF_LOOPBACK;
    if (!err && ioctl(fd, SIOCGIFHWADDR, &req))
        err = -errno;
    nic->ethernet = req.ifr_hwaddr.sa_family == ARPHRD_ETHER || req.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
    if (!err && !ioctl(fd, SIOCGIFMTU, &req))
        nic->mtu = req.ifr_mtu;
    ask_driver(fd, nic);
    nic->gro = ask_flag(fd, name, ETHTOOL_GGRO);
    nic->gso = ask_flag(fd, name, ETHTOOL_GGSO);
    nic->tso = ask_flag(fd, name, ETHTOOL_GTSO);
    nic->lro = nic->rxvlan = ask_flag(fd, name, ETHTOOL_GFLAGS);
    if (nic->lro >= 0) {
        struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};

        req.ifr_data = (void *)&value;
        if (!ioctl(fd, SIOCETHTOOL, &req)) {
            nic->lro = !!(value.data & ETH_FLAG_LRO);
            nic->rxvlan = !!(value.data & ETH_FLAG_RXVLAN);
        }
    }
    close(fd);
    count_queues(nic);
    nic->native_xdp = declares_native(nic->ifindex);
    if (bpf_xdp_query_id(nic->ifindex, 0, &nic->xdp_prog))
        nic->xdp_prog = 0;
    return err;
}

struct port {
    __u32 ifindex, master;
    char kind[16];
};

static int look_at_link(const struct nlmsghdr *nh, void *ctx)
{
    const struct ifinfomsg *info = NLMSG_DATA(nh);
    struct port *port = ctx;
    struct rtattr *a = IFLA_RTA(info), *b;
    int len = IFLA_PAYLOAD(nh), inner;

    if (nh->nlmsg_type != RTM_NEWLINK || (__u32)info->ifi_index != port->ifindex)
        return 0;
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == IFLA_MASTER && RTA_PAYLOAD(a) >= sizeof(port->master))
            memcpy(&port->master, RTA_DATA(a), sizeof(port->master));
        if (a->rta_type != IFLA_LINKINFO)
            continue;
        inner = RTA_PAYLOAD(a);
        for (b = RTA_DATA(a); RTA_OK(b, inner); b = RTA_NEXT(b, inner))
            if (b->rta_type == IFLA_INFO_SLAVE_KIND)
                snprintf(port->kind, sizeof(port->kind), "%.*s", (int)RTA_PAYLOAD(b), (char *)RTA_DATA(b));
    }
    return 0;
}

bool sw_nic_is_port(__u32 ifindex, char ret_master[IF_NAMESIZE], char ret_kind[16])
{
    const struct {
        struct nlmsghdr nh;
        struct ifinfomsg info;
    } req = {.nh = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct port port = {.ifindex = ifindex};

    if (sw_nl_dump(NETLINK_ROUTE, &req, sizeof(req), look_at_link, &port) || !port.master ||
        !strcmp(port.kind, "vrf") || !if_indextoname(port.master, ret_master))
        return false;
    memcpy(ret_kind, port.kind, sizeof(port.kind));
    return true;
}

bool sw_nic_strips_vlans(const struct sw_nic *nic)
{
    char line[128], vlan[IF_NAMESIZE], below[IF_NAMESIZE];
    bool any = false;
    FILE *f;

    if (nic->rxvlan != 1)
        return false;
    f = fopen("/proc/net/vlan/config", "r");
    if (!f)
        return false;
    while (!any && fgets(line, sizeof(line), f))
        any = sscanf(line, "%15s | %*d | %15s", vlan, below) == 2 && !strcmp(below, nic->name);
    fclose(f);
    return any;
}
