/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses are 16 bytes everywhere; an IPv4 one is v4-mapped, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
#ifndef SW_BASE_IP_H
#define SW_BASE_IP_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

/* ::ffff:0:0, of any length from 12 */
#define SW_V4_MAPPED                                                                                                   \
    {                                                                                                                  \
        [10] = 0xff, [11] = 0xff                                                                                       \
    }

static const __u8 sw_v4_mapped[12] = SW_V4_MAPPED;

static inline bool sw_ip_is_v4(const __u8 ip[16])
{
    return !memcmp(ip, sw_v4_mapped, sizeof(sw_v4_mapped));
}

/* "10.0.0.1" or "2001:db8::1"; false: neither. */
static inline bool sw_ip_parse(const char *text, __u8 ret[16])
{
    memcpy(ret, sw_v4_mapped, sizeof(sw_v4_mapped));
    return inet_pton(AF_INET, text, ret + 12) == 1 || inet_pton(AF_INET6, text, ret) == 1;
}

#endif
