/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/sink.h"

#include "output/torn_line.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_MAX (1024 * 1024)

void sw_sink_open(struct sw_sink *s, int fd, enum sw_format format)
{
    char path[40];
    struct stat st;

    *s = (struct sw_sink){.kind = SW_SINK_CAREFUL, .format = format, .fd = fd, .own_fd = -1};
    if (fstat(fd, &st))
        return;
    if (S_ISREG(st.st_mode)) {
        s->kind = SW_SINK_FILE;
    } else if (S_ISSOCK(st.st_mode)) {
        s->kind = SW_SINK_SOCKET;
    } else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        s->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (s->own_fd >= 0) {
            s->fd = s->own_fd;
            s->kind = SW_SINK_NONBLOCK;
        }
    }
}

void sw_sink_close(struct sw_sink *s)
{
    if (s->own_fd >= 0)
        close(s->own_fd);
    s->own_fd = -1;
}

static ssize_t write_some(const struct sw_sink *s, const char *from, size_t n)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    int ready;

    if (n > WRITE_MAX)
        n = WRITE_MAX;
    if (s->kind == SW_SINK_SOCKET)
        return send(s->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (s->kind != SW_SINK_CAREFUL)
        return write(s->fd, from, n);
    ready = poll(&p, 1, 0);
    if (ready < 0)
        return -1;
    if (!ready) {
        errno = EAGAIN;
        return -1;
    }
    return write(s->fd, from, n < PIPE_BUF ? n : PIPE_BUF);
}

/* Returns err, or what it means here. */
static int note_failure(struct sw_sink *s, int err)
{
    struct stat st;
    int unread;

    s->failed = !fstat(s->fd, &st);
    if (!s->failed)
        return err;
    s->size = st.st_size;
    if (S_ISFIFO(st.st_mode))
        s->size = ioctl(s->fd, FIONREAD, &unread) ? 1 : unread;
    return S_ISCHR(st.st_mode) && err == -EIO ? -EPIPE : err; /* a terminal that hung up */
}

ssize_t sw_sink_write(struct sw_sink *s, const char *from, size_t n)
{
    ssize_t done;
    int err;

    do
        done = write_some(s, from, n);
    while (done < 0 && errno == EINTR);
    if (done > 0)
        return done;
    err = !done || errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return err == -EAGAIN ? err : note_failure(s, err);
}

static bool file_follows(const struct sw_sink *s, const struct stat *st)
{
    int flags = fcntl(s->fd, F_GETFL);

    if (st->st_size == s->size)
        return true;
    /* it was emptied to make room: where we were there would be a hole before the next line */
    if (flags >= 0 && !(flags & O_APPEND) && lseek(s->fd, 0, SEEK_CUR) > st->st_size)
        lseek(s->fd, 0, SEEK_END);
    sw_torn_line_repair(s->fd, s->format);
    return false;
}

bool sw_sink_follows(struct sw_sink *s)
{
    struct stat st;

    if (!s->failed || fstat(s->fd, &st))
        return true;
    s->failed = false;
    if (s->kind == SW_SINK_FILE)
        return file_follows(s, &st);
    return !S_ISFIFO(st.st_mode) || s->size;
}
