/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes that both sides compute: user space fills the tables that the programs look into. */
#ifndef SYNWARD_HASH_H
#define SYNWARD_HASH_H

#include "synward.h"

/* First slot of an address (four words as on the wire, v4-mapped) in `local_ips`; SW_LOCAL_PROBES follow, wrapping.
 * An all-zero slot is free, but others may follow it. */
static inline __attribute__((always_inline)) __u32 sw_local_hash(const __u32 ip[4])
{
    __u64 a = (ip[0] | (__u64)ip[1] << 32) * 0x9e3779b97f4a7c15ull;
    __u64 b = (ip[2] | (__u64)ip[3] << 32) * 0xc2b2ae3d27d4eb4full;

    return (a ^ b) >> 54; /* SW_LOCAL_IPS is 2^10; the last byte of an address is the highest here */
}

/* Bit of a four-tuple in a generation of `known`: remote end first. Word: bit / 64. */
static inline __attribute__((always_inline)) __u32 sw_known_bit(const __u32 remote[4], const __u32 local[4],
                                                                __be16 rport, __be16 lport)
{
    __u64 a = ((remote[0] ^ remote[2]) | (__u64)(remote[1] ^ remote[3]) << 32) * 0x9e3779b97f4a7c15ull;
    __u64 b = ((local[0] ^ local[2]) | (__u64)(local[1] ^ local[3]) << 32) * 0xc2b2ae3d27d4eb4full;
    __u64 c = (rport | (__u64)lport << 16) * 0xff51afd7ed558ccdull;
    __u64 h = a ^ b >> 7 ^ c;

    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9ull;
    return (__u32)(h >> 40) & (SW_KNOWN_BITS - 1);
}

#endif
