/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bytes of a file or of standard input, plain or gzip; which one, the first two bytes say. */
#ifndef SW_LINES_INPUT_H
#define SW_LINES_INPUT_H

#include <stddef.h>
#include <sys/types.h>

struct sw_input; /* opaque */

int sw_input_open(const char *path, struct sw_input **ret); /* "-": standard input. 0 or -errno */
int sw_input_take(int fd, struct sw_input **ret);           /* it is closed with the rest. 0 or -ENOMEM */
void sw_input_close(struct sw_input *in);                   /* NULL is fine */
int sw_input_fd(const struct sw_input *in);                 /* to wait for */

/*
 * As read(2), but -errno instead of errno: bytes, as soon as there are some; 0 at the end. -EILSEQ: the gzip data is
 * damaged, or ends in the middle of a member; what could be read of it has been given.
 */
ssize_t sw_input_read(struct sw_input *in, char *buf, size_t size);

#endif
