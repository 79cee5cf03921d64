/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An address of the contract from its text. */
#ifndef SW_TEST_TO_IP_H
#define SW_TEST_TO_IP_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <string.h>

static inline void to_ip(const char *text, __u8 ip[16])
{
    memset(ip, 0, 16);
    if (strchr(text, ':')) {
        assert_int_equal(inet_pton(AF_INET6, text, ip), 1);
    } else {
        ip[10] = ip[11] = 0xff;
        assert_int_equal(inet_pton(AF_INET, text, ip + 12), 1);
    }
}

#endif
