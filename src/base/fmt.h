/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers, addresses, dates and escapes into a buffer. The put_ functions append without a terminating zero and return
 * the new end; the format_ functions terminate.
 */
#ifndef SW_BASE_FMT_H
#define SW_BASE_FMT_H

#include "base/ip.h"

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#define SW_IP_LEN 39
#define SW_SERVICE_TEXT 52 /* room that sw_format_service needs */

extern const char sw_digits[201]; /* "00" … "99" */

char *sw_put_u64_long(char *p, __u64 v);
char *sw_put_second(char *p, __s64 sec); /* of 1970, "2026-11-21T04:41:00." (RFC 3339, UTC): 20 bytes */
char *sw_put_ip(char *p, const __u8 ip[16]);
char *sw_put_endpoint(char *p, const __u8 ip[16], __be16 port); /* "10.0.0.1:80", "[2001:db8::1]:80" */
/* A prefix, any being SW_NET + n: "10.0.0.0/8", "2001:db8::/32", in brackets "[2001:db8::]/32" */
char *sw_put_net(char *p, const __u8 ip[16], __u8 any, bool brackets);
/* "10.0.0.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "[::]:80", "*:80", "10.0.0.0/8:80", "[2001:db8::]/32:80" */
char *sw_put_service(char *p, const __u8 ip[16], __be16 port, __u8 any);

/* Any bytes to the inside of a JSON string: at most 6 bytes for one. Invalid UTF-8 becomes U+FFFD, control
 * characters (C0, DEL, C1) become escapes, so the text is harmless on a terminal too. Returns the end. */
char *sw_json_escape(char *p, const char *in);

/* Length of the well-formed UTF-8 sequence of several bytes at in, or 0 with *ret_skip bytes of an ill-formed one. */
int sw_utf8_len(const __u8 *in, int *ret_skip);

void sw_format_ip(const __u8 ip[16], char *buf); /* SW_IP_LEN + 1 bytes */
void sw_format_service(const __u8 ip[16], __be16 port, __u8 any, char *buf);

static inline char *sw_put_u8(char *p, unsigned int v)
{
    if (v >= 100) {
        *p++ = '0' + v / 100;
        v %= 100;
        memcpy(p, sw_digits + 2 * v, 2);
        return p + 2;
    }
    if (v >= 10) {
        memcpy(p, sw_digits + 2 * v, 2);
        return p + 2;
    }
    *p++ = '0' + v;
    return p;
}

static inline char *sw_put_u64(char *p, __u64 v)
{
    return v < 256 ? sw_put_u8(p, v) : sw_put_u64_long(p, v);
}

/* times and durations that events imply; false: not seen */
static inline bool sw_span(__u64 from, __u64 to, __u64 *ret_ns)
{
    *ret_ns = to - from;
    return from && to >= from;
}

#endif
