/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dropped frames as pcapng (draft-ietf-opsawg-pcapng): one section, one interface block an ifindex (nanosecond
 * resolution, name), one enhanced packet block a frame with the reason as its comment. Never grows over max_bytes.
 */
#ifndef SW_OUTPUT_PCAPNG_H
#define SW_OUTPUT_PCAPNG_H

#include "synward.h"

#include <stddef.h>

struct sw_pcapng; /* opaque */

/*
 * Creates the file (mode 0600). A regular file of that name is replaced; -ELOOP: the name is a symbolic link, -EINVAL:
 * it is something else, or max_bytes has no room for one frame. A reader may read while it grows: only whole blocks are
 * ever in it.
 */
int sw_pcapng_open(const char *path, __u64 max_bytes, __s64 clock_offset_ns, struct sw_pcapng **ret);
int sw_pcapng_set_iface(struct sw_pcapng *p, __u32 ifindex, const char *name); /* again: its name from now on */
void sw_pcapng_set_clock(struct sw_pcapng *p, __s64 clock_offset_ns);
/*
 * Adds a frame, its comment "synward: dropped (blocked)" or "synward: would drop (blocked)". 0; 1: the file is full,
 * from now on; -EINVAL: a record that contradicts itself; other -errno: not written, and the file is still whole.
 */
int sw_pcapng_add(struct sw_pcapng *p, const struct sw_capture *c);
int sw_pcapng_close(struct sw_pcapng *p); /* 0 or -errno; NULL is fine */

#endif
