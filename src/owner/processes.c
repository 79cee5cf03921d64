/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/processes.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STARTED_FIELD 22 /* of /proc/PID/stat, proc(5) */
#define CLOCK_EVERY 64   /* links in /proc/PID/fd */

static __u64 number(const char *text, char after)
{
    __u64 n = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9' && n < 1ull << 60; p++)
        n = n * 10 + (*p - '0');
    return p > text && *p == after ? n : 0;
}

__u64 sw_socket_link(const char *text, size_t len)
{
    static const char before[] = "socket:[";
    char digits[24] = "";

    if (len < sizeof(before) || len - sizeof(before) + 1 >= sizeof(digits) || memcmp(text, before, sizeof(before) - 1))
        return 0;
    memcpy(digits, text + sizeof(before) - 1, len - sizeof(before) + 1);
    if (digits[len - sizeof(before)] != ']')
        return 0;
    return number(digits, ']');
}

static int read_at(int dir, const char *name, char *buf, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = read(fd, buf, size - 1);
    if (got < 0)
        got = -errno;
    close(fd);
    if (got >= 0)
        buf[got] = 0;
    return (int)got;
}

int sw_process_comm(int dir, char ret[SW_COMM])
{
    char text[SW_COMM + 2];
    int got = read_at(dir, "comm", text, sizeof(text));

    if (got <= 0)
        return got ? got : -ESRCH;
    if (text[got - 1] == '\n') /* the kernel's; a name may hold others */
        text[got - 1] = 0;
    text[SW_COMM - 1] = 0;
    memcpy(ret, text, SW_COMM);
    return 0;
}

__u64 sw_process_started(int dir)
{
    char text[1024];
    const char *p;
    int got = read_at(dir, "stat", text, sizeof(text));

    if (got <= 0)
        return 0;
    p = strrchr(text, ')'); /* a name may hold anything */
    for (int field = 2; p && field < STARTED_FIELD; field++)
        p = strchr(p + 1, ' ');
    return p ? number(p + 1, ' ') : 0;
}

static int each_fd(int dir, __s32 pid, sw_socket_seen_fn fn, void *ctx)
{
    int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
    DIR *fds = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    if (!fds && fd >= 0)
        close(fd);
    while (fds && !err && (e = readdir(fds))) {
        char link[32];
        ssize_t n = *e->d_name == '.' ? 0 : readlinkat(dirfd(fds), e->d_name, link, sizeof(link));
        __u64 inode = n > 0 ? sw_socket_link(link, n) : 0;

        if (*e->d_name != '.')
            err = fn(dir, pid, inode, ctx);
    }
    if (fds)
        closedir(fds);
    return err;
}

int sw_processes_each(int proc, sw_socket_seen_fn fn, void *ctx)
{
    int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
    DIR *all = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    if (!all) {
        err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    while (!err && (e = readdir(all))) {
        __s32 pid = (__s32)number(e->d_name, 0);
        int dir = pid > 0 ? openat(proc, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (dir < 0)
            continue;
        err = each_fd(dir, pid, fn, ctx);
        close(dir);
    }
    closedir(all);
    return err;
}

static int by_inode(const void *a, const void *b)
{
    const struct sw_holder *x = a, *y = b;

    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

struct search {
    struct sw_holder *at;
    size_t len;
    __u64 until_ns;
    unsigned links; /* looked at */
};

void sw_holder_add(struct sw_holder *one, int dir, __s32 pid)
{
    __u64 started = one->last == pid ? 0 : sw_process_started(dir);
    char comm[SW_COMM];

    if (!started || sw_process_comm(dir, comm))
        return; /* counted before, or gone */
    one->last = pid;
    one->pids++;
    if (one->pid && started >= one->started)
        return;
    memcpy(one->comm, comm, sizeof(comm));
    one->started = started;
    one->pid = pid;
}

/* A look that takes too long is given up, also within a process: one may have a million files open. */
static int seen(int dir, __s32 pid, __u64 inode, void *ctx)
{
    const struct sw_holder key = {.inode = inode};
    struct search *s = ctx;
    struct sw_holder *one;

    if (!(s->links++ % CLOCK_EVERY) && sw_clock_now() > s->until_ns)
        return -ETIME;
    one = inode ? bsearch(&key, s->at, s->len, sizeof(*s->at), by_inode) : NULL;
    if (one)
        sw_holder_add(one, dir, pid);
    return 0;
}

int sw_holders_find(int proc, struct sw_holder *at, size_t len, __u64 until_ns)
{
    struct search s = {.at = at, .len = len, .until_ns = until_ns};

    for (size_t i = 0; i < len; i++)
        at[i] = (struct sw_holder){.inode = at[i].inode};
    qsort(at, len, sizeof(*at), by_inode);
    return sw_processes_each(proc, seen, &s);
}
