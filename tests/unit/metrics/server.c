/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The server and its clients in one process, by its own clock: what is sent in pieces, who is late, who makes room. */
#include "base/clock.h"
#include "metrics/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GET "GET /metrics HTTP/1.0\r\n\r\n"
#define BODY (1u << 20) /* more than the buffers of a socket hold */
#define START (100 * SW_SECOND)

static struct sw_metrics_server *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int epoll_fd, made;
static size_t body_len;

static char body_byte(size_t i)
{
    return (char)('a' + i * 7 % 26 * (1 + i / 4096 % 3) % 26);
}

static int make(void *ctx, enum sw_metrics_format format, char **ret_text, size_t *ret_len)
{
    (void)ctx;
    (void)format;
    *ret_text = malloc(body_len);
    for (size_t i = 0; i < body_len && *ret_text; i++)
        (*ret_text)[i] = body_byte(i);
    *ret_len = body_len;
    made++;
    return *ret_text ? 0 : -ENOMEM;
}

/* Bound to a name that the kernel chooses. */
static int setup(void **state)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(address);

    (void)state;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address.sun_family)) || listen(fd, 64) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        return -1;
    address.sun_path[len - sizeof(address.sun_family)] = 0;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    made = 0;
    body_len = BODY;
    server = sw_metrics_server_new(fd, make, NULL);
    if (!server)
        return -1;
    sw_metrics_server_tick(server, epoll_fd, START);
    return epoll_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    sw_metrics_server_free(server);
    close(epoll_fd);
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return 0;
}

/* All that is ready, as the daemon's loop has it. */
static void turn(__u64 now)
{
    struct epoll_event ev[32];
    int n = epoll_wait(epoll_fd, ev, 32, 0);

    for (int i = 0; i < n; i++)
        sw_metrics_server_handle(server, &ev[i], now);
}

static int dial(const char *request, __u64 now)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address.sun_family) + 6),
                     0); /* "\0" and 5 digits */
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    turn(now);
    return fd;
}

/* Up to n bytes that have come; 0: its end, -1: nothing yet. */
static ssize_t get(int fd, char *to, size_t n)
{
    return recv(fd, to, n, MSG_DONTWAIT);
}

static bool has_ended(int fd)
{
    char rest[4096];
    ssize_t n;

    while ((n = get(fd, rest, sizeof(rest))) > 0)
        ;
    return !n || errno == ECONNRESET;
}

/* What has come for each of them but one. */
static void take_some(const int fd[SW_METRICS_CLIENTS], int but)
{
    char some[65536];

    for (int i = 0; i < SW_METRICS_CLIENTS; i++) {
        ssize_t n = i == but;

        while (i != but && get(fd[i], some, sizeof(some)) > 0)
            n++;
        if (!n)
            fail_msg("client %d has got nothing", i);
    }
}

static __u64 refused(void)
{
    __u64 requests, n;

    sw_metrics_server_counts(server, &requests, &n);
    return n;
}

static void test_whole(void **state)
{
    char *got = malloc(BODY + 4096), *body;
    int fd = dial(GET, START);
    size_t len = 0, rounds = 0;

    (void)state;
    for (;; rounds++) {
        ssize_t n = get(fd, got + len, 1 + len % 3000); /* of any length */

        if (!n)
            break;
        len += n > 0 ? n : 0;
        assert_true(len <= BODY + 1024 && rounds < BODY);
        turn(START);
    }
    got[len] = 0;
    assert_memory_equal(got, "HTTP/1.1 200 OK\r\n", 17);
    body = strstr(got, "\r\n\r\n") + 4;
    assert_int_equal(got + len - body, BODY);
    for (size_t i = 0; i < BODY; i++)
        if (body[i] != body_byte(i))
            fail_msg("byte %zu is another", i);
    assert_true(rounds > 100);
    close(fd);
    free(got);
    turn(START);
    assert_int_equal(refused(), 0);
}

static void test_one_generation(void **state)
{
    int a = dial(GET, START), b = dial(GET, START + SW_METRICS_KEEP_NS - 1), c;

    (void)state;
    assert_int_equal(made, 1);
    c = dial(GET, START + SW_METRICS_KEEP_NS); /* beside the one that two still take */
    assert_int_equal(made, 2);
    close(a);
    close(b);
    close(c);
}

/* Who asks too late, takes too late, or does not close after it. */
static void test_deadlines(void **state)
{
    static const struct {
        const char *request;
        size_t body;
        __u64 limit;
        unsigned int refused;
    } of[] = {{"GET /met", BODY, SW_METRICS_ASK_NS, 1},
              {GET, BODY, SW_METRICS_TAKE_NS, 1},
              {GET, 10, SW_METRICS_LEAVE_NS, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        const __u64 now = START + i * 100 * SW_SECOND, before = refused();
        struct pollfd p = {.events = POLLIN};
        char byte;

        body_len = of[i].body;
        p.fd = dial(of[i].request, now);
        sw_metrics_server_tick(server, epoll_fd, now + of[i].limit - 1);
        assert_int_equal(poll(&p, 1, 0) && p.revents & POLLHUP, 0);
        assert_int_equal(refused(), before);
        sw_metrics_server_tick(server, epoll_fd, now + of[i].limit);
        poll(&p, 1, 0);
        assert_true(p.revents & POLLHUP);
        assert_int_equal(refused(), before + of[i].refused);
        assert_true(has_ended(p.fd));
        assert_int_equal(get(p.fd, &byte, 1), 0);
        close(p.fd);
    }
}

/* Who has asked for nothing goes first; who takes its response stays while it moves, and no other one comes in. */
static void test_room(void **state)
{
    const __u64 t1 = START + SW_METRICS_STUCK_NS, t2 = t1 + SW_METRICS_STUCK_NS;
    int fd[SW_METRICS_CLIENTS], late;

    (void)state;
    for (int i = 0; i < SW_METRICS_CLIENTS; i++)
        fd[i] = dial(i == 7 ? "GET" : GET, START);
    late = dial(GET, t1); /* the others are stuck, and came before */
    assert_int_equal(refused(), 1);
    assert_true(has_ended(fd[7]));
    close(fd[7]);
    fd[7] = late;
    take_some(fd, -1);
    turn(t1);
    late = dial(GET, t2 - 1); /* all move */
    assert_int_equal(refused(), 2);
    assert_true(has_ended(late));
    close(late);
    take_some(fd, 5);
    turn(t2);
    late = dial(GET, t2);
    assert_int_equal(refused(), 3);
    assert_true(has_ended(fd[5]));
    close(fd[5]);
    fd[5] = late;
    take_some(fd, -1);
    for (int i = 0; i < SW_METRICS_CLIENTS; i++)
        close(fd[i]);
}

/* An error that was another's, whose descriptor this one has now, ends nothing. */
static void test_stale_event(void **state)
{
    struct epoll_event ev = {.events = EPOLLERR | EPOLLHUP};
    int fd = dial("GET /met", START);
    char got[64];

    (void)state;
    for (ev.data.fd = 0; ev.data.fd < 64; ev.data.fd++)
        sw_metrics_server_handle(server, &ev, START);
    assert_int_equal(send(fd, "rics HTTP/1.0\r\n\r\n", 17, MSG_NOSIGNAL), 17);
    turn(START);
    assert_true(get(fd, got, sizeof(got)) > 17);
    assert_memory_equal(got, "HTTP/1.1 200 OK\r\n", 17);
    close(fd);
}

/* A listening socket that cannot accept is left alone until the next tick. */
static void test_cannot_accept(void **state)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* which does not listen: EINVAL */
    struct epoll_event ev = {.data.fd = fd};
    struct sw_metrics_server *s = sw_metrics_server_new(fd, make, NULL);

    (void)state;
    sw_metrics_server_tick(s, epoll_fd, START);
    assert_int_equal(epoll_wait(epoll_fd, &ev, 1, 0), 1); /* a hang-up */
    assert_true(sw_metrics_server_handle(s, &ev, START));
    assert_int_equal(epoll_wait(epoll_fd, &ev, 1, 0), 0);
    sw_metrics_server_tick(s, epoll_fd, START + SW_SECOND);
    assert_int_equal(epoll_wait(epoll_fd, &ev, 1, 0), 1);
    sw_metrics_server_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_whole), TEST(test_one_generation), TEST(test_deadlines),
        TEST(test_room),  TEST(test_stale_event),    TEST(test_cannot_accept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
