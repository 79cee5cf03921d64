/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/server.h"

#include "metrics/http_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTS 8             /* in one go */
#define LEFT_MAX (256u << 10) /* bytes that are read of one who goes on talking after its request */

/* The figures in one format, shared by the clients that take them. */
struct body {
    unsigned int refs;
    __u64 made;
    size_t len;
    char *text;
};

enum state { ASKING, TAKING, LEAVING };

struct client {
    int fd;
    enum state state;
    bool polled_out;
    __u64 came, deadline, moved; /* when it last took something */
    size_t in_len, left;
    char in[SW_HTTP_REQUEST_MAX];
    char head[SW_HTTP_HEAD_ROOM + 64]; /* and the body of an error */
    size_t head_len, sent;             /* of head and body */
    struct body *body;                 /* NULL: none, or HEAD */
};

struct sw_metrics_server {
    int fd, epoll;
    bool listening;
    sw_metrics_make_fn make;
    void *ctx;
    struct body *body[SW_METRICS_FORMATS];
    struct client *client[SW_METRICS_CLIENTS];
    size_t len;
    __u64 requests, refused;
};

struct sw_metrics_server *sw_metrics_server_new(int listen_fd, sw_metrics_make_fn make, void *ctx)
{
    struct sw_metrics_server *s = calloc(1, sizeof(*s));

    if (s)
        *s = (struct sw_metrics_server){.fd = listen_fd, .epoll = -1, .make = make, .ctx = ctx};
    return s;
}

static void drop_body(struct body *b)
{
    if (!b || --b->refs)
        return;
    free(b->text);
    free(b);
}

static void leave(struct sw_metrics_server *s, size_t i)
{
    struct client *c = s->client[i];

    close(c->fd);
    drop_body(c->body);
    free(c);
    s->client[i] = s->client[--s->len];
}

void sw_metrics_server_free(struct sw_metrics_server *s)
{
    if (!s)
        return;
    while (s->len)
        leave(s, s->len - 1);
    for (int format = 0; format < SW_METRICS_FORMATS; format++)
        drop_body(s->body[format]);
    close(s->fd);
    free(s);
}

/* Made anew once those that are there are too old; NULL: there is no memory. */
static struct body *body_of(struct sw_metrics_server *s, enum sw_metrics_format format, __u64 now)
{
    struct body *b = s->body[format];

    if (b && now - b->made < SW_METRICS_KEEP_NS)
        return b;
    b = calloc(1, sizeof(*b));
    if (!b || s->make(s->ctx, format, &b->text, &b->len)) {
        free(b);
        return NULL;
    }
    b->refs = 1;
    b->made = now;
    drop_body(s->body[format]);
    s->body[format] = b;
    return b;
}

static bool watch(const struct sw_metrics_server *s, const struct client *c, int op)
{
    struct epoll_event ev = {.events = c->polled_out ? EPOLLOUT : EPOLLIN, .data.fd = c->fd};

    return !epoll_ctl(s->epoll, op, c->fd, &ev);
}

/* What cannot be sent now is sent when the socket says so. Once all is out we say that we are done and wait for the
 * other's end: closing while something is unread would reset what it has not read yet. False: it is to go. */
static bool send_some(struct sw_metrics_server *s, struct client *c, __u64 now)
{
    const size_t total = c->head_len + (c->body ? c->body->len : 0);
    const bool polled_out = c->polled_out;

    c->polled_out = false;
    while (c->sent < total && !c->polled_out) {
        const bool in_head = c->sent < c->head_len;
        const char *from = in_head ? c->head + c->sent : c->body->text + (c->sent - c->head_len);
        const size_t n = in_head ? c->head_len - c->sent : total - c->sent;
        ssize_t sent = send(c->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL | (in_head && c->body ? MSG_MORE : 0));

        if (sent > 0) {
            c->sent += sent;
            c->moved = now;
        } else if (sent < 0 && errno == EAGAIN) {
            c->polled_out = true;
        } else if (!sent || errno != EINTR) {
            return false;
        }
    }
    if (c->sent == total) {
        drop_body(c->body);
        c->body = NULL;
        c->state = LEAVING;
        c->deadline = now + SW_METRICS_LEAVE_NS;
        if (shutdown(c->fd, SHUT_WR))
            return false;
    }
    return c->polled_out == polled_out || watch(s, c, EPOLL_CTL_MOD);
}

static bool answer(struct sw_metrics_server *s, struct client *c, enum sw_http_status status,
                   const struct sw_http_request *request, __u64 now)
{
    const char *type = "text/plain; charset=utf-8", *reason;
    struct body *body = NULL;
    size_t len;

    if (status == SW_HTTP_OK) {
        body = body_of(s, request->format, now);
        status = body ? SW_HTTP_OK : SW_HTTP_UNAVAILABLE;
    }
    reason = sw_http_reason(status);
    if (body)
        type = sw_metrics_content_type(request->format);
    len = body ? body->len : strlen(reason) + 1;
    c->head_len = sw_http_head(status, type, len, time(NULL), c->head);
    if (!body && !request->head)
        c->head_len += snprintf(c->head + c->head_len, sizeof(c->head) - c->head_len, "%s\n", reason);
    if (body && !request->head) {
        body->refs++;
        c->body = body;
    }
    s->requests += status == SW_HTTP_OK;
    c->state = TAKING;
    c->deadline = now + SW_METRICS_TAKE_NS;
    c->moved = now;
    return send_some(s, c, now);
}

/* False: it is to go. */
static bool take_request(struct sw_metrics_server *s, struct client *c, __u64 now)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
    struct sw_http_request request;
    enum sw_http_status status;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return false;
    c->in_len += n;
    status = sw_http_parse(c->in, c->in_len, &request);
    return status == SW_HTTP_MORE || answer(s, c, status, &request, now);
}

/* After its response: until its end, which is usual at once. Further requests are not answered. */
static bool take_rest(struct client *c)
{
    char rest[4096];
    ssize_t n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->left += n;
    return n && c->left < LEFT_MAX;
}

/* Who has to go if another one comes: one who has its response, one who has not asked, one who takes nothing; of
 * these the one that came first. */
static size_t least(const struct sw_metrics_server *s, __u64 now)
{
    static const int rank[] = {[LEAVING] = 0, [ASKING] = 1, [TAKING] = 2};
    size_t found = s->len;

    for (size_t i = 0; i < s->len; i++) {
        const struct client *c = s->client[i], *best = found < s->len ? s->client[found] : NULL;

        if (c->state == TAKING && now - c->moved < SW_METRICS_STUCK_NS)
            continue;
        if (!best || rank[c->state] < rank[best->state] ||
            (rank[c->state] == rank[best->state] && c->came < best->came))
            found = i;
    }
    return found;
}

static bool make_room(struct sw_metrics_server *s, __u64 now)
{
    size_t i;

    if (s->len < SW_METRICS_CLIENTS)
        return true;
    i = least(s, now);
    if (i == s->len)
        return false;
    s->refused += s->client[i]->state != LEAVING;
    leave(s, i);
    return true;
}

/* The descriptor is its client's from here on, or closed. */
static void admit(struct sw_metrics_server *s, int fd, __u64 now)
{
    struct client *c = make_room(s, now) ? malloc(sizeof(*c)) : NULL;

    if (c)
        *c = (struct client){.fd = fd, .came = now, .deadline = now + SW_METRICS_ASK_NS};
    if (!c || !watch(s, c, EPOLL_CTL_ADD)) {
        s->refused++;
        free(c);
        close(fd);
        return;
    }
    s->client[s->len++] = c;
    if (!take_request(s, c, now)) /* it has usually come already */
        leave(s, s->len - 1);
}

static void listen_again(struct sw_metrics_server *s, bool on)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = s->fd};

    if (s->listening != on && !epoll_ctl(s->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->fd, &ev))
        s->listening = on;
}

/* Of one connection, which is gone by now. */
static bool is_of_connection(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET: return true;
    default: return false;
    }
}

static void on_connect(struct sw_metrics_server *s, __u64 now)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            admit(s, fd, now);
        else if (errno == EAGAIN)
            return;
        else if (!is_of_connection(errno))
            return listen_again(s, false); /* until the next tick: it would wake us for ever */
    }
}

/* What happened is not looked at: it may have been to one that left in this round and whose descriptor this one has
 * now. An error, and an end, is what the next call gets. */
static void go_on(struct sw_metrics_server *s, size_t i, __u64 now)
{
    struct client *c = s->client[i];
    bool stays;

    if (c->state == ASKING)
        stays = take_request(s, c, now);
    else if (c->state == TAKING)
        stays = send_some(s, c, now);
    else
        stays = take_rest(c);
    if (!stays)
        leave(s, i);
}

bool sw_metrics_server_handle(struct sw_metrics_server *s, const struct epoll_event *ev, __u64 now_ns)
{
    if (!s)
        return false;
    if (ev->data.fd == s->fd) {
        on_connect(s, now_ns);
        return true;
    }
    for (size_t i = 0; i < s->len; i++) {
        if (s->client[i]->fd != ev->data.fd)
            continue;
        go_on(s, i, now_ns);
        return true;
    }
    return false;
}

void sw_metrics_server_tick(struct sw_metrics_server *s, int epoll, __u64 now_ns)
{
    if (!s)
        return;
    s->epoll = epoll;
    listen_again(s, true);
    for (size_t i = s->len; i--;) {
        if (now_ns < s->client[i]->deadline)
            continue;
        s->refused += s->client[i]->state != LEAVING;
        leave(s, i);
    }
}

void sw_metrics_server_counts(const struct sw_metrics_server *s, __u64 *ret_requests, __u64 *ret_refused)
{
    *ret_requests = s ? s->requests : 0;
    *ret_refused = s ? s->refused : 0;
}
