/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* This network namespace's TCP sockets, by sock_diag. */
#ifndef SW_GUARD_SOCK_DIAG_H
#define SW_GUARD_SOCK_DIAG_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_listener {
    __u8 ip[16]; /* v4-mapped; all zero if any */
    __u16 port;  /* host order */
    __u8 any;    /* SW_ANY_*: a wildcard of these families */
    bool mptcp;
    bool bound;    /* to a device; of a group: one of them */
    __u32 rcvbuf;  /* SO_RCVBUF as the kernel counts it, 0: unknown */
    __u32 backlog; /* how many half-open handshakes it holds; of a group: the least */
    __u32 uid;     /* its owner; of a group: the lowest */
};

/*
 * Listening sockets that one of these devices can reach: none on a loopback address or bound to another device.
 * Sorted by port, addresses first; a SO_REUSEPORT group is one. At most one wildcard of IPv4 alone and one of IPv6
 * with or without IPv4 a port. *ret is freed by the caller. 0 or -errno.
 */
int sw_listeners_read(const __u32 *devices, size_t devices_len, struct sw_listener **ret, size_t *ret_len);

/* Calls fn for every TCP socket with a remote end: all states but LISTEN and CLOSE, TIME_WAIT and half-open
 * handshakes included. Addresses are four words as on the wire, v4-mapped. 0 or -errno. */
typedef void (*sw_socket_fn)(const __u32 remote[4], const __u32 local[4], __be16 rport, __be16 lport, void *ctx);
int sw_sockets_each(sw_socket_fn fn, void *ctx);

/* The same for half-open handshakes of listeners (SYN_RECV) only. */
int sw_half_open_each(sw_socket_fn fn, void *ctx);

/* 127.0.0.0/8, ::1. */
bool sw_ip_is_loopback(const __u8 ip[16]);

#endif
