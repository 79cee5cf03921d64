/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/sock_diag.h"
#include "base/array.h"
#include "base/ip.h"
#include "base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOPBACK_IFINDEX = 1 }; /* in every network namespace */
/* tcp_states.h of the kernel */
enum {
    TCP_STATE_SYN_RECV = 3,
    TCP_STATE_CLOSE = 7,
    TCP_STATE_LISTEN = 10,
    TCP_STATE_NEW_SYN_RECV = 12,
    TCP_STATE_END = 14
};

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

static int dump(__u8 family, __u32 states, __u8 ext, mnl_cb_t fn, void *ctx)
{
    struct sw_nl_request req;
    struct inet_diag_req_v2 *diag = sw_nl_begin(&req, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(*diag));

    diag->sdiag_family = family;
    diag->sdiag_protocol = IPPROTO_TCP;
    diag->idiag_ext = ext;
    diag->idiag_states = states;
    return sw_nl_ask(NETLINK_SOCK_DIAG, &req, fn, ctx);
}

static int dump_families(__u32 states, __u8 ext, mnl_cb_t fn, void *ctx)
{
    int err = dump(AF_INET, states, ext, fn, ctx);

    if (err)
        return err;
    err = dump(AF_INET6, states, ext, fn, ctx);
    return err == -ENOENT ? 0 : err; /* a kernel without IPv6 */
}

static const struct inet_diag_msg *diag_of(const struct nlmsghdr *nh)
{
    const struct inet_diag_msg *m = sw_nl_header(nh, SOCK_DIAG_BY_FAMILY, sizeof(*m));

    return m && (m->idiag_family == AF_INET || m->idiag_family == AF_INET6) ? m : NULL;
}

struct listeners {
    struct sw_listener *at;
    size_t len, room;
    const __u32 *devices; /* watched */
    size_t devices_len;
};

/* A listener of MPTCP shows up as its first subflow, a TCP listener with the ULP "mptcp". Before kernel 6.15 only
 * CAP_NET_ADMIN gets it. */
static bool is_mptcp(const struct nlattr *ulp)
{
    const struct nlattr *a[INET_ULP_INFO_MAX + 1];

    sw_nl_nested(ulp, a, INET_ULP_INFO_MAX);
    return a[INET_ULP_INFO_NAME] && mnl_attr_get_payload_len(a[INET_ULP_INFO_NAME]) >= sizeof("mptcp") &&
           !memcmp(mnl_attr_get_payload(a[INET_ULP_INFO_NAME]), "mptcp", sizeof("mptcp"));
}

static void read_attrs(const struct nlmsghdr *nh, struct sw_listener *l, bool *ret_v6only)
{
    const struct nlattr *a[INET_DIAG_MAX + 1], *meminfo, *v6only;

    sw_nl_attrs(nh, sizeof(struct inet_diag_msg), a, INET_DIAG_MAX);
    meminfo = a[INET_DIAG_SKMEMINFO];
    if (meminfo && mnl_attr_get_payload_len(meminfo) >= (SK_MEMINFO_RCVBUF + 1) * sizeof(__u32))
        l->rcvbuf = ((const __u32 *)mnl_attr_get_payload(meminfo))[SK_MEMINFO_RCVBUF];
    v6only = a[INET_DIAG_SKV6ONLY];
    *ret_v6only = v6only && mnl_attr_get_payload_len(v6only) && mnl_attr_get_u8(v6only);
    l->mptcp = is_mptcp(a[INET_DIAG_ULP_INFO]);
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
        return MNL_CB_OK;
    read_attrs(nh, &l, &v6only);
    l.bound = m->id.idiag_if;
    l.uid = m->idiag_uid;
    l.port = ntohs(m->id.idiag_sport);
    l.backlog = m->idiag_wqueue;
    copy_ip(l.ip, m->idiag_family, m->id.idiag_src);
    if (sw_ip_is_loopback(l.ip) || !l.port)
        return MNL_CB_OK;
    if (!memcmp(l.ip, zero, 16))
        l.any = v6only ? SW_ANY_6 : SW_ANY_4 | SW_ANY_6;
    else if (sw_ip_is_v4(l.ip) && !memcmp(l.ip + 12, zero, 4))
        l.any = SW_ANY_4;
    if (l.any)
        memset(l.ip, 0, 16);
    more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*more));
    if (!more) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    all->at = more;
    all->at[all->len++] = l;
    return MNL_CB_OK;
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
        if (l->backlog < have->backlog)
            have->backlog = l->backlog;
        if (l->rcvbuf && (!have->rcvbuf || l->rcvbuf < have->rcvbuf))
            have->rcvbuf = l->rcvbuf;
        if (l->uid < have->uid)
            have->uid = l->uid;
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
        return MNL_CB_OK;
    copy_ip((__u8 *)remote, m->idiag_family, m->id.idiag_dst);
    copy_ip((__u8 *)local, m->idiag_family, m->id.idiag_src);
    e->fn(remote, local, m->id.idiag_dport, m->id.idiag_sport, e->ctx);
    return MNL_CB_OK;
}

int sw_sockets_each(sw_socket_fn fn, void *ctx)
{
    struct each e = {.fn = fn, .ctx = ctx};

    return dump_families(((1u << TCP_STATE_END) - 2) & ~(1u << TCP_STATE_CLOSE | 1u << TCP_STATE_LISTEN), 0,
                         each_socket, &e);
}

int sw_half_open_each(sw_socket_fn fn, void *ctx)
{
    struct each e = {.fn = fn, .ctx = ctx};

    return dump_families(1u << TCP_STATE_SYN_RECV | 1u << TCP_STATE_NEW_SYN_RECV, 0, each_socket, &e);
}
