/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a file of lines is full, and what old ones are called. Pure. */
#ifndef SW_OUTPUT_ROTATION_H
#define SW_OUTPUT_ROTATION_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct sw_rotation {
    __u64 size;     /* bytes that a file has at most, but for a line that is longer; 0: no limit */
    __u64 interval; /* seconds: at each multiple of it since 1970, in UTC, a new file begins; 0: never */
    __u32 keep;     /* old files; 0: all */
};

/* Is it time for a new file? size: of the present one; began: seconds since 1970, when it did, or was last written. */
bool sw_rotation_due(const struct sw_rotation *r, __u64 size, __u64 began, __u64 now);

/* How many bytes more it may get. */
size_t sw_rotation_room(const struct sw_rotation *r, __u64 size);

enum { SW_ROTATION_SUFFIX = sizeof(".20261128T041500.123Z") };

/* The suffix of one that ends at ms milliseconds since 1970: its order is that of time. */
void sw_rotation_suffix(__u64 ms, char ret[SW_ROTATION_SUFFIX]);

/* Is entry an old file of name, perhaps compressed (another suffix after the time)? */
bool sw_rotation_is_old(const char *name, const char *entry);

#endif
