/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/addresses.h"
#include "base/array.h"
#include "base/ip.h"
#include "base/netlink.h"
#include "guard/sock_diag.h"
#include "synward_hash.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRIES = 3, MOST = SW_LOCAL_IPS / 2 };
enum { ROUTES_MAX = 1000 }; /* of each family are looked at: this is done every second */

struct ips {
    __u8 (*at)[16];
    size_t len, room;
};

static int add_ip(const struct nlmsghdr *nh, void *ctx)
{
    const struct ifaddrmsg *m = sw_nl_header(nh, RTM_NEWADDR, sizeof(*m));
    const struct nlattr *a[IFA_MAX + 1], *address;
    struct ips *all = ctx;
    __u8 ip[16] = SW_V4_MAPPED;
    void *more;

    if (!m)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*m), a, IFA_MAX);
    address = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS]; /* the latter is the peer's where the first is there */
    if (address && m->ifa_family == AF_INET && mnl_attr_get_payload_len(address) >= 4)
        memcpy(ip + 12, mnl_attr_get_payload(address), 4);
    else if (address && m->ifa_family == AF_INET6 && mnl_attr_get_payload_len(address) >= 16)
        memcpy(ip, mnl_attr_get_payload(address), 16);
    else
        return MNL_CB_OK;
    if (sw_ip_is_loopback(ip))
        return MNL_CB_OK;
    more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*all->at));
    if (!more) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    all->at = more;
    memcpy(all->at[all->len++], ip, 16);
    return MNL_CB_OK;
}

static int compare_ips(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

int sw_local_ips_read(__u8 (**ret)[16], size_t *ret_len)
{
    struct sw_nl_request req;
    struct ips all = {0};
    size_t n = 0;
    int err = -EINTR;

    sw_nl_begin(&req, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
    *ret = NULL;
    *ret_len = 0;
    for (int i = 0; i < TRIES && err == -EINTR; i++) {
        all.len = 0;
        err = sw_nl_ask(NETLINK_ROUTE, &req, add_ip, &all);
    }
    if (err) {
        free(all.at);
        return err;
    }
    if (all.len) {
        qsort(all.at, all.len, sizeof(*all.at), compare_ips);
        for (size_t i = 1; i < all.len; i++)
            if (memcmp(all.at[n], all.at[i], 16))
                memmove(all.at[++n], all.at[i], 16);
        all.len = n + 1;
    }
    *ret = all.at;
    *ret_len = all.len;
    return 0;
}

static int see_route(const struct nlmsghdr *nh, void *ctx)
{
    const struct rtmsg *m = sw_nl_header(nh, RTM_NEWROUTE, sizeof(*m));

    *(bool *)ctx = m && m->rtm_type == RTN_LOCAL;
    return MNL_CB_STOP; /* one answer, without an end message */
}

int sw_local_ips_add_routed(__u8 (**ips)[16], size_t *len, const __u8 ip[16])
{
    bool v4 = sw_ip_is_v4(ip), local = false;
    size_t n = v4 ? 4 : 16;
    struct sw_nl_request req;
    struct rtmsg *route = sw_nl_begin(&req, RTM_GETROUTE, 0, sizeof(*route));
    void *more;

    route->rtm_family = v4 ? AF_INET : AF_INET6;
    route->rtm_dst_len = n * 8;
    mnl_attr_put(&req.nh, RTA_DST, n, ip + 16 - n);
    /* no route is an error of its own: not ours either */
    if (sw_ip_is_loopback(ip) || sw_nl_ask(NETLINK_ROUTE, &req, see_route, &local) || !local)
        return 0;
    more = realloc(*ips, (*len + 1) * sizeof(**ips));
    if (!more)
        return -ENOMEM;
    *ips = more;
    memcpy((*ips)[(*len)++], ip, 16);
    qsort(*ips, *len, sizeof(**ips), compare_ips);
    return 0;
}

struct nets {
    struct sw_cidr *at;
    size_t len, room;
};

static int add_net(struct nets *all, const struct sw_cidr *one)
{
    void *more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*all->at));

    if (!more)
        return -ENOMEM;
    all->at = more;
    all->at[all->len++] = *one;
    return 0;
}

static int add_local_route(const struct nlmsghdr *nh, void *ctx)
{
    const struct rtmsg *m = sw_nl_header(nh, RTM_NEWROUTE, sizeof(*m));
    const struct nlattr *a[RTA_MAX + 1];
    struct sw_cidr one = {.ip = SW_V4_MAPPED};
    size_t bytes;

    if (!m || m->rtm_type != RTN_LOCAL || (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
        return MNL_CB_OK;
    bytes = m->rtm_family == AF_INET ? 4 : 16;
    sw_nl_attrs(nh, sizeof(*m), a, RTA_MAX);
    if (m->rtm_dst_len > bytes * 8 || (a[RTA_DST] && mnl_attr_get_payload_len(a[RTA_DST]) < bytes))
        return MNL_CB_OK;
    if (bytes == 16 || a[RTA_DST])
        memset(one.ip + 16 - bytes, 0, bytes);
    if (a[RTA_DST])
        memcpy(one.ip + 16 - bytes, mnl_attr_get_payload(a[RTA_DST]), bytes);
    one.prefixlen = 128 - bytes * 8 + m->rtm_dst_len;
    if (sw_ip_is_loopback(one.ip) || !add_net(ctx, &one))
        return MNL_CB_OK;
    errno = ENOMEM;
    return MNL_CB_ERROR;
}

/* Table local alone: others of a router may be large, and this is done each second. */
static int add_local_routes(struct nets *all, unsigned char family)
{
    const size_t before = all->len;
    int err = -EINTR;

    for (int i = 0; i < TRIES && err == -EINTR; i++) {
        struct sw_nl_request req;
        struct rtmsg *m = sw_nl_begin(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));

        m->rtm_family = family;
        m->rtm_table = RT_TABLE_LOCAL;
        all->len = before;
        err = sw_nl_ask_some(NETLINK_ROUTE, &req, add_local_route, all);
    }
    /* no IPv6, or no such table */
    return err == -EAFNOSUPPORT || err == -EOPNOTSUPP || err == -ENOENT ? 0 : err;
}

static int compare_nets(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sw_cidr));
}

int sw_local_nets_read(const __u8 (*ips)[16], size_t ips_len, struct sw_cidr **ret, size_t *ret_len)
{
    struct nets all = {0};
    size_t n = 0;
    int err = 0;

    for (size_t i = 0; i < ips_len && !err; i++) {
        struct sw_cidr one = {.prefixlen = 128};

        memcpy(one.ip, ips[i], sizeof(one.ip));
        err = add_net(&all, &one);
    }
    if (!err)
        err = add_local_routes(&all, AF_INET);
    if (!err)
        err = add_local_routes(&all, AF_INET6);
    if (err) {
        free(all.at);
        all = (struct nets){0};
    }
    if (all.len) {
        qsort(all.at, all.len, sizeof(*all.at), compare_nets);
        for (size_t i = 1; i < all.len; i++)
            if (memcmp(&all.at[n], &all.at[i], sizeof(*all.at)))
                all.at[++n] = all.at[i];
        all.len = n + 1;
    }
    *ret = all.at;
    *ret_len = all.len;
    return err;
}

bool sw_local_ips_has(const __u8 (*ips)[16], size_t len, const __u8 ip[16])
{
    return len && bsearch(ip, ips, len, 16, compare_ips);
}

static bool is_free(const __u32 slot[4])
{
    return !(slot[0] | slot[1] | slot[2] | slot[3]);
}

/* A reader may see half of the update: for a moment that is another address, which no packet has. */
static void put(__u32 slot[4], const __u32 ip[4])
{
    for (int i = 0; i < 4; i++)
        __atomic_store_n(&slot[i], ip[i], __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* The slot that has ip, or else the first free one among those that ip may have; -1: neither. */
static int slot_for(__u32 (*table)[4], const __u32 ip[4])
{
    __u32 hash = sw_local_hash(ip);
    int room = -1;

    for (__u32 i = 0; i < SW_LOCAL_PROBES; i++) {
        int at = (hash + i) & (SW_LOCAL_IPS - 1);

        if (!memcmp(table[at], ip, 16))
            return at;
        if (room < 0 && is_free(table[at]))
            room = at;
    }
    return room;
}

/* Moves one of those that hold ip's slots to another slot of its own. The slot made free, or -1. */
static int make_room(__u32 (*table)[4], const __u32 ip[4])
{
    __u32 hash = sw_local_hash(ip);

    for (__u32 i = 0; i < SW_LOCAL_PROBES; i++) {
        int at = (hash + i) & (SW_LOCAL_IPS - 1);
        __u32 theirs = sw_local_hash(table[at]);

        for (__u32 k = 0; k < SW_LOCAL_PROBES; k++) {
            int to = (theirs + k) & (SW_LOCAL_IPS - 1);

            if (is_free(table[to])) {
                put(table[to], table[at]);
                return at;
            }
        }
    }
    return -1;
}

size_t sw_local_ips_apply(__u32 (*table)[4], const __u8 (*ips)[16], size_t len)
{
    static const __u32 nothing[4];
    size_t most = len > MOST ? MOST : len, left_out = len - most;
    int at;

    for (at = 0; at < SW_LOCAL_IPS; at++)
        if (!is_free(table[at]) && !sw_local_ips_has(ips, most, (const __u8 *)table[at]))
            put(table[at], nothing);
    /* cppcheck-suppress knownConditionTrueFalse ; MOST is not 0, but an enumerator that it does not work out */
    for (size_t i = 0; i < most; i++) {
        __u32 ip[4];

        memcpy(ip, ips[i], 16);
        at = slot_for(table, ip);
        if (at < 0)
            at = make_room(table, ip);
        if (at < 0)
            left_out++;
        else if (memcmp(table[at], ip, 16))
            put(table[at], ip);
    }
    return left_out;
}

/* IPv6 may have a smaller one of its own (RFC 4861 section 6.3.4). */
static __u32 ipv6_mtu(const char *name, __u32 mtu)
{
    char path[64];
    unsigned int v;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/mtu", name);
    f = fopen(path, "re");
    if (!f)
        return mtu;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
    if (fscanf(f, "%u", &v) == 1 && v && v < mtu)
        mtu = v;
    fclose(f);
    return mtu;
}

struct routes {
    const __u32 *ifindexes;
    size_t len;
    __u32 v4, v6; /* smallest MTU so far */
    unsigned int left;
};

static void smaller(__u32 *mtu, __u32 other)
{
    if (other && other < *mtu)
        *mtu = other;
}

/* A route may lower its interface's MTU: by its own MTU, or the MSS to advertise over it. */
static int look_at_route(const struct nlmsghdr *nh, void *ctx)
{
    const struct rtmsg *route = sw_nl_header(nh, RTM_NEWROUTE, sizeof(*route));
    const struct nlattr *a[RTA_MAX + 1], *m[RTAX_MAX + 1];
    struct routes *r = ctx;
    __u32 oif, mtu, mss;

    if (!route || route->rtm_flags & RTM_F_CLONED) /* path MTU learned by ICMP is for one host */
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*route), a, RTA_MAX);
    sw_nl_nested(a[RTA_METRICS], m, RTAX_MAX);
    oif = sw_nl_u32(a[RTA_OIF]);
    mtu = sw_nl_u32(m[RTAX_MTU]);
    mss = sw_nl_u32(m[RTAX_ADVMSS]);
    for (size_t i = 0; i < r->len; i++) {
        if (r->ifindexes[i] != oif)
            continue;
        smaller(route->rtm_family == AF_INET6 ? &r->v6 : &r->v4, mtu);
        if (mss)
            smaller(route->rtm_family == AF_INET6 ? &r->v6 : &r->v4, mss + (route->rtm_family == AF_INET6 ? 60 : 40));
    }
    return --r->left ? MNL_CB_OK : MNL_CB_STOP;
}

static void look_at_routes(struct routes *r)
{
    const unsigned char families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < sizeof(families); i++) {
        struct sw_nl_request req;
        struct rtmsg *route = sw_nl_begin(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*route));

        route->rtm_family = families[i];
        r->left = ROUTES_MAX;
        sw_nl_ask(NETLINK_ROUTE, &req, look_at_route, r);
    }
}

void sw_local_mtu(const __u32 *ifindexes, size_t len, __u32 *ret_v4, __u32 *ret_v6)
{
    struct routes routes = {.ifindexes = ifindexes, .len = len};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    __u32 v4 = 0, v6 = 0;

    for (size_t i = 0; fd >= 0 && i < len; i++) {
        struct ifreq req = {0};
        __u32 mtu;

        if (!if_indextoname(ifindexes[i], req.ifr_name) || ioctl(fd, SIOCGIFMTU, &req) || req.ifr_mtu <= 0)
            continue;
        mtu = req.ifr_mtu;
        if (!v4 || mtu < v4)
            v4 = mtu;
        mtu = ipv6_mtu(req.ifr_name, mtu);
        if (!v6 || mtu < v6)
            v6 = mtu;
    }
    if (fd >= 0)
        close(fd);
    routes.v4 = v4 ? v4 : 1500;
    routes.v6 = v6 ? v6 : 1500;
    look_at_routes(&routes);
    *ret_v4 = routes.v4;
    *ret_v6 = routes.v6;
}
