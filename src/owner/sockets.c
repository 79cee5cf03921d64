/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/sockets.h"
#include "base/ip.h"
#include "base/netlink.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 64 /* requests a message: their answers fit into what a socket may keep */
#define STATES ((1u << (TCP_CLOSING + 1)) - 2)

int sw_sockets_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

    return fd < 0 ? -errno : fd;
}

static __u64 cookie_of(const struct inet_diag_sockid *id)
{
    return (__u64)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
}

static void put_ip(__be32 to[4], const __u8 ip[16])
{
    memcpy(to, sw_ip_is_v4(ip) ? ip + 12 : ip, sw_ip_is_v4(ip) ? 4 : 16);
}

static size_t put_request(char *buf, const struct sw_socket_ask *one, __u32 seq)
{
    struct nlmsghdr *nh = mnl_nlmsg_put_header(buf);
    struct inet_diag_req_v2 *r;

    nh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    nh->nlmsg_flags = NLM_F_REQUEST;
    nh->nlmsg_seq = seq;
    r = mnl_nlmsg_put_extra_header(nh, sizeof(*r));
    r->sdiag_family = sw_ip_is_v4(one->local) ? AF_INET : AF_INET6;
    r->sdiag_protocol = IPPROTO_TCP;
    r->idiag_states = STATES;
    r->id.idiag_sport = one->lport;
    r->id.idiag_dport = one->rport;
    put_ip(r->id.idiag_src, one->local);
    put_ip(r->id.idiag_dst, one->remote);
    r->id.idiag_if = one->ifindex;
    r->id.idiag_cookie[0] = one->cookie ? (__u32)one->cookie : INET_DIAG_NOCOOKIE;
    r->id.idiag_cookie[1] = one->cookie ? (__u32)(one->cookie >> 32) : INET_DIAG_NOCOOKIE;
    return nh->nlmsg_len;
}

struct answers {
    struct sw_socket_ask *at;
    size_t len;
    size_t got;
};

static void take(struct answers *a, const struct nlmsghdr *nh)
{
    const struct inet_diag_msg *m = sw_nl_header(nh, SOCK_DIAG_BY_FAMILY, sizeof(*m));
    struct sw_socket_ask *one;

    if (nh->nlmsg_seq >= a->len)
        return;
    one = &a->at[nh->nlmsg_seq];
    a->got++;
    /* without a cookie a listener answers, too, if nothing else is there */
    if (!m || m->id.idiag_dport != one->rport || m->idiag_state == TCP_TIME_WAIT) {
        one->gone = 1;
        one->inode = 0;
        return;
    }
    one->cookie = cookie_of(&m->id);
    one->inode = m->idiag_inode;
}

static int find_some(int fd, struct sw_socket_ask *at, size_t len)
{
    struct answers a = {.at = at, .len = len};
    char buf[32768];
    size_t bytes = 0;

    for (size_t i = 0; i < len; i++)
        bytes += put_request(buf + bytes, &at[i], (__u32)i);
    if (send(fd, buf, bytes, 0) < 0)
        return -errno;
    while (a.got < len) { /* the kernel has answered before send() returns */
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        int left = (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        for (const struct nlmsghdr *nh = (void *)buf; mnl_nlmsg_ok(nh, left); nh = mnl_nlmsg_next(nh, &left))
            take(&a, nh);
    }
    return 0;
}

int sw_sockets_find(int fd, struct sw_socket_ask *at, size_t len)
{
    char old[4096];
    int err = 0;

    while (recv(fd, old, sizeof(old), 0) > 0) /* what a failure left */
        ;
    for (size_t i = 0; i < len && !err; i += AT_ONCE)
        err = find_some(fd, at + i, len - i < AT_ONCE ? len - i : AT_ONCE);
    return err;
}

struct each {
    sw_socket_cookie_fn fn;
    void *ctx;
};

static int on_socket(const struct nlmsghdr *nh, void *ctx)
{
    const struct inet_diag_msg *m = sw_nl_header(nh, SOCK_DIAG_BY_FAMILY, sizeof(*m));
    const struct each *e = ctx;

    if (m && m->id.idiag_dport)
        e->fn(cookie_of(&m->id), m->idiag_inode, e->ctx);
    return MNL_CB_OK;
}

int sw_sockets_each_cookie(sw_socket_cookie_fn fn, void *ctx)
{
    const int families[] = {AF_INET, AF_INET6};
    struct each e = {.fn = fn, .ctx = ctx};
    int err = 0;

    for (size_t i = 0; i < 2 && !err; i++) {
        struct sw_nl_request req;
        struct inet_diag_req_v2 *r = sw_nl_begin(&req, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(*r));

        r->sdiag_family = families[i];
        r->sdiag_protocol = IPPROTO_TCP;
        r->idiag_states = STATES & ~(1u << TCP_LISTEN | 1u << TCP_CLOSE | 1u << TCP_TIME_WAIT);
        err = sw_nl_ask(NETLINK_SOCK_DIAG, &req, on_socket, &e);
    }
    return err == -ENOENT ? 0 : err; /* a kernel without IPv6 */
}
