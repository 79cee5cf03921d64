/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SHA-1 (FIPS 180-4) of one short message, by the CPU's instructions where it has them. For names, not for secrets. */
#ifndef SW_BASE_SHA1_H
#define SW_BASE_SHA1_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SW_SHA1_LEN 20
#define SW_SHA1_MOST 55 /* bytes of a message that fits one block */

/* len is at most SW_SHA1_MOST. */
void sw_sha1(const __u8 *message, size_t len, __u8 ret_digest[SW_SHA1_LEN]);

bool sw_sha1_by_cpu(void);

#endif
