/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several files about the same connections, read side by side: each connection is decided once all files have its line,
 * or once every other file is by more than the window ahead of its first line. What waits is bounded by that, and by a
 * number.
 */
#ifndef SW_JOIN_JOIN_H
#define SW_JOIN_JOIN_H

#include "join/state.h"

/* decided is called for each connection; what it is given is valid until it returns. 0 or -errno, of all. */
int sw_join_init(struct sw_join *j, const struct sw_join_opts *opts,
                 void (*decided)(const struct sw_join_result *r, void *ctx), void *ctx);
void sw_join_fini(struct sw_join *j);

/* ns that the file's clock was apart from another file's, at most, by connections of both; SW_JOIN_NONE: there are
 * none. */
__u64 sw_join_apart(const struct sw_join *j, unsigned int file);

/* The file whose line is to be read next; -1: all have ended. */
int sw_join_next(const struct sw_join *j);
/* Its next line, before which so many were broken. */
int sw_join_line(struct sw_join *j, unsigned int file, const struct sw_line *line, __u64 broken);
/* It has no more; cut: it was damaged, so it may have had. All have ended: what waits is decided. */
int sw_join_end(struct sw_join *j, unsigned int file, __u64 broken, bool cut);

#endif
