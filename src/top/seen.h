/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bytes of each connection at the look before, for rates: a hash table that is made anew by each look. */
#ifndef SW_TOP_SEEN_H
#define SW_TOP_SEEN_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_top_seen_slot {
    __u64 hash, start_ns; /* start_ns 0: free */
    __u64 bytes;
};

struct sw_top_seen {
    struct sw_top_seen_slot *slot;
    size_t size, len; /* size is a power of two, or 0 */
};

/* hash: sw_tuple_hash of the key, by a random key, so that nobody can choose connections of one place. */
int sw_top_seen_add(struct sw_top_seen *s, __u64 hash, __u64 start_ns, __u64 bytes); /* 0 or -ENOMEM */
bool sw_top_seen_find(const struct sw_top_seen *s, __u64 hash, __u64 start_ns, __u64 *ret_bytes);
void sw_top_seen_clear(struct sw_top_seen *s); /* its memory is kept */
void sw_top_seen_free(struct sw_top_seen *s);

#endif
