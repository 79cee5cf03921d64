/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the tests of services: a network namespace of our own, real listeners in it, and the guard's maps without any
 * program.
 *
 *      lo ---- 10.9.8.1 .. 10.9.8.20, 2001:db8::7
 *      d0 (veth, MTU 1400)  10.9.7.1/24
 */
#ifndef SW_TEST_LISTEN_H
#define SW_TEST_LISTEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/guard_options.h"
#include "guard/services.h"
#include "guard/warnings.h"
#include "loader/object.h"
#include "synward_hash.h"
#include "synward.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define TEST(name) static void name(void **state __attribute__((unused)))
#define SECOND 1000000000ull

enum { L_REUSE = 1, L_DUAL = 2, L_MPTCP = 4, L_ON_LO = 8, L_ON_D0 = 16 };

struct fixture {
    struct synward_bpf *obj;
    struct sw_guard_opts opts;
    struct sw_services *s;
    __u32 ifindex;
    int fds[2048];
    int fds_len;
};
static struct fixture fx;

static inline int run(const char *command)
{
    return system(command);
}

static inline void set_sysctl(const char *name, const char *value)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, value, strlen(value)), strlen(value));
    close(fd);
}

/* addr with a colon: IPv6 */
static inline socklen_t sockaddr_of(const char *addr, __u16 port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (strchr(addr, ':')) {
        struct sockaddr_in6 *in6 = (void *)ret;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        assert_int_equal(inet_pton(AF_INET6, addr, &in6->sin6_addr), 1);
        return sizeof(*in6);
    } else {
        struct sockaddr_in *in = (void *)ret;

        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, addr, &in->sin_addr), 1);
        return sizeof(*in);
    }
}

static inline int listener_with(const char *addr, __u16 port, int how, int rcvbuf)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_of(addr, port, &sa);
    int one = 1, v6only = !(how & L_DUAL), fd;

    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, how & L_MPTCP ? IPPROTO_MPTCP : IPPROTO_TCP);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    if (how & L_REUSE)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    if (sa.ss_family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)), 0);
    if (how & L_ON_LO)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
    if (how & L_ON_D0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "d0", 3), 0);
    if (rcvbuf)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    if (bind(fd, (struct sockaddr *)&sa, len))
        fail_msg("bind %s %u: %s", addr, port, strerror(errno));
    assert_int_equal(listen(fd, 16), 0);
    fx.fds[fx.fds_len++] = fd;
    return fd;
}

static inline int listener(const char *addr, __u16 port, int how)
{
    return listener_with(addr, port, how, 0);
}

/* One of another user's. */
static inline int listener_of(__u32 uid, const char *addr, __u16 port, int how)
{
    int fd;

    setfsuid(uid);
    fd = listener(addr, port, how);
    setfsuid(0);
    return fd;
}

static inline void shut(int fd)
{
    for (int i = 0; i < fx.fds_len; i++)
        if (fx.fds[i] == fd)
            fx.fds[i] = -1;
    close(fd);
}

static inline int connect_to(const char *addr, __u16 port)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_of(addr, port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&sa, len))
        fail_msg("connect %s %u: %s", addr, port, strerror(errno));
    fx.fds[fx.fds_len++] = fd;
    return fd;
}

static inline void ip_of(const char *addr, __u8 ip[16])
{
    memset(ip, 0, 16);
    if (strchr(addr, ':')) {
        assert_int_equal(inet_pton(AF_INET6, addr, ip), 1);
    } else {
        ip[10] = ip[11] = 0xff;
        assert_int_equal(inet_pton(AF_INET, addr, ip + 12), 1);
    }
}

static inline void protect(const char *addr, __u16 port, __u8 any)
{
    struct sw_protect *p = &fx.opts.protect[fx.opts.protect_len++];

    memset(p, 0, sizeof(*p));
    if (addr)
        ip_of(addr, p->ip);
    p->port = port;
    p->any = any;
}

static inline void begin(bool reqsk)
{
    assert_int_equal(sw_services_new(fx.obj, &fx.opts, &fx.ifindex, 1, false, reqsk, &fx.s), 0);
    assert_int_equal(sw_services_fill(fx.s), 0);
}

static inline void refresh(void)
{
    assert_int_equal(sw_services_refresh(fx.s), 0);
}

static inline __u32 first_of(__u16 port)
{
    __u32 key = port, first;

    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.svc_ports), &key, &first), 0);
    return first;
}

/* addr NULL: a wildcard. Its index in the chain of the port, 0: none. */
static inline __u32 service(const char *addr, __u16 port, __u8 any)
{
    __u8 ip[16] = {0};
    int steps = 0;

    if (addr)
        ip_of(addr, ip);
    for (__u32 at = first_of(port); at; at = sw_services_at(fx.s, at)->next) {
        const struct sw_service *sv = sw_services_at(fx.s, at);

        assert_true(++steps <= SW_CHAIN);
        assert_int_equal(ntohs(sv->port), port);
        if (!memcmp(sv->ip, ip, 16) && sv->any == any)
            return at;
    }
    return 0;
}

static inline const struct sw_service *seen(__u32 index)
{
    assert_int_not_equal(index, 0);
    return sw_services_at(fx.s, index);
}

static inline int chain_of(__u16 port)
{
    int n = 0;

    for (__u32 at = first_of(port); at && n < 100; at = sw_services_at(fx.s, at)->next)
        n++;
    return n;
}

static inline size_t services_used(void)
{
    size_t n = 0;

    for (__u32 i = 1; i < SW_SERVICES; i++)
        n += !!sw_services_at(fx.s, i)->port;
    return n;
}

/* Is there a warning with this in it? All are taken. */
static inline bool warned(const char *what)
{
    bool found = false;
    const char *text;

    for (int i = 0; i < 100 && (text = sw_services_warning(fx.s)); i++)
        found |= !!strstr(text, what);
    return found;
}

static int before_all(void **state)
{
    struct rlimit files;

    (void)state;
    if (geteuid())
        return 0;
    if (unshare(CLONE_NEWNET) || getrlimit(RLIMIT_NOFILE, &files))
        return -1;
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    if (setrlimit(RLIMIT_NOFILE, &files))
        return -1;
    if (run("PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && ip link add d0 mtu 1400 type veth peer name d1 && "
            "ip addr add 10.9.7.1/24 dev d0 && ip link set d0 up && ip -6 addr add 2001:db8::7/128 dev lo && "
            "for i in $(seq 1 20); do ip addr add 10.9.8.$i/32 dev lo || exit 1; done"))
        return -1;
    fx.ifindex = if_nametoindex("d0");
    return fx.ifindex ? 0 : -1;
}

/* A new object each time: the maps are empty. */
static int before(void **state)
{
    struct bpf_program *prog;
    struct bpf_map *map;

    (void)state;
    if (geteuid())
        return 0;
    fx.obj = synward_bpf__open();
    if (!fx.obj)
        return -1;
    bpf_object__for_each_program(prog, fx.obj->obj) bpf_program__set_autoload(prog, false);
    bpf_object__for_each_map(map, fx.obj->obj)
    {
        const char *name = bpf_map__name(map);

        bpf_map__set_autocreate(map, !strcmp(name, "services") || !strncmp(name, "svc_", 4) || !strcmp(name, "guard") ||
                                         !strcmp(name, "local_ips") || !strcmp(name, "known_tuples") ||
                                         !strcmp(name, "hash_key") || !strcmp(name, "reverse_path") ||
                                         !strcmp(name, "service_nets"));
    }
    if (bpf_object__load(fx.obj->obj) || sw_object_key_hashes(fx.obj, NULL))
        return -1;
    memset(&fx.opts, 0, sizeof(fx.opts));
    fx.opts.given = true;
    fx.opts.mode = SW_GM_AUTO;
    fx.opts.half_open = 1024;
    fx.opts.syn_rate = 4000;
    fx.opts.hold_ns = 10 * SECOND;
    fx.opts.grace_ns = SECOND / 5;
    fx.opts.wscale = -1;
    return 0;
}

static int after(void **state)
{
    (void)state;
    sw_services_free(fx.s);
    fx.s = NULL;
    synward_bpf__destroy(fx.obj);
    fx.obj = NULL;
    while (fx.fds_len)
        if (fx.fds[--fx.fds_len] >= 0)
            close(fx.fds[fx.fds_len]);
    return 0;
}

#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, before, after)
#define NEEDS_ROOT()                                                                                                   \
    do {                                                                                                               \
        if (geteuid())                                                                                                 \
            skip();                                                                                                    \
    } while (0)

#endif
