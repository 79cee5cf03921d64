/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel fills parts as large as what is asked for, but not over 32 KiB. */
enum { PART_BYTES = 65536 };

int sw_nl_dump(int protocol, const void *req, size_t len, sw_nl_fn fn, void *ctx)
{
    const struct timeval patience = {.tv_sec = 2};
    int fd, result = -EIO;
    bool changed = false;
    char *buf;

    buf = malloc(PART_BYTES);
    if (!buf)
        return -ENOMEM;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        result = -errno;
        goto out_buf;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (send(fd, req, len, 0) < 0) {
        result = -errno;
        goto out;
    }
    for (;;) {
        ssize_t got = recv(fd, buf, PART_BYTES, 0);
        struct nlmsghdr *nh = (void *)buf;

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            result = !got ? -EIO : errno == EAGAIN ? -ETIMEDOUT : -errno;
            goto out;
        }
        for (; NLMSG_OK(nh, got); nh = NLMSG_NEXT(nh, got)) {
            changed |= nh->nlmsg_flags & NLM_F_DUMP_INTR;
            if (nh->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *e = NLMSG_DATA(nh);

                result = nh->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error < 0 ? e->error : -EIO;
                goto out;
            }
            if (nh->nlmsg_type == NLMSG_DONE) {
                result = changed ? -EINTR : 0;
                goto out;
            }
            result = fn(nh, ctx);
            if (result)
                goto out;
        }
    }
out:
    close(fd);
out_buf:
    free(buf);
    return result;
}
