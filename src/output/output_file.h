/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --output: a file in the place of standard output. It is appended to, opened again on request, and rotated. All of it
 * is relative to its directory, which is held open: that is what the sandbox allows.
 */
#ifndef SW_OUTPUT_OUTPUT_FILE_H
#define SW_OUTPUT_OUTPUT_FILE_H

#include "output/report.h"
#include "output/rotation.h"

struct sw_output_file {
    const char *path;
    int dir;        /* O_PATH */
    char name[256]; /* in it */
    struct sw_rotation rotation;
    __u64 named; /* milliseconds since 1970: the time in the name of the last old file */
    __u64 began; /* seconds since 1970 */
    __u64 retry; /* CLOCK_MONOTONIC; after a failure */
    bool reopen; /* a new one has to be opened, which failed */
    bool warned, keep_warned;
};

/*
 * The file becomes standard output. "none": nothing is written. Anything but a regular file is neither reopened nor
 * rotated: *ret is NULL then. 0 or -errno.
 */
int sw_output_open(const char *path, const struct sw_rotation *rotation, struct sw_output_file **ret);
void sw_output_free(struct sw_output_file *f); /* NULL is fine */

/*
 * Without --output: a regular file is appended to from here on, if we are at its end. Emptied by another process it
 * would have a hole before the next line.
 */
void sw_output_append(int fd);

/*
 * Before writing: rotates if it is time, or if it is `full`. How many bytes of whole lines may be written; a line that
 * is longer than the limit has a file of its own. With a failure the old file is written to; it is logged once and
 * tried again each second. now: CLOCK_MONOTONIC.
 */
size_t sw_output_room(struct sw_output_file *f, struct sw_report *report, bool full, __u64 now);

/* Opens the path again: another process has moved the file. 0 or -errno, logged: then the old one is written to. */
int sw_output_reopen(struct sw_output_file *f, struct sw_report *report, __u64 now);

#endif
