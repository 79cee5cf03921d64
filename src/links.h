/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of the interfaces, by rtnetlink. */
#ifndef SW_LINKS_H
#define SW_LINKS_H

#include <linux/types.h>
#include <stdbool.h>

/* fd or -errno; non-blocking. */
int sw_links_open(void);

/* Reads all that is there. fn gets the ifindex, gone or not, and the present name and state (NULL, false if gone).
 * -ENOBUFS: changes were missed, look at every interface again. */
typedef void (*sw_links_fn)(__u32 ifindex, bool gone, const char *name, bool up, void *ctx);
int sw_links_read(int fd, sw_links_fn fn, void *ctx);

#endif
