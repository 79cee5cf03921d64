/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes over the socket of an instance, before the lines. All of it is text, in lines "KEY VALUE", and an empty
 * line ends each part: names instead of numbers, so that versions that know different ones understand each other or say
 * what they do not know.
 *
 *     instance  synward-events 1       reader  synward-events 1    instance  ok
 *               version 0.1.0                  format json                   (lines, until the end)
 *               pid 1234                       events conn,loss
 *               netns 4026531840               port 443
 *               iface eth0                     (empty line)       or  error WHY
 *               pin eth0
 *               events conn,loss,stats
 *               (empty line)
 *
 * The first line names the protocol and its number, which grows when an older side would misunderstand a newer one.
 */
#ifndef SW_READERS_REQUEST_H
#define SW_READERS_REQUEST_H

#include "loader/instance.h"
#include "output/filter.h"
#include "output/line.h"

#define SW_REQUEST_MAX (64u << 10) /* bytes */
#define SW_HELLO_MAX 4096          /* 64 interfaces with their longest names, and the rest */
#define SW_REQUEST_WHY 200

/* What a reader wants. */
struct sw_request {
    enum sw_format format; /* zeek: rows without a header; "#lost N" and, at a regular end, "#close" for the reader */
    bool color, wide, utc; /* of text */
    __u32 event_mask;
    __u32 sample; /* connections: one of so many; 0, 1: all */
    struct sw_filter filter;
};

/* Is the text, which need not be terminated, whole: is there an empty line? Its length up to behind that, or 0. */
size_t sw_request_whole(const char *text, size_t len);

/* A whole one; it is changed. 0, or -EINVAL and a line in why. Any bytes may come. */
int sw_request_parse(char *text, size_t len, struct sw_request *ret, char why[SW_REQUEST_WHY]);
/* The text for it, in a buffer of the caller's; its length, or -E2BIG. */
int sw_request_print(const struct sw_request *request, char *buf, size_t size);

/* What the instance says first. */
struct sw_hello {
    int pid;
    __u64 netns;
    __u32 event_mask; /* of the lines that it can make */
    size_t ifaces_len;
    char ifaces[SW_IFACES_MAX][IF_NAMESIZE];
    char version[32];
    char pin[SW_PIN_NAME]; /* of its pinned state; else empty */
};

int sw_hello_parse(char *text, size_t len, struct sw_hello *ret); /* 0, or -EPROTO */
int sw_hello_print(const struct sw_hello *hello, char buf[SW_HELLO_MAX]);

#endif
