/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dropped frames as pcapng (draft-ietf-opsawg-pcapng): one section, one interface block an ifindex (nanosecond
 * resolution, name), one enhanced packet block a frame with the reason as its comment. Never grows over max_bytes.
 */
#ifndef SW_PCAPNG_H
#define SW_PCAPNG_H

#include "synward.h"

#include <stddef.h>

struct sw_pcapng; /* opaque */

/* Creates the file (mode 0600; an existing file is replaced). 0 or -errno. */
int sw_pcapng_open(const char *path, __u64 max_bytes, __s64 clock_offset_ns, struct sw_pcapng **ret);
int sw_pcapng_set_iface(struct sw_pcapng *p, __u32 ifindex, const char *name);
/* Adds a frame. 1: the file is full (said once, then 1 each time), 0, or -errno. comment NULL: the drop's reason,
 * "synward: dropped (blocked)" or "synward: would drop (blocked)". */
int sw_pcapng_add(struct sw_pcapng *p, const struct sw_capture *c);
int sw_pcapng_close(struct sw_pcapng *p); /* flushes; 0 or -errno; NULL is fine */

#endif
