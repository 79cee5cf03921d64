/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Real connections as fast as they go: connect, send, receive, close, over and over, and the time that each connect
 * took.
 *
 *   tool_rush serve  IP PORT BACKLOG      "ready", then answers until it is ended, 10 minutes at most
 *   tool_rush client IP PORT SECONDS AT_ONCE LIMIT_MS SRC COUNT [RATE]
 *
 * The client takes COUNT addresses from SRC on in turn, so that it does not run out of ports, and begins at most RATE
 * connections a second. A connection that is not through (its answer read) after LIMIT_MS has failed. Ends with one
 * JSON object: connections that were through, failed ones, connect times in microseconds of those that were through.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, EVENTS = 64, AT_ONCE_MAX = 1024, TIMES_MAX = 4000000 };

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct slot {
    int fd; /* -1: free */
    int connected;
    int got; /* bytes of the answer */
    uint64_t began;
    uint32_t took_us;
};

struct client {
    struct sockaddr_in to;
    uint32_t src, sources, next_source;
    struct slot slot[AT_ONCE_MAX];
    int at_once, epoll, busy;
    uint64_t limit_ns;
    double rate; /* of connections a second, 0: as fast as they go */
    uint64_t begun;
    uint32_t *times;
    size_t done;
    unsigned long failed, refused, late;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int address(struct sockaddr_in *ret, const char *ip, const char *port)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    return inet_pton(AF_INET, ip, &ret->sin_addr) == 1 ? 0 : -EINVAL;
}

static int watch(int epoll, int fd, uint32_t events, uint64_t what)
{
    struct epoll_event ev = {.events = events, .data.u64 = what};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* One message is answered by one; a client that has closed is closed. */
static void serve_one(int fd)
{
    char buf[MESSAGE];
    ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n > 0 ? send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n : n == 0 || errno != EAGAIN)
        close(fd);
}

static int serve(const char *ip, const char *port, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev[EVENTS];
    struct sockaddr_in at;
    int one = 1, n;

    if (fd < 0 || epoll < 0 || address(&at, ip, port) || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, backlog) || watch(epoll, fd, EPOLLIN, fd)) {
        perror("tool_rush");
        return 2;
    }
    puts("ready");
    fflush(stdout);
    alarm(600);
    while ((n = epoll_wait(epoll, ev, EVENTS, -1)) >= 0 || errno == EINTR) {
        for (int i = 0; i < n; i++) {
            int got = (int)ev[i].data.u64, s;

            if (got != fd) {
                serve_one(got);
                continue;
            }
            while ((s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                if (watch(epoll, s, EPOLLIN, s))
                    close(s);
        }
    }
    return 1;
}

static void slot_end(struct client *c, struct slot *s, int ok)
{
    close(s->fd);
    s->fd = -1;
    c->busy--;
    if (!ok)
        c->failed++;
    else if (c->done < TIMES_MAX)
        c->times[c->done++] = s->took_us;
}

static int slot_begin(struct client *c, int i)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(c->src + c->next_source)};
    struct slot *s = &c->slot[i];
    int one = 1, err;

    c->next_source = (c->next_source + 1) % c->sources;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    c->busy++;
    s->connected = s->got = 0;
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(s->fd, (struct sockaddr *)&from, sizeof(from)))
        return -errno;
    err = watch(c->epoll, s->fd, EPOLLOUT | EPOLLIN, i);
    if (err)
        return err;
    s->began = now_ns();
    if (!connect(s->fd, (struct sockaddr *)&c->to, sizeof(c->to)) || errno == EINPROGRESS)
        return 0;
    c->refused++;
    slot_end(c, s, 0);
    return 0;
}

static void slot_connected(struct client *c, struct slot *s, int i)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};
    static const char message[MESSAGE] = "are you still there?";
    socklen_t len = sizeof(int);
    int err = 0;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err || send(s->fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE ||
        epoll_ctl(c->epoll, EPOLL_CTL_MOD, s->fd, &ev)) {
        c->refused++;
        slot_end(c, s, 0);
        return;
    }
    s->took_us = (uint32_t)((now_ns() - s->began) / 1000);
    s->connected = 1;
}

static void slot_readable(struct client *c, struct slot *s)
{
    char buf[MESSAGE];
    ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        c->refused++;
        slot_end(c, s, 0);
        return;
    }
    s->got += (int)n;
    if (s->got >= MESSAGE)
        slot_end(c, s, 1);
}

static int step(struct client *c, uint64_t *next_look)
{
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(c->epoll, ev, EVENTS, c->rate ? 1 : 20);
    uint64_t now;

    if (n < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < n; i++) {
        struct slot *s = &c->slot[ev[i].data.u64];

        if (s->fd < 0)
            continue;
        if (!s->connected)
            slot_connected(c, s, (int)ev[i].data.u64);
        else
            slot_readable(c, s);
    }
    now = now_ns();
    if (now < *next_look)
        return 0;
    *next_look = now + 20000000;
    for (int i = 0; i < c->at_once; i++)
        if (c->slot[i].fd >= 0 && now - c->slot[i].began > c->limit_ns) {
            c->late++;
            slot_end(c, &c->slot[i], 0);
        }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t part(const struct client *c, double p)
{
    return c->done ? c->times[(size_t)((double)(c->done - 1) * p)] : 0;
}

static int is_due(const struct client *c, uint64_t start)
{
    return !c->rate || (double)c->begun < (double)(now_ns() - start) / 1e9 * c->rate;
}

static int client(struct client *c, double seconds)
{
    uint64_t start = now_ns(), until = start + (uint64_t)(seconds * 1e9), next_look = 0;
    int err = 0;

    for (int i = 0; i < c->at_once; i++)
        c->slot[i].fd = -1;
    while (!err && (c->busy || now_ns() < until)) {
        for (int i = 0; i < c->at_once && !err && now_ns() < until && is_due(c, start); i++)
            if (c->slot[i].fd < 0) {
                err = slot_begin(c, i);
                c->begun++;
            }
        if (!err)
            err = step(c, &next_look);
    }
    if (err) {
        fprintf(stderr, "tool_rush: %s\n", strerror(-err));
        return 1;
    }
    qsort(c->times, c->done, sizeof(*c->times), by_value);
    printf(
        "{\"connections\":%zu,\"failed\":%lu,\"late\":%lu,\"refused\":%lu,\"seconds\":%.3f,\"p50_us\":%u,\"p90_us\":%u,"
        "\"p99_us\":%u,\"max_us\":%u}\n",
        c->done, c->failed, c->late, c->refused, seconds, part(c, 0.5), part(c, 0.9), part(c, 0.99), part(c, 1));
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit files = {65536, 65536};
    static struct client c;
    struct in_addr src;

    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5 && !strcmp(argv[1], "serve"))
        return serve(argv[2], argv[3], atoi(argv[4]));
    if ((argc != 9 && argc != 10) || strcmp(argv[1], "client") || address(&c.to, argv[2], argv[3]) ||
        inet_pton(AF_INET, argv[7], &src) != 1) {
        fprintf(stderr, "tool_rush serve IP PORT BACKLOG\n"
                        "tool_rush client IP PORT SECONDS AT_ONCE LIMIT_MS SRC COUNT [RATE]\n");
        return 2;
    }
    c.at_once = atoi(argv[5]);
    c.limit_ns = strtoull(argv[6], NULL, 10) * 1000000;
    c.src = ntohl(src.s_addr);
    c.sources = strtoul(argv[8], NULL, 10);
    c.rate = argc == 10 ? atof(argv[9]) : 0;
    c.times = malloc(TIMES_MAX * sizeof(*c.times));
    c.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (c.at_once < 1 || c.at_once > AT_ONCE_MAX || !c.sources || !c.times || c.epoll < 0)
        return 2;
    return client(&c, atof(argv[4]));
}
