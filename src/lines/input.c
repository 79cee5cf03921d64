/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gzread(3) would do, but it fills its whole buffer before it returns: a live pipe would be shown late. */
#include "lines/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { ROOM = 65536, GZIP_ONLY = 16 + MAX_WBITS };

enum kind { UNKNOWN, PLAIN, GZIP };

struct sw_input {
    int fd;
    enum kind kind;
    bool in_member, at_end;
    size_t from, len; /* bytes of raw that are not used yet */
    z_stream z;
    unsigned char raw[ROOM];
};

int sw_input_take(int fd, struct sw_input **ret)
{
    struct sw_input *in = calloc(1, sizeof(*in));

    if (!in)
        return -ENOMEM;
    in->fd = fd;
    *ret = in;
    return 0;
}

int sw_input_open(const char *path, struct sw_input **ret)
{
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO, err;

    if (fd < 0)
        return -errno;
    err = sw_input_take(fd, ret);
    if (err && fd != STDIN_FILENO)
        close(fd);
    return err;
}

void sw_input_close(struct sw_input *in)
{
    if (!in)
        return;
    if (in->kind == GZIP)
        inflateEnd(&in->z);
    if (in->fd != STDIN_FILENO)
        close(in->fd);
    free(in);
}

int sw_input_fd(const struct sw_input *in)
{
    return in->fd;
}

/* More raw bytes behind those that are there. 0 or -errno; at the end at_end is set. */
static int fill(struct sw_input *in)
{
    ssize_t n;

    memmove(in->raw, in->raw + in->from, in->len);
    in->from = 0;
    do
        n = read(in->fd, in->raw + in->len, sizeof(in->raw) - in->len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    in->at_end = !n;
    in->len += n;
    return 0;
}

static int recognise(struct sw_input *in)
{
    while (in->len < 2 && !in->at_end) {
        int err = fill(in);
        if (err)
            return err;
    }
    if (in->len < 2 || in->raw[0] != 0x1f || in->raw[1] != 0x8b) {
        in->kind = PLAIN;
        return 0;
    }
    if (inflateInit2(&in->z, GZIP_ONLY) != Z_OK)
        return -ENOMEM;
    in->kind = GZIP;
    return 0;
}

/* Members follow one another, as `cat a.gz b.gz` and a rotating log make them. */
static ssize_t read_gzip(struct sw_input *in, char *buf, size_t size)
{
    for (;;) {
        if (!in->len && !in->at_end) {
            int err = fill(in);
            if (err)
                return err;
        }
        if (!in->len && !in->in_member)
            return 0;
        in->in_member = true;
        in->z.next_in = in->raw + in->from;
        in->z.avail_in = in->len;
        in->z.next_out = (unsigned char *)buf;
        in->z.avail_out = size;
        int got = inflate(&in->z, Z_NO_FLUSH);
        in->from += in->len - in->z.avail_in;
        in->len = in->z.avail_in;
        if (got == Z_STREAM_END) {
            in->in_member = false;
            inflateReset(&in->z);
        }
        if (in->z.avail_out < size)
            return (ssize_t)(size - in->z.avail_out);
        if (got == Z_MEM_ERROR)
            return -ENOMEM;
        if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
            return -EILSEQ;
        if (in->at_end && !in->len && in->in_member)
            return -EILSEQ;
    }
}

ssize_t sw_input_read(struct sw_input *in, char *buf, size_t size)
{
    ssize_t n;

    if (in->kind == UNKNOWN) {
        int err = recognise(in);
        if (err)
            return err;
    }
    if (in->kind == GZIP)
        return read_gzip(in, buf, size);
    if (!in->len) {
        do
            n = read(in->fd, buf, size);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
    }
    n = (ssize_t)(in->len < size ? in->len : size);
    memcpy(buf, in->raw + in->from, n);
    in->from += n;
    in->len -= n;
    return n;
}
