/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes of interfaces, by rtnetlink. */
#ifndef SW_BASE_LINKS_H
#define SW_BASE_LINKS_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>

/* fd or -errno; non-blocking. Also readable after changes of tc, which sw_links_read skips. */
int sw_links_open(void);

/* An interface as it is now. */
struct sw_link {
    __u32 ifindex;
    bool gone, moved; /* moved: gone to another network namespace */
    bool up;
    const char *name; /* NULL: unknown, or gone */
};

/* Reads all pending changes. -ENOBUFS: changes were missed, check every interface again. */
typedef void (*sw_links_fn)(const struct sw_link *link, void *ctx);
int sw_links_read(int fd, sw_links_fn fn, void *ctx);

/* Ids of the XDP programs on the interface, 0: none. 0 or -errno. bpf_xdp_query would read all interfaces for it, can
 * miss one while others come and go, and since libbpf 1.2 opens sockets that the sandbox forbids. */
int sw_link_xdp(__u32 ifindex, __u32 *ret_native, __u32 *ret_generic);

/* The name of the interface that has this name or alternative name, of up to 127 letters (Linux 5.5). 0 or -errno. */
int sw_link_name(const char *name, char ret[IF_NAMESIZE]);

#endif
