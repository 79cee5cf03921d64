/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/sock_diag.h"
#include "base/array.h"
#include "base/ip.h"
#include "base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOPBACK_IFINDEX = 1 }; /* in every network namespace */
/* tcp_states.h of the kernel */
enum { TCP_STATE_CLOSE = 7, TCP_STATE_LISTEN = 10, TCP_STATE_END = 14 };

bool sw_ip_is_loopback(const __u8 ip[16])
{
    static const __u8 one[16] = {[15] = 1};

    return !memcmp(ip, one, 16) || (sw_ip_is_v4(ip) && ip[12] == 127);
}

/* The address of a diag message, v4-mapped. */
static void copy_ip(__u8 to[16], __u8 family, const __be32 from[4])
{
    if (family == AF_INET) {
        memcpy(to, sw_v4_mapped, sizeof(sw_v4_mapped));
        memcpy(to + 12, from, 4);
    } else {
        memcpy(to, from, 16);
    }
}

static int dump(__u8 family, __u32 states, __u8 ext, sw_nl_fn fn, void *ctx)
{
    const struct {
        struct nlmsghdr nh;
        struct inet_diag_req_v2 diag;
    } req = {
        .nh = {.nlmsg_len = sizeof(req), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .diag = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_ext = ext, .idiag_states = states},
    };

    return sw_nl_dump(NETLINK_SOCK_DIAG, &req, sizeof(req), fn, ctx);
}

static int dump_families(__u32 states, __u8 ext, sw_nl_fn fn, void *ctx)
{
    int err = dump(AF_INET, states, ext, fn, ctx);

    if (err)
        return err;
    err = dump(AF_INET6, states, ext, fn, ctx);
    return err == -ENOENT ? 0 : err; /* a kernel without IPv6 */
}

static const struct inet_diag_msg *diag_of(const struct nlmsghdr *nh)
{
    const struct inet_diag_msg *m = NLMSG_DATA(nh);

    if (nh->nlmsg_type != SOCK_DIAG_BY_FAMILY || nh->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return NULL;
    return m->idiag_family == AF_INET || m->idiag_family == AF_INET6 ? m : NULL;
}

struct listeners {
    struct sw_listener *at;
    size_t len, room;
    const __u32 *devices; /* watched */
    size_t devices_len;
};

/* A listener of MPTCP shows up as its first subflow, a TCP listener with the ULP "mptcp". Before kernel 6.15 only
 * CAP_NET_ADMIN gets it. */
static bool is_mptcp(struct rtattr *ulp)
{
    int len = RTA_PAYLOAD(ulp);

    for (struct rtattr *a = RTA_DATA(ulp); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if (a->rta_type == INET_ULP_INFO_NAME)
            return RTA_PAYLOAD(a) >= sizeof("mptcp") && !memcmp(RTA_DATA(a), "mptcp", sizeof("mptcp"));
    return false;
}

static void read_attrs(const struct nlmsghdr *nh, struct sw_listener *l, bool *ret_v6only)
{
    struct rtattr *a = (void *)((char *)NLMSG_DATA(nh) + NLMSG_ALIGN(sizeof(struct inet_diag_msg)));
    int len = NLMSG_PAYLOAD(nh, sizeof(struct inet_diag_msg));
    __u32 rcvbuf;

    *ret_v6only = false;
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        switch (a->rta_type & NLA_TYPE_MASK) {
        case INET_DIAG_SKMEMINFO:
            if (RTA_PAYLOAD(a) >= (SK_MEMINFO_RCVBUF + 1) * sizeof(rcvbuf)) {
                memcpy(&rcvbuf, (__u32 *)RTA_DATA(a) + SK_MEMINFO_RCVBUF, sizeof(rcvbuf));
                l->rcvbuf = rcvbuf;
            }
            break;
        case INET_DIAG_SKV6ONLY: *ret_v6only = RTA_PAYLOAD(a) && *(__u8 *)RTA_DATA(a); break;
        case INET_DIAG_ULP_INFO: l->mptcp = is_mptcp(a); break;
        }
    }
}

/* A socket that is bound to a device hears that one alone. */
static bool reached(const struct listeners *all, __u32 device)
{
    for (size_t i = 0; i < all->devices_len; i++)
        if (all->devices[i] == device)
            return true;
    return !device;
}

static int add_listener(const struct nlmsghdr *nh, void *ctx)
{
    static const __u8 zero[16];
    const struct inet_diag_msg *m = diag_of(nh);
    struct listeners *all = ctx;
    struct sw_listener l = {0};
    struct sw_listener *more;
    bool v6only;

    if (!m || m->idiag_state != TCP_STATE_LISTEN || !reached(all, m->id.idiag_if))
        return 0;
    read_attrs(nh, &l, &v6only);
    l.bound = m->id.idiag_if;
    l.port = ntohs(m->id.idiag_sport);
    copy_ip(l.ip, m->idiag_family, m->id.idiag_src);
    if (sw_ip_is_loopback(l.ip) || !l.port)
        return 0;
    if (!memcmp(l.ip, zero, 16))
        l.any = v6only ? SW_ANY_6 : SW_ANY_4 | SW_ANY_6;
    else if (sw_ip_is_v4(l.ip) && !memcmp(l.ip + 12, zero, 4))
        l.any = SW_ANY_4;
    if (l.any)
        memset(l.ip, 0, 16);
    more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    all->at = more;
    all->at[all->len++] = l;
    return 0;
}

/* Same address and port, or wildcards of the same family: one service. */
static int compare_listeners(const void *a, const void *b)
{
    const struct sw_listener *x = a, *y = b;

    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    if (!x->any != !y->any)
        return x->any ? 1 : -1;
    if (!(x->any & SW_ANY_6) != !(y->any & SW_ANY_6))
        return x->any & SW_ANY_6 ? 1 : -1;
    return memcmp(x->ip, y->ip, 16);
}

static void merge(struct listeners *all)
{
    size_t n = 0;

    if (!all->len)
        return;
    qsort(all->at, all->len, sizeof(*all->at), compare_listeners);
    for (size_t i = 1; i < all->len; i++) {
        struct sw_listener *have = &all->at[n], *l = &all->at[i];

        if (compare_listeners(have, l)) {
            all->at[++n] = *l;
            continue;
        }
        have->any |= l->any;
        have->mptcp |= l->mptcp;
        have->bound |= l->bound;
        if (l->rcvbuf && (!have->rcvbuf || l->rcvbuf < have->rcvbuf))
            have->rcvbuf = l->rcvbuf;
    }
    all->len = n + 1;
    /* a dual-stack wildcard beside one of IPv4: the kernel prefers the latter for IPv4 */
    for (size_t i = 1; i < all->len; i++)
        if (all->at[i].any & SW_ANY_6 && all->at[i - 1].any && all->at[i - 1].port == all->at[i].port)
            all->at[i].any = SW_ANY_6;
}

int sw_listeners_read(const __u32 *devices, size_t devices_len, struct sw_listener **ret, size_t *ret_len)
{
    struct listeners all = {.devices = devices, .devices_len = devices_len};
    int err;

    *ret = NULL;
    *ret_len = 0;
    /* the ULP comes along with INFO only */
    err = dump_families(1u << TCP_STATE_LISTEN, 1u << (INET_DIAG_SKMEMINFO - 1) | 1u << (INET_DIAG_INFO - 1),
                        add_listener, &all);
    if (err) {
        free(all.at);
        return err;
    }
    merge(&all);
    *ret = all.at;
    *ret_len = all.len;
    return 0;
}

struct each {
    sw_socket_fn fn;
    void *ctx;
};

static int each_socket(const struct nlmsghdr *nh, void *ctx)
{
    const struct inet_diag_msg *m = diag_of(nh);
    const struct each *e = ctx;
    __u32 remote[4], local[4];

    if (!m || !m->id.idiag_dport)
        return 0;
    copy_ip((__u8 *)remote, m->idiag_family, m->id.idiag_dst);
    copy_ip((__u8 *)local, m->idiag_family, m->id.idiag_src);
    e->fn(remote, local, m->id.idiag_dport, m->id.idiag_sport, e->ctx);
    return 0;
}

int sw_sockets_each(sw_socket_fn fn, void *ctx)
{
    struct each e = {.fn = fn, .ctx = ctx};

    return dump_families(((1u << TCP_STATE_END) - 2) & ~(1u << TCP_STATE_CLOSE | 1u << TCP_STATE_LISTEN), 0,
                         each_socket, &e);
}
