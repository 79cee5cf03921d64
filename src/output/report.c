/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reporter: numbers lines, gathers them, writes them without ever waiting for the reader. */
#include "output/report.h"
#include "output/json.h"
#include "output/json_guard.h"
#include "output/text.h"
#include "output/text_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SW_BUF_FIRST (256 * 1024)
#define SW_WRITE_MAX (1024 * 1024)

enum sw_sink {
    SW_SINK_FILE,     /* write() waits for the disk at most */
    SW_SINK_NONBLOCK, /* a descriptor of our own, so that the flag is not seen by others who share stdout */
    SW_SINK_SOCKET,
    SW_SINK_CAREFUL, /* poll, then no more than PIPE_BUF bytes */
};

struct sw_report {
    struct sw_lines lines;
    enum sw_format format;
    __u32 event_mask;
    enum sw_sink sink;
    int fd;
    int own_fd; /* to close, or -1 */
    char *buf;
    size_t head, tail, cap;
    __u64 seq; /* of the line before */
    __u64 made;
    __u64 bytes;             /* of all lines made */
    __u64 unmade[SW_LOSSES]; /* events that found no memory, since the last loss line */
    __u64 unmade_total;
};

static void open_sink(struct sw_report *r, int fd)
{
    char path[40];
    struct stat st;

    r->fd = fd;
    r->own_fd = -1;
    r->sink = SW_SINK_CAREFUL;
    if (fstat(fd, &st))
        return;
    if (S_ISREG(st.st_mode)) {
        r->sink = SW_SINK_FILE;
    } else if (S_ISSOCK(st.st_mode)) {
        r->sink = SW_SINK_SOCKET;
    } else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (r->own_fd >= 0) {
            r->fd = r->own_fd;
            r->sink = SW_SINK_NONBLOCK;
        }
    }
}

int sw_report_new(const struct sw_report_opts *opts, struct sw_report **ret_report)
{
    struct sw_report *r = calloc(1, sizeof(*r));

    *ret_report = NULL;
    if (!r)
        return -ENOMEM;
    r->own_fd = -1;
    r->format = opts->format;
    r->event_mask = opts->event_mask;
    r->seq = opts->seq;
    r->cap = SW_BUF_FIRST;
    r->buf = malloc(r->cap);
    if (!r->buf || sw_lines_init(&r->lines, opts)) {
        sw_report_free(r);
        return -ENOMEM;
    }
    open_sink(r, opts->fd);
    *ret_report = r;
    return 0;
}

void sw_report_free(struct sw_report *r)
{
    if (!r)
        return;
    if (r->own_fd >= 0)
        close(r->own_fd);
    sw_lines_fini(&r->lines);
    free(r->buf);
    free(r);
}

int sw_report_set_iface(struct sw_report *r, __u32 ifindex, const char *name)
{
    return sw_lines_set_iface(&r->lines, ifindex, name);
}

void sw_report_set_clock(struct sw_report *r, __s64 clock_offset_ns)
{
    r->lines.clock_offset = clock_offset_ns;
}

/* Space for one line of any kind, or NULL. Lines already written are removed first. */
static char *line_room(struct sw_report *r)
{
    size_t need = sw_lines_room(&r->lines), cap = r->cap;
    char *more;

    if (r->cap - r->tail >= need)
        return r->buf + r->tail;
    if (r->head >= r->cap / 2) {
        memmove(r->buf, r->buf + r->head, r->tail - r->head);
        r->tail -= r->head;
        r->head = 0;
    }
    while (cap - r->tail < need)
        cap *= 2;
    if (cap != r->cap) {
        more = realloc(r->buf, cap);
        if (!more)
            return NULL;
        r->buf = more;
        r->cap = cap;
    }
    return r->buf + r->tail;
}

static void line_done(struct sw_report *r, const char *end)
{
    r->bytes += end - (r->buf + r->tail);
    r->tail = end - r->buf;
    r->seq++;
    r->made++;
}

int sw_report_event(struct sw_report *r, const struct sw_event *ev)
{
    char *p;

    if (ev->version != SW_CONTRACT_VERSION || ev->size != sizeof(*ev) || ev->kind >= SW_EV_MAX)
        return -EINVAL;
    if (!(r->event_mask & 1u << ev->kind))
        return 0;
    p = line_room(r);
    if (!p) {
        r->unmade[ev->kind]++;
        r->unmade_total++;
        return -ENOMEM;
    }
    p = r->format == SW_FORMAT_TEXT ? sw_text_event(&r->lines, r->seq + 1, ev, p)
                                    : sw_json_event(&r->lines, r->seq + 1, ev, p);
    line_done(r, p);
    return 0;
}

/* The guard's records are made in the kernel only if they are enabled, and counted together when they do not fit. */
static bool loss_wanted(const struct sw_report *r, int kind)
{
    __u32 bits = kind == SW_LOSS_GUARD ? 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP : 1u << kind;

    return r->event_mask & bits;
}

int sw_report_loss(struct sw_report *r, const __u64 lost[SW_LOSSES], __u64 now_ns)
{
    __u64 all[SW_LOSSES], total = 0;
    char *p;

    for (int i = 0; i < SW_LOSSES; i++) {
        all[i] = loss_wanted(r, i) ? lost[i] + r->unmade[i] : 0;
        total += all[i];
    }
    if (!total)
        return 0;
    if (!(r->event_mask & 1u << SW_LINE_LOSS)) {
        r->seq += total;
        memset(r->unmade, 0, sizeof(r->unmade));
        return 0;
    }
    p = line_room(r);
    if (!p)
        return -ENOMEM; /* included in the next one; the caller passes its own losses again */
    memset(r->unmade, 0, sizeof(r->unmade));
    r->seq += total;
    p = r->format == SW_FORMAT_TEXT ? sw_text_loss(&r->lines, r->seq + 1, all, now_ns, p)
                                    : sw_json_loss(&r->lines, r->seq + 1, all, now_ns, p);
    line_done(r, p);
    return 0;
}

int sw_report_guard_event(struct sw_report *r, const struct sw_guard_event *ev)
{
    char *p;

    if (ev->version != SW_CONTRACT_VERSION || ev->size != sizeof(*ev) || ev->kind >= SW_GUARD_EV_MAX)
        return -EINVAL;
    if (!(r->event_mask & 1u << (ev->kind == SW_GUARD_EV_STATE ? SW_LINE_GUARD : SW_LINE_DROP)))
        return 0;
    p = line_room(r);
    if (!p) {
        r->unmade[SW_LOSS_GUARD]++;
        r->unmade_total++;
        return -ENOMEM;
    }
    p = r->format == SW_FORMAT_TEXT ? sw_text_guard_event(&r->lines, r->seq + 1, ev, p)
                                    : sw_json_guard_event(&r->lines, r->seq + 1, ev, p);
    line_done(r, p);
    return 0;
}

int sw_report_service(struct sw_report *r, const struct sw_report_service *s, __u64 now_ns)
{
    char *p;

    if (!(r->event_mask & 1u << SW_LINE_SERVICE))
        return 0;
    p = line_room(r);
    if (!p)
        return -ENOMEM;
    p = r->format == SW_FORMAT_TEXT ? sw_text_service(&r->lines, r->seq + 1, s, now_ns, p)
                                    : sw_json_service(&r->lines, r->seq + 1, s, now_ns, p);
    line_done(r, p);
    return 0;
}

int sw_report_stats(struct sw_report *r, const struct sw_report_stats *stats, __u64 now_ns)
{
    struct sw_report_stats s = *stats;
    char *p;

    if (!(r->event_mask & 1u << SW_LINE_STATS))
        return 0;
    p = line_room(r);
    if (!p)
        return -ENOMEM;
    s.lost_total += r->unmade_total;
    p = r->format == SW_FORMAT_TEXT ? sw_text_stats(&r->lines, r->seq + 1, &s, now_ns, p)
                                    : sw_json_stats(&r->lines, r->seq + 1, &s, now_ns, p);
    line_done(r, p);
    return 0;
}

size_t sw_report_pending(const struct sw_report *r)
{
    return r->tail - r->head;
}

__u64 sw_report_lines(const struct sw_report *r)
{
    return r->made;
}

__u64 sw_report_made(const struct sw_report *r)
{
    return r->bytes;
}

__u64 sw_report_seq(const struct sw_report *r)
{
    return r->seq;
}

static ssize_t write_some(struct sw_report *r)
{
    size_t n = r->tail - r->head;
    const char *from = r->buf + r->head;
    struct pollfd p = {.fd = r->fd, .events = POLLOUT};
    int ready;

    if (n > SW_WRITE_MAX)
        n = SW_WRITE_MAX;
    if (r->sink == SW_SINK_SOCKET)
        return send(r->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r->sink != SW_SINK_CAREFUL)
        return write(r->fd, from, n);
    ready = poll(&p, 1, 0);
    if (ready < 0)
        return -1;
    if (!ready) {
        errno = EAGAIN;
        return -1;
    }
    return write(r->fd, from, n < PIPE_BUF ? n : PIPE_BUF);
}

int sw_report_flush(struct sw_report *r)
{
    while (r->head < r->tail) {
        ssize_t n = write_some(r);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        if (!n)
            return -EAGAIN;
        r->head += n;
    }
    r->head = r->tail = 0;
    return 0;
}
