/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/listen.h"

#include "base/fmt.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
#define FIRST_PASSED 3

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

int sw_metrics_place_parse(const char *text, struct sw_metrics_place *ret)
{
    int err;

    *ret = (struct sw_metrics_place){.given = true, .passed = !strcmp(text, "systemd")};
    if (ret->passed)
        return 0;
    err = sw_protect_parse(text, &ret->own);
    if (!err && ret->own.any > SW_NET)
        err = -EINVAL;
    if (!err && !strchr(text, ':')) {
        sw_ip_parse("127.0.0.1", ret->own.ip);
        ret->own.any = 0;
    }
    return err;
}

static bool is_v4(const struct sw_protect *own)
{
    return own->any ? own->any == SW_ANY_4 : sw_ip_is_v4(own->ip);
}

static socklen_t address_of(const struct sw_protect *own, bool v4, union address *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (v4) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(own->port);
        if (!own->any)
            memcpy(&ret->v4.sin_addr, own->ip + 12, 4);
        return sizeof(ret->v4);
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(own->port);
    memcpy(&ret->v6.sin6_addr, own->ip, 16);
    return sizeof(ret->v6);
}

static int open_own(const struct sw_protect *own, bool v4)
{
    const int on = 1, only_v6 = own->any != (SW_ANY_4 | SW_ANY_6);
    union address at;
    socklen_t len = address_of(own, v4, &at);
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6))) || bind(fd, &at.any, len) ||
        listen(fd, BACKLOG)) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static int int_option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* What is passed is ours alone: children, of which there are none, would not have it. */
static int take_passed(struct sw_failure *f)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const long n = pid && fds && strtol(pid, NULL, 10) == getpid() ? strtol(fds, NULL, 10) : 0;
    int flags;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (n != 1)
        return sw_fail(f, SW_EXIT_USAGE, -EINVAL,
                       "--metrics systemd: %s (LISTEN_FDS): it needs a socket unit with one ListenStream",
                       n > 1 ? "several sockets were passed" : "no socket was passed");
    flags = fcntl(FIRST_PASSED, F_GETFL);
    if (int_option(FIRST_PASSED, SO_TYPE) != SOCK_STREAM || int_option(FIRST_PASSED, SO_ACCEPTCONN) != 1)
        return sw_fail(f, SW_EXIT_USAGE, -EINVAL, "--metrics systemd: what was passed is no listening stream socket");
    if (flags < 0 || fcntl(FIRST_PASSED, F_SETFL, flags | O_NONBLOCK) || fcntl(FIRST_PASSED, F_SETFD, FD_CLOEXEC))
        return sw_fail(f, SW_EXIT_INTERNAL, -errno, "--metrics systemd: %s", strerror(errno));
    return FIRST_PASSED;
}

int sw_metrics_listen(const struct sw_metrics_place *place, char ret_name[SW_METRICS_PLACE], struct sw_failure *f)
{
    const bool v4 = is_v4(&place->own);
    int fd;

    if (place->passed) {
        snprintf(ret_name, SW_METRICS_PLACE, "systemd's socket");
        return take_passed(f);
    }
    sw_format_service(place->own.ip, htons(place->own.port), place->own.any, ret_name);
    fd = open_own(&place->own, v4);
    if (fd == -EAFNOSUPPORT && place->own.any & SW_ANY_4) /* a kernel without IPv6 */
        fd = open_own(&place->own, true);
    if (fd < 0)
        return sw_fail(f, SW_EXIT_OUTPUT, fd, "metrics at %s: %s", ret_name, strerror(-fd));
    return fd;
}
