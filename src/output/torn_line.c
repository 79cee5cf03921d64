/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/torn_line.h"

#include "base/log.h"
#include "output/zeek_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MOST 20480
#define STILL_US 20000

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

/* How many bytes of the end go: half a line that begins as ours do. */
static size_t ours(const char *buf, size_t len, size_t half, enum sw_format format)
{
    static const char *const beginnings[] = {
        [SW_FORMAT_JSON] = "{\"schema\":", [SW_FORMAT_TEXT] = "", [SW_FORMAT_ECS] = "{\"@timestamp\":"};
    size_t n;

    if (format == SW_FORMAT_ZEEK)
        return sw_zeek_torn(buf, len);
    n = strlen(beginnings[format]);
    return n && !strncmp(buf + len - half, beginnings[format], half < n ? half : n) ? half : 0;
}

void sw_torn_line_repair(int fd, enum sw_format format)
{
    static char buf[LINE_MOST];
    int flags = fcntl(fd, F_GETFL);
    struct stat st, now;
    ssize_t len, half = 0;
    size_t torn = 0;

    if (flags < 0 || !(flags & O_APPEND) || fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
        return;
    len = read_end(fd, st.st_size, buf, sizeof(buf));
    while (half < len && buf[len - half - 1] != '\n')
        half++;
    if (len > 0 && (half < len || len == st.st_size))
        torn = ours(buf, len, half, format);
    if (len <= 0 || (!half && !torn))
        return;
    usleep(STILL_US);
    if (fstat(fd, &now) || now.st_size != st.st_size) /* another process is writing it */
        return;
    if (torn ? ftruncate(fd, st.st_size - (off_t)torn) : write(fd, "\n", 1) != 1)
        sw_warn("standard output ends in the middle of a line: %s", strerror(errno));
}
