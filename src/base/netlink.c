/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel fills parts as large as what is asked for, but not over 32 KiB. */
enum { PART_BYTES = 65536 };

void *sw_nl_begin(struct sw_nl_request *req, __u16 type, __u16 flags, size_t size)
{
    struct nlmsghdr *nh = mnl_nlmsg_put_header(req->room);

    nh->nlmsg_type = type;
    nh->nlmsg_flags = NLM_F_REQUEST | flags;
    return mnl_nlmsg_put_extra_header(nh, size);
}

static int ask(int protocol, const struct sw_nl_request *req, int strict, mnl_cb_t fn, void *ctx)
{
    const struct timeval patience = {.tv_sec = 2};
    int fd, more = MNL_CB_OK, result = 0;
    ssize_t got;
    char *buf;

    buf = malloc(PART_BYTES);
    if (!buf)
        return -ENOMEM;
    /* no mnl_socket: its sendto() names the kernel's address, and the sandbox lets none be named */
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd >= 0 && strict)
        setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict));
    if (fd < 0 || send(fd, &req->nh, req->nh.nlmsg_len, 0) < 0)
        more = MNL_CB_ERROR;
    while (more > MNL_CB_STOP) {
        got = recv(fd, buf, PART_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            errno = ETIMEDOUT;
        if (!got)
            errno = EIO;
        more = got > 0 ? mnl_cb_run(buf, got, 0, 0, fn, ctx) : MNL_CB_ERROR;
    }
    if (more == MNL_CB_ERROR)
        result = -errno;
    if (fd >= 0)
        close(fd);
    free(buf);
    return result;
}

int sw_nl_ask(int protocol, const struct sw_nl_request *req, mnl_cb_t fn, void *ctx)
{
    return ask(protocol, req, 0, fn, ctx);
}

int sw_nl_ask_some(int protocol, const struct sw_nl_request *req, mnl_cb_t fn, void *ctx)
{
    return ask(protocol, req, 1, fn, ctx);
}

const void *sw_nl_header(const struct nlmsghdr *nh, __u16 type, size_t size)
{
    return nh->nlmsg_type == type && mnl_nlmsg_get_payload_len(nh) >= size ? mnl_nlmsg_get_payload(nh) : NULL;
}

struct table {
    const struct nlattr **at;
    __u16 max;
};

static struct table empty_table(const struct nlattr **at, __u16 max)
{
    for (unsigned int i = 0; i <= max; i++)
        at[i] = NULL;
    return (struct table){at, max};
}

static int fill(const struct nlattr *a, void *ctx)
{
    const struct table *t = ctx;

    if (mnl_attr_get_type(a) <= t->max)
        t->at[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

void sw_nl_attrs(const struct nlmsghdr *nh, size_t size, const struct nlattr **at, __u16 max)
{
    struct table t = empty_table(at, max);

    mnl_attr_parse(nh, size, fill, &t);
}

void sw_nl_nested(const struct nlattr *nest, const struct nlattr **at, __u16 max)
{
    struct table t = empty_table(at, max);

    if (nest)
        mnl_attr_parse_nested(nest, fill, &t);
}

__u32 sw_nl_u32(const struct nlattr *a)
{
    return a && mnl_attr_get_payload_len(a) >= sizeof(__u32) ? mnl_attr_get_u32(a) : 0;
}
