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

static bool ask_info(int fd, const char *name, struct ethtool_drvinfo *info)
{
    struct ifreq req = {.ifr_data = (void *)info};

    *info = (struct ethtool_drvinfo){.cmd = ETHTOOL_GDRVINFO};
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    return !ioctl(fd, SIOCETHTOOL, &req);
}

static void ask_driver(int fd, struct sw_nic *nic)
{
    struct ethtool_drvinfo info;

    if (ask_info(fd, nic->name, &info))
        snprintf(nic->driver, sizeof(nic->driver), "%.31s", info.driver);
}

/* domain:bus:device.function */
static bool is_pci_address(const char *bus)
{
    for (const char *next = "::."; *next; next++) {
        bus += strspn(bus, "0123456789abcdef");
        if (*bus++ != *next)
            return false;
    }
    return *bus && !bus[strspn(bus, "0123456789abcdef")];
}

/* Of devices on a PCI bus these two are virtual, and may have what another guest of the same host left unfinished. */
bool sw_nic_is_card_by(const char *driver, const char *bus)
{
    return is_pci_address(bus) && strcmp(driver, "virtio_net") && strcmp(driver, "vmxnet3");
}

bool sw_nic_is_card(const char *name)
{
    struct ethtool_drvinfo info;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool card = fd >= 0 && ask_info(fd, name, &info) && sw_nic_is_card_by(info.driver, info.bus_info);

    if (fd >= 0)
        close(fd);
    return card;
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

/* The wanted attribute of a generic netlink answer; its bytes are copied. */
struct wanted {
    __u16 type, max;
    void *data;
    int len; /* of the attribute, or -ENOENT */
};

static int find_attr(const struct nlmsghdr *nh, void *ctx)
{
    struct wanted *wanted = ctx;
    const struct nlattr *a;

    mnl_attr_for_each(a, nh, sizeof(struct genlmsghdr))
    {
        if (mnl_attr_get_type(a) != wanted->type)
            continue;
        wanted->len = mnl_attr_get_payload_len(a);
        memcpy(wanted->data, mnl_attr_get_payload(a), wanted->len < wanted->max ? wanted->len : wanted->max);
    }
    return MNL_CB_STOP;
}

/* One generic netlink exchange. The length of the wanted attribute, or -errno. */
static int ask_netlink(__u16 family, __u8 cmd, __u16 type, const void *value, size_t len, struct wanted *wanted)
{
    struct sw_nl_request req;
    struct genlmsghdr *genl = sw_nl_begin(&req, family, 0, sizeof(*genl));
    int err;

    genl->cmd = cmd;
    genl->version = 1;
    mnl_attr_put(&req.nh, type, len, value);
    wanted->len = -ENOENT;
    err = sw_nl_ask(NETLINK_GENERIC, &req, find_attr, wanted);
    return err ? err : wanted->len;
}

/* What the driver declares (kernel 6.3): the only way to find out without attaching, which resets real cards. */
static int declares_native(__u32 ifindex)
{
    __u16 family = 0;
    __u64 features = 0;
    struct wanted id = {.type = CTRL_ATTR_FAMILY_ID, .max = sizeof(family), .data = &family};
    struct wanted xdp = {.type = NETDEV_A_DEV_XDP_FEATURES, .max = sizeof(features), .data = &features};

    if (ask_netlink(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"), &id) !=
            sizeof(family) ||
        ask_netlink(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &ifindex, sizeof(ifindex), &xdp) <= 0)
        return -1;
    return features & NETDEV_XDP_ACT_BASIC;
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
    nic->veth = sw_veth_peer(nic->ifindex);
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
    const struct ifinfomsg *info = sw_nl_header(nh, RTM_NEWLINK, sizeof(*info));
    const struct nlattr *a[IFLA_MAX + 1], *in[IFLA_INFO_MAX + 1];
    struct port *port = ctx;

    if (!info || (__u32)info->ifi_index != port->ifindex)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*info), a, IFLA_MAX);
    sw_nl_nested(a[IFLA_LINKINFO], in, IFLA_INFO_MAX);
    port->master = sw_nl_u32(a[IFLA_MASTER]);
    if (in[IFLA_INFO_SLAVE_KIND])
        snprintf(port->kind, sizeof(port->kind), "%.*s", (int)mnl_attr_get_payload_len(in[IFLA_INFO_SLAVE_KIND]),
                 mnl_attr_get_str(in[IFLA_INFO_SLAVE_KIND]));
    return MNL_CB_OK;
}

bool sw_nic_is_port(__u32 ifindex, char ret_master[IF_NAMESIZE], char ret_kind[16])
{
    struct port port = {.ifindex = ifindex};
    struct sw_nl_request req;

    sw_nl_begin(&req, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
    if (sw_nl_ask(NETLINK_ROUTE, &req, look_at_link, &port) || !port.master || !strcmp(port.kind, "vrf") ||
        !if_indextoname(port.master, ret_master))
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
