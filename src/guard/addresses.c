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
    const struct ifaddrmsg *m = NLMSG_DATA(nh);
    struct ips *all = ctx;
    __u8 ip[16] = SW_V4_MAPPED;
    struct rtattr *a, *address = NULL;
    void *more;
    int len;

    if (nh->nlmsg_type != RTM_NEWADDR || nh->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return 0;
    a = IFA_RTA(m);
    len = IFA_PAYLOAD(nh);
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) /* IFA_ADDRESS is the peer's where IFA_LOCAL is there */
        if (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !address))
            address = a;
    if (!address)
        return 0;
    if (m->ifa_family == AF_INET && RTA_PAYLOAD(address) >= 4)
        memcpy(ip + 12, RTA_DATA(address), 4);
    else if (m->ifa_family == AF_INET6 && RTA_PAYLOAD(address) >= 16)
        memcpy(ip, RTA_DATA(address), 16);
    else
        return 0;
    if (sw_ip_is_loopback(ip))
        return 0;
    more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*all->at));
    if (!more)
        return -ENOMEM;
    all->at = more;
    memcpy(all->at[all->len++], ip, 16);
    return 0;
}

static int compare_ips(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

int sw_local_ips_read(__u8 (**ret)[16], size_t *ret_len)
{
    const struct {
        struct nlmsghdr nh;
        struct ifaddrmsg addr;
    } req = {
        .nh = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
    };
    struct ips all = {0};
    size_t n = 0;
    int err = -EINTR;

    *ret = NULL;
    *ret_len = 0;
    for (int i = 0; i < TRIES && err == -EINTR; i++) {
        all.len = 0;
        err = sw_nl_dump(NETLINK_ROUTE, &req, sizeof(req), add_ip, &all);
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
    const struct rtmsg *m = NLMSG_DATA(nh);

    *(bool *)ctx =
        nh->nlmsg_type == RTM_NEWROUTE && nh->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) && m->rtm_type == RTN_LOCAL;
    return 1; /* one answer, without an end message */
}

int sw_local_ips_add_routed(__u8 (**ips)[16], size_t *len, const __u8 ip[16])
{
    bool v4 = sw_ip_is_v4(ip), local = false;
    size_t n = v4 ? 4 : 16;
    struct {
        struct nlmsghdr nh;
        struct rtmsg route;
        struct rtattr attr;
        __u8 dst[16];
    } req = {
        .nh = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = n * 8},
        .attr = {.rta_type = RTA_DST, .rta_len = RTA_LENGTH(n)},
    };
    void *more;

    req.nh.nlmsg_len = offsetof(typeof(req), dst) + n;
    memcpy(req.dst, ip + 16 - n, n);
    /* no route is an error of its own: not ours either */
    if (sw_ip_is_loopback(ip) || sw_nl_dump(NETLINK_ROUTE, &req, req.nh.nlmsg_len, see_route, &local) < 0 || !local)
        return 0;
    more = realloc(*ips, (*len + 1) * sizeof(**ips));
    if (!more)
        return -ENOMEM;
    *ips = more;
    memcpy((*ips)[(*len)++], ip, 16);
    qsort(*ips, *len, sizeof(**ips), compare_ips);
    return 0;
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
    const struct rtmsg *route = NLMSG_DATA(nh);
    struct rtattr *a = RTM_RTA(route), *m;
    struct routes *r = ctx;
    __u32 oif = 0, mtu = 0, mss = 0;
    int len = RTM_PAYLOAD(nh), inner;

    if (nh->nlmsg_type != RTM_NEWROUTE ||
        route->rtm_flags & RTM_F_CLONED) /* path MTU learned by ICMP is for one host */
        return 0;
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(oif))
            memcpy(&oif, RTA_DATA(a), sizeof(oif));
        if (a->rta_type != RTA_METRICS)
            continue;
        inner = RTA_PAYLOAD(a);
        for (m = RTA_DATA(a); RTA_OK(m, inner); m = RTA_NEXT(m, inner)) {
            if (m->rta_type == RTAX_MTU && RTA_PAYLOAD(m) >= sizeof(mtu))
                memcpy(&mtu, RTA_DATA(m), sizeof(mtu));
            if (m->rta_type == RTAX_ADVMSS && RTA_PAYLOAD(m) >= sizeof(mss))
                memcpy(&mss, RTA_DATA(m), sizeof(mss));
        }
    }
    for (size_t i = 0; i < r->len; i++) {
        if (r->ifindexes[i] != oif)
            continue;
        smaller(route->rtm_family == AF_INET6 ? &r->v6 : &r->v4, mtu);
        if (mss)
            smaller(route->rtm_family == AF_INET6 ? &r->v6 : &r->v4, mss + (route->rtm_family == AF_INET6 ? 60 : 40));
    }
    return !--r->left;
}

static void look_at_routes(struct routes *r)
{
    struct {
        struct nlmsghdr nh;
        struct rtmsg route;
    } req = {.nh = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    const unsigned char families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < sizeof(families); i++) {
        req.route.rtm_family = families[i];
        r->left = ROUTES_MAX;
        sw_nl_dump(NETLINK_ROUTE, &req, sizeof(req), look_at_route, r);
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
