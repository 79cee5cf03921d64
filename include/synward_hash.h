/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes of four-tuples and addresses. Some are computed on both sides: user space fills what the programs look into.
 */
#ifndef SYNWARD_HASH_H
#define SYNWARD_HASH_H

#include "synward.h"

/* First slot of an address (four words as on the wire, v4-mapped) in `local_ips`; SW_LOCAL_PROBES follow, wrapping.
 * An all-zero slot is free, but others may follow it. No key: only this host's addresses are in it. */
static inline __attribute__((always_inline)) __u32 sw_local_hash(const __u32 ip[4])
{
    __u64 a = (ip[0] | (__u64)ip[1] << 32) * 0x9e3779b97f4a7c15ull;
    __u64 b = (ip[2] | (__u64)ip[3] << 32) * 0xc2b2ae3d27d4eb4full;

    return (a ^ b) >> 54; /* SW_LOCAL_IPS is 2^10; the last byte of an address is the highest here */
}

/*
 * A four-tuple as a number; addresses are four words as on the wire. Pair-multiply-shift (Thorup, "High Speed Hashing
 * for Integers and Strings", section 3.5): of tuples chosen without the key, any two have the same number with a chance
 * of at most 2^-33, and their upper halves are as independent as two random ones.
 */
static inline __attribute__((always_inline)) __u64 sw_tuple_hash(const struct sw_hash_key *key, const __u32 a[4],
                                                                 const __u32 b[4], __u32 ports)
{
    const __u64 *k = key->word;

    return (k[0] + a[1]) * (k[1] + a[0]) + (k[2] + a[3]) * (k[3] + a[2]) + (k[4] + b[1]) * (k[5] + b[0]) +
           (k[6] + b[3]) * (k[7] + b[2]) + k[8] * ports + k[9];
}

/*
 * The slot of a table: the upper half, of which any bits will do. The sum alone moves in equal steps for equal
 * differences, so one collision that somebody has seen, by the time that an answer takes, would give them others: the
 * square of the lower half hides that, and the upper one stays independent of it.
 */
static inline __attribute__((always_inline)) __u32 sw_hash_slot(__u64 hash)
{
    __u64 low = (__u32)hash;

    return (__u32)(hash >> 32) ^ (__u32)(low * low >> 32);
}

/* Bit of a four-tuple in a generation of `known_tuples`: remote end first. Word: bit / 64. */
static inline __attribute__((always_inline)) __u32 sw_known_bit(const struct sw_hash_key *key, const __u32 remote[4],
                                                                const __u32 local[4], __be16 rport, __be16 lport)
{
    return sw_hash_slot(sw_tuple_hash(key, remote, local, rport | (__u32)lport << 16)) & (SW_KNOWN_BITS - 1);
}

#endif
