/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/readers.h"
#include "base/exit.h"
#include "readers/fan_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS 16 /* in one go */

int sw_readers_open(const struct sw_instance *inst, gid_t group, __u32 event_mask, struct sw_readers **ret,
                    struct sw_failure *f)
{
    struct sw_readers *r = calloc(1, sizeof(*r));
    const char *path;
    int fd;

    if (!r)
        return sw_fail(f, SW_EXIT_MEMORY, -ENOMEM, "readers: %s", strerror(ENOMEM));
    fd = sw_socket_listen(inst->pid, group, &path);
    if (fd < 0) {
        free(r);
        return sw_fail(f, fd == -EPERM || fd == -EACCES ? SW_EXIT_PRIVILEGE : SW_EXIT_INTERNAL, fd, "%s: %s", path,
                       strerror(-fd));
    }
    r->inst = inst;
    r->group = group;
    r->event_mask = event_mask;
    r->fd = fd;
    r->epoll = -1;
    *ret = r;
    return 0;
}

static void free_reader(struct sw_reader *one)
{
    close(one->fd);
    free(one->request);
    sw_reader_close(&one->lines);
    free(one);
}

static void leave(struct sw_readers *r, size_t i)
{
    r->ample -= r->reader[i]->ample;
    if (r->reader[i]->asked && !--r->reading)
        sw_report_set_tap(r->report, NULL);
    free_reader(r->reader[i]);
    r->reader[i] = r->reader[--r->len];
}

void sw_readers_close(struct sw_readers *r)
{
    if (!r)
        return;
    while (r->len)
        leave(r, r->len - 1);
    close(r->fd);
    sw_socket_remove(r->inst->pid);
    for (int form = 0; form < SW_FORMS; form++)
        free(r->line[form].text);
    free(r);
}

static void listen_again(struct sw_readers *r, bool on)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = r->fd};

    if (r->listening != on && !epoll_ctl(r->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, r->fd, &ev))
        r->listening = on;
}

int sw_readers_watch(struct sw_readers *r, int epoll, struct sw_report *report)
{
    r->epoll = epoll;
    r->report = report;
    sw_fan_out_tap(r);
    listen_again(r, true);
    return r->listening ? 0 : -errno;
}

/* One that is to go is gone afterwards, and another one in its place. */
static void flush_one(struct sw_readers *r, size_t i)
{
    struct sw_reader *one = r->reader[i];

    if (!one->gone && sw_reader_send(r, one) && (!r->ending || one->lines.queue.len))
        return;
    leave(r, i);
}

static bool is_due(const struct sw_readers *r, const struct sw_reader *one)
{
    return one->gone || (one->asked && !one->blocked && (one->lines.queue.len || r->ending));
}

void sw_readers_flush(struct sw_readers *r)
{
    for (size_t i = r ? r->len : 0; i--;)
        if (is_due(r, r->reader[i]))
            flush_one(r, i);
}

static void answer(int fd, const char *word, const char *what)
{
    char line[SW_REQUEST_WHY + 32];
    int n = snprintf(line, sizeof(line), "%s%s\n", word, what);

    if (send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) < n)
        return; /* it will find the end */
}

static bool greet(const struct sw_readers *r, int fd)
{
    struct sw_hello hello = {.pid = r->inst->pid, .netns = r->inst->netns, .event_mask = r->event_mask};
    char text[SW_HELLO_MAX];
    int n;

    snprintf(hello.version, sizeof(hello.version), "%s", SW_VERSION);
    memcpy(hello.pin, r->inst->pin, sizeof(hello.pin));
    for (size_t i = 0; i < r->inst->len; i++)
        memcpy(hello.ifaces[hello.ifaces_len++], r->inst->ifaces[i].name, IF_NAMESIZE);
    n = sw_hello_print(&hello, text);
    return n > 0 && send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == n;
}

/* Why a reader of this user cannot be taken, or NULL. */
static const char *too_many(const struct sw_readers *r, uid_t uid)
{
    size_t same = 0;

    if (r->len >= SW_READERS_MAX - (uid ? SW_READERS_ROOT : 0))
        return "it has as many readers as it takes";
    for (size_t i = 0; i < r->len; i++)
        same += r->reader[i]->uid == uid;
    return uid && same >= SW_READERS_USER ? "it has as many readers as it takes of one user" : NULL;
}

/* The descriptor is its reader's from here on, or closed. */
static void admit(struct sw_readers *r, int fd, __u64 now_ns)
{
    struct sw_reader *one = NULL;
    const char *why;
    uid_t uid;

    if (!sw_socket_peer_allowed(fd, r->group, &uid)) {
        answer(fd, "error ", "not allowed");
        goto refuse;
    }
    why = too_many(r, uid);
    if (why) {
        answer(fd, "error ", why);
        goto refuse;
    }
    one = calloc(1, sizeof(*one));
    if (one)
        one->request = malloc(SW_REQUEST_MAX);
    if (!one || !one->request || !greet(r, fd))
        goto refuse;
    one->fd = fd;
    one->uid = uid;
    one->deadline = now_ns + SW_READERS_ASK_NS;
    if (!sw_reader_watch(r, one, EPOLL_CTL_ADD))
        goto refuse;
    r->reader[r->len++] = one;
    return;
refuse:
    if (one)
        free(one->request);
    free(one);
    close(fd);
}

static void on_connect(struct sw_readers *r, __u64 now_ns)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            admit(r, fd, now_ns);
        else if (errno == EAGAIN)
            return;
        else if (errno != ECONNABORTED && errno != EINTR) /* no descriptor is left: it would wake us for ever */
            return listen_again(r, false);
    }
}

/* 1: it reads from now on, 0: there is more to come, or -errno: it is to go. */
static int take_request(struct sw_readers *r, struct sw_reader *one)
{
    char why[SW_REQUEST_WHY];
    size_t whole = sw_request_whole(one->request, one->request_len);
    int err;

    if (!whole)
        return one->request_len < SW_REQUEST_MAX ? 0 : -E2BIG;
    err = whole == one->request_len ? 0 : -EPROTO; /* nothing is to follow it */
    if (!err)
        err = sw_request_parse(one->request, whole, &one->lines.wants, why);
    if (!err && sw_filter_asks_process(&one->lines.wants.filter) &&
        sw_owners_mode(sw_report_names(r->report)->owners) != SW_OWNER_PROCESS) {
        snprintf(why, sizeof(why), "it does not look for processes; run with --owner=process does");
        err = -EINVAL;
    }
    if (!err && *one->lines.wants.filter.cgroup && !sw_report_names(r->report)->owners) {
        snprintf(why, sizeof(why), "it does not look for cgroups: it runs with --owner=off");
        err = -EINVAL;
    }
    if (err == -EINVAL)
        answer(one->fd, "error ", why);
    /* what the instance leaves out no reader gets; of what is lost each has to know */
    one->lines.wants.event_mask &= r->event_mask | 1u << SW_LINE_LOSS;
    if (!err)
        err = sw_reader_open(&one->lines, r->ample < SW_READERS_AMPLE ? SW_READERS_BYTES : SW_READERS_BYTES_FEW);
    if (err)
        return err;
    one->ample = one->lines.queue.size == SW_READERS_BYTES;
    r->ample += one->ample;
    free(one->request);
    one->request = NULL;
    sw_queue_add(&one->lines.queue, "ok\n", 3);
    one->asked = true;
    if (!r->reading++)
        sw_report_set_tap(r->report, &r->tap);
    return 1;
}

/* False: it is to go. */
static bool on_input(struct sw_readers *r, struct sw_reader *one)
{
    char more[64], *to = one->asked ? more : one->request + one->request_len;
    ssize_t n = recv(one->fd, to, one->asked ? sizeof(more) : SW_REQUEST_MAX - one->request_len, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n || one->asked) /* a request is all that it says */
        return false;
    one->request_len += n;
    return take_request(r, one) >= 0;
}

bool sw_readers_handle(struct sw_readers *r, const struct epoll_event *ev, __u64 now_ns)
{
    size_t i = 0;

    if (!r)
        return false;
    if (ev->data.fd == r->fd) {
        on_connect(r, now_ns);
        return true;
    }
    while (i < r->len && r->reader[i]->fd != ev->data.fd)
        i++;
    if (i == r->len)
        return false;
    if (ev->events & (EPOLLERR | EPOLLHUP) || (ev->events & EPOLLIN && !on_input(r, r->reader[i])))
        leave(r, i);
    else if (r->reader[i]->asked)
        flush_one(r, i);
    return true;
}

size_t sw_readers_count(const struct sw_readers *r)
{
    return r ? r->reading : 0;
}

bool sw_readers_any(const struct sw_readers *r)
{
    return sw_readers_count(r);
}

static void add_lost(struct sw_readers *r, const __u64 lost[SW_LOSSES])
{
    __u64 new[SW_LOSSES];

    for (int kind = 0; kind < SW_LOSSES; kind++) {
        new[kind] = lost[kind] > r->lost[kind] ? lost[kind] - r->lost[kind] : 0;
        r->lost[kind] += new[kind];
    }
    for (size_t i = 0; i < r->len && r->lost_known; i++)
        if (r->reader[i]->asked)
            sw_reader_lost(&r->reader[i]->lines, new);
    r->lost_known = true;
}

static void tell_lost(struct sw_readers *r, __u64 now_ns, bool last)
{
    for (size_t i = 0; i < r->len; i++)
        if (r->reader[i]->asked)
            sw_reader_say_lost(&r->reader[i]->lines, sw_report_names(r->report), now_ns, last);
}

void sw_readers_tick(struct sw_readers *r, const __u64 lost[SW_LOSSES], __u64 now_ns, bool last)
{
    if (!r)
        return;
    listen_again(r, !r->ending);
    for (size_t i = r->len; i--;)
        if (!r->reader[i]->asked && now_ns >= r->reader[i]->deadline)
            leave(r, i);
    add_lost(r, lost);
    tell_lost(r, now_ns, last);
}

void sw_readers_end(struct sw_readers *r)
{
    if (!r)
        return;
    r->ending = true;
    listen_again(r, false);
    for (size_t i = r->len; i--;)
        if (!r->reader[i]->asked)
            leave(r, i);
    sw_readers_flush(r);
}
