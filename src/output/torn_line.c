/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/torn_line.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MOST 16384
#define STILL_US 20000
#define BEGINNING "{\"schema\":"

/* fd may be for writing only. */
static ssize_t read_end(int fd, off_t size, char *buf, size_t room)
{
    off_t from = size > (off_t)room ? size - (off_t)room : 0;
    char path[32];
    ssize_t got;
    int in;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return -errno;
    got = pread(in, buf, size - from, from);
    close(in);
    return got == size - from ? got : -EIO;
}

void sw_torn_line_repair(int fd)
{
    static char buf[LINE_MOST];
    int flags = fcntl(fd, F_GETFL);
    struct stat st, now;
    ssize_t len, half = 0;
    bool ours;

    if (flags < 0 || !(flags & O_APPEND) || fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
        return;
    len = read_end(fd, st.st_size, buf, sizeof(buf));
    while (half < len && buf[len - half - 1] != '\n')
        half++;
    if (len <= 0 || !half)
        return;
    usleep(STILL_US);
    if (fstat(fd, &now) || now.st_size != st.st_size) /* another process is writing it */
        return;
    ours = (half < len || len == st.st_size) &&
           !strncmp(buf + len - half, BEGINNING, (size_t)half < strlen(BEGINNING) ? (size_t)half : strlen(BEGINNING));
    if (ours ? ftruncate(fd, st.st_size - half) : write(fd, "\n", 1) != 1)
        sw_warn("standard output ends in the middle of a line: %s", strerror(errno));
}
