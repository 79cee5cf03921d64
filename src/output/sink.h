/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where lines go: written without ever waiting for the reader, and found again after writing has failed. */
#ifndef SW_OUTPUT_SINK_H
#define SW_OUTPUT_SINK_H

#include "output/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sw_sink_kind {
    SW_SINK_FILE,     /* write() waits for the disk at most */
    SW_SINK_NONBLOCK, /* a descriptor of our own, so that the flag is not seen by others who share stdout */
    SW_SINK_SOCKET,
    SW_SINK_CAREFUL, /* poll, then no more than PIPE_BUF bytes */
};

struct sw_sink {
    enum sw_sink_kind kind;
    enum sw_format format; /* of what is written */
    int fd;
    int own_fd;  /* to close, or -1 */
    bool failed; /* the last write did */
    off_t size;  /* of the file then, or how much of the pipe was unread */
};

void sw_sink_open(struct sw_sink *s, int fd, enum sw_format format);
void sw_sink_close(struct sw_sink *s); /* zeroed with own_fd -1 is fine */

/* How many of them were written, or -errno; -EAGAIN: the reader is slow, -EPIPE: it is gone (the caller ignores
 * SIGPIPE). */
ssize_t sw_sink_write(struct sw_sink *s, const char *from, size_t n);

/* After writing has failed: does what is written next still follow what was written last? Not if the file was cut or
 * grew since, or if the reader of a pipe had read all and another one may come. The end of such a file is repaired. */
bool sw_sink_follows(struct sw_sink *s);

#endif
