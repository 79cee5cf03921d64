/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A network namespace of the test's own, whose loopback has the talk's addresses, and real sockets in it, which the
 * programs find by the kernel's lookup.
 */
#ifndef SW_TEST_REALSOCK_H
#define SW_TEST_REALSOCK_H

#include "fixture.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int namespace_of_our_own(void)
{
    struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, err;

    if (unshare(CLONE_NEWNET))
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) ? -1 : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

static inline int addresses_on_loopback(void)
{
    static const char *const add[] = {"10.0.0.1/32", "10.0.0.2/32", "2001:db8::1/128 nodad", "2001:db8::2/128 nodad"};
    char command[128];

    for (size_t i = 0; i < sizeof(add) / sizeof(*add); i++) {
        snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin ip addr add %s dev lo", add[i]);
        if (system(command))
            return -1;
    }
    return 0;
}

static inline socklen_t endpoint_of(const struct talk *of, int who, struct sockaddr_storage *ret)
{
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    const struct pkt *p = &of->side[who];

    memset(ret, 0, sizeof(*ret));
    if (p->v6) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(p->sport);
        memcpy(&six->sin6_addr, p->src, 16);
        return sizeof(*six);
    }
    four->sin_family = AF_INET;
    four->sin_port = htons(p->sport);
    memcpy(&four->sin_addr, p->src + 12, 4);
    return sizeof(*four);
}

static int sockets[16]; /* closed before the next test, also after one that failed */
static size_t sockets_len;

static inline void close_sockets(void)
{
    while (sockets_len)
        close(sockets[--sockets_len]);
}

static inline int keep_socket(int fd)
{
    assert_true(fd >= 0);
    assert_true(sockets_len < sizeof(sockets) / sizeof(*sockets));
    return sockets[sockets_len++] = fd;
}

static inline int socket_at(const struct talk *of, int who)
{
    const struct linger abort = {.l_onoff = 1};
    struct sockaddr_storage at;
    socklen_t len = endpoint_of(of, who, &at);
    int fd = keep_socket(socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)), one = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    return fd;
}

static inline int listener_at(const struct talk *of)
{
    int fd = socket_at(of, B);

    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* A listener, and a connection of the talk's four-tuple: a socket of this host's at each end. Until close_sockets. */
static inline void real_connection(const struct talk *of)
{
    struct sockaddr_storage to;
    socklen_t len = endpoint_of(of, B, &to);
    int listener = listener_at(of), client = socket_at(of, A);

    assert_int_equal(connect(client, (struct sockaddr *)&to, len), 0);
    keep_socket(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

#endif
