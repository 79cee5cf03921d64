/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One request to the kernel, and its answer: messages by libmnl, on a socket that the sandbox allows. */
#ifndef SW_BASE_NETLINK_H
#define SW_BASE_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/types.h>
#include <stddef.h>

enum { SW_NL_REQUEST_BYTES = 256 };

struct sw_nl_request {
    union {
        struct nlmsghdr nh;
        char room[SW_NL_REQUEST_BYTES];
    };
};

/* Begins a request; flags besides NLM_F_REQUEST. Returns the family's header of `size` bytes, zeroed. */
void *sw_nl_begin(struct sw_nl_request *req, __u16 type, __u16 flags, size_t size);

/*
 * Sends the request on a socket of its own and hands each message of the answer to fn, which returns MNL_CB_OK,
 * MNL_CB_STOP, or MNL_CB_ERROR with errno set. The end of a dump, an acknowledgement or MNL_CB_STOP end it: 0. -errno:
 * the kernel's, fn's; -EINTR if the table changed meanwhile, so that the answer may lack something; -ETIMEDOUT.
 */
int sw_nl_ask(int protocol, const struct sw_nl_request *req, mnl_cb_t fn, void *ctx);

/* The same, and the kernel dumps only what the request's header selects, as one table of routes. */
int sw_nl_ask_some(int protocol, const struct sw_nl_request *req, mnl_cb_t fn, void *ctx);

/* The family's header of `size` bytes if the message is of this type and long enough, or NULL. */
const void *sw_nl_header(const struct nlmsghdr *nh, __u16 type, size_t size);

/* Fills at[1..max] with the message's attributes after a family's header of `size` bytes; NULL: not there. */
void sw_nl_attrs(const struct nlmsghdr *nh, size_t size, const struct nlattr **at, __u16 max);

/* The same with those inside `nest`, which may be NULL. */
void sw_nl_nested(const struct nlattr *nest, const struct nlattr **at, __u16 max);

/* The attribute's number; 0 if it is NULL or too short. */
__u32 sw_nl_u32(const struct nlattr *a);

#endif
