/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What identifies a connection in a line: `uid` and Community ID. The put_ functions
 * append without a terminating zero and return the new end.
 */
#ifndef SW_OUTPUT_CONN_ID_H
#define SW_OUTPUT_CONN_ID_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

#define SW_UID_LEN 18 /* "C" and 17 digits of base 62, about 101 bits */
#define SW_CID_LEN 30 /* "1:" and 28 of base 64 */

char *sw_put_uid(char *p, const struct sw_key *key, __u64 start_ns);
char *sw_put_community_id(char *p, const struct sw_key *key, __u16 seed);

/*
 * Is it one of a sample of one connection in so many? Its uid says it: the last eight digits, a number of base 62, are
 * divisible by that. So all lines of a connection are, all readers of a host choose the same ones, and who chooses one
 * of 100 has some of those of who chooses one of 10.
 */
bool sw_uid_is_sampled(const struct sw_key *key, __u64 start_ns, __u32 one_of);

/* The same, terminated: SW_UID_LEN + 1 and SW_CID_LEN + 1 bytes. */
void sw_format_uid(const struct sw_key *key, __u64 start_ns, char *buf);
void sw_format_community_id(const struct sw_key *key, __u16 seed, char *buf);

/* SipHash-2-4 with 128 bits of result, words little-endian as in the reference implementation. */
void sw_siphash128(const __u64 key[2], const void *data, size_t len, __u64 ret_hash[2]);

#endif
