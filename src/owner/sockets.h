/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets of this network namespace by their four-tuples and cookies, from sock_diag: many at once, on one socket. */
#ifndef SW_OWNER_SOCKETS_H
#define SW_OWNER_SOCKETS_H

#include <linux/types.h>
#include <stddef.h>

struct sw_socket_ask {
    __u8 local[16], remote[16]; /* v4-mapped */
    __be16 lport, rport;
    __u32 ifindex; /* a socket may be bound to it */
    __u64 cookie;  /* it has to have this one; 0: any, and it is filled in */
    __u64 inode;   /* the answer; 0: nobody has accepted it yet, or `gone` */
    int gone;      /* there is no such socket */
    int pad;
};

int sw_sockets_open(void); /* to be closed; or -errno */

/* Asks for all. 0, or -errno: then nothing is known of those that have neither an inode nor are gone. */
int sw_sockets_find(int fd, struct sw_socket_ask *at, size_t len);

/* Every TCP socket that is connected. 0 or -errno. */
typedef void (*sw_socket_cookie_fn)(__u64 cookie, __u64 inode, void *ctx);
int sw_sockets_each_cookie(sw_socket_cookie_fn fn, void *ctx);

#endif
