/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One question to the kernel, and its answer of many parts. */
#ifndef SW_BASE_NETLINK_H
#define SW_BASE_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>

/* Gets each part of the answer; other than 0 ends the dump with that result. */
typedef int (*sw_nl_fn)(const struct nlmsghdr *nh, void *ctx);

/*
 * Sends req (a whole message with NLM_F_DUMP; without it fn has to end it) on a socket of its own and hands over all
 * parts. 0, what fn returned, or -errno: -EINTR if the table changed meanwhile, so that the answer may lack something;
 * -ETIMEDOUT.
 */
int sw_nl_dump(int protocol, const void *req, size_t len, sw_nl_fn fn, void *ctx);

#endif
