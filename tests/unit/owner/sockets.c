/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's sockets by four-tuple and cookie: real ones, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "owner/sockets.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 200 /* more than one message holds */

static int listener, diag, client[MANY], server[MANY];
static struct sw_socket_ask ask[MANY];

static void end_of(const struct sockaddr_in *a, __u8 ip[16], __be16 *port)
{
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    memcpy(ip + 12, &a->sin_addr, 4);
    *port = a->sin_port;
}

static __u64 cookie_of(int fd)
{
    __u64 cookie = 0;
    socklen_t len = sizeof(cookie);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
    return cookie;
}

/* The client's end, or the server's. */
static struct sw_socket_ask of(int i, int of_server)
{
    struct sockaddr_in me, peer;
    socklen_t len = sizeof(me);
    struct sw_socket_ask a = {.ifindex = 1};

    assert_int_equal(getsockname(client[i], (void *)&me, &len), 0);
    len = sizeof(peer);
    assert_int_equal(getpeername(client[i], (void *)&peer, &len), 0);
    end_of(of_server ? &peer : &me, a.local, &a.lport);
    end_of(of_server ? &me : &peer, a.remote, &a.rport);
    return a;
}

static int setup(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);

    (void)state;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&to, len) || listen(listener, MANY) || getsockname(listener, (void *)&to, &len))
        return -1;
    for (int i = 0; i < MANY; i++) {
        client[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client[i], (void *)&to, len))
            return -1;
        server[i] = i ? accept(listener, NULL, NULL) : -1; /* the last one stays in the queue */
    }
    diag = sw_sockets_open();
    return diag < 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++) {
        close(client[i]);
        if (i)
            close(server[i]);
    }
    close(listener);
    close(diag);
    return 0;
}

static void test_many(void **state)
{
    struct stat s;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        ask[i] = of(i, 0);
        ask[i].cookie = cookie_of(client[i]);
    }
    assert_int_equal(sw_sockets_find(diag, ask, MANY), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(fstat(client[i], &s), 0);
        assert_int_equal(ask[i].inode, s.st_ino);
        assert_false(ask[i].gone);
    }
}

/* Another socket on the same four-tuple is not it. */
static void test_other_cookie(void **state)
{
    struct sw_socket_ask a = of(1, 0);

    (void)state;
    a.cookie = cookie_of(client[2]);
    assert_int_equal(sw_sockets_find(diag, &a, 1), 0);
    assert_true(a.gone);
    assert_int_equal(a.inode, 0);
}

static void test_any_cookie(void **state)
{
    struct sw_socket_ask a = of(1, 1);

    (void)state;
    (void)cookie_of(client[1]);
    assert_int_equal(sw_sockets_find(diag, &a, 1), 0);
    assert_false(a.gone);
    assert_true(a.inode);
    assert_true(a.cookie);
    assert_int_not_equal(a.cookie, cookie_of(client[1]));
}

/* In the listener's queue: a socket without a file. And one that was never there: the listener is not it. */
static void test_not_accepted(void **state)
{
    struct sw_socket_ask a = of(MANY - 1, 1), b = of(0, 1);

    (void)state;
    assert_int_equal(sw_sockets_find(diag, &a, 1), 0);
    assert_false(a.gone);
    assert_int_equal(a.inode, 0);
    b.rport = htons(1);
    assert_int_equal(sw_sockets_find(diag, &b, 1), 0);
    assert_true(b.gone);
}

static void test_closed(void **state)
{
    struct linger hard = {.l_onoff = 1};
    struct sw_socket_ask a = of(3, 0);

    (void)state;
    a.cookie = cookie_of(client[3]);
    setsockopt(client[3], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(client[3]);
    client[3] = dup(client[4]);
    assert_int_equal(sw_sockets_find(diag, &a, 1), 0);
    assert_true(a.gone);
}

static void seen(__u64 cookie, __u64 inode, void *ctx)
{
    struct stat s;
    int *n = ctx;

    if (cookie != cookie_of(client[5]))
        return;
    assert_int_equal(fstat(client[5], &s), 0);
    assert_int_equal(inode, s.st_ino);
    ++*n;
}

static void test_each(void **state)
{
    int n = 0;

    (void)state;
    assert_int_equal(sw_sockets_each_cookie(seen, &n), 0);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),         cmocka_unit_test(test_other_cookie), cmocka_unit_test(test_any_cookie),
        cmocka_unit_test(test_not_accepted), cmocka_unit_test(test_closed),       cmocka_unit_test(test_each),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
