/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Histograms of handshakes and connections, by the role of this host and by server. Pure; the programs fill them, and
 * user space reads them by the same bounds.
 */
#ifndef SYNWARD_HISTOGRAM_H
#define SYNWARD_HISTOGRAM_H

#include "synward.h"

/* What this host is in a connection: the end of it that has sent something here. UNKNOWN: what it sends is not seen. */
#define SW_ROLES(X)                                                                                                    \
    X(SW_ROLE_, UNKNOWN, "unknown")                                                                                    \
    X(SW_ROLE_, CLIENT, "client")                                                                                      \
    X(SW_ROLE_, SERVER, "server")                                                                                      \
    X(SW_ROLE_, FORWARDER, "forwarder")
enum sw_role { SW_ROLES(SW_ENUM_ITEM) SW_ROLE_MAX };

/* The first three when a handshake completes, in ns; the others when the `conn` of such a connection is due: ns, bytes.
 */
#define SW_HISTOGRAMS(X)                                                                                               \
    X(SW_HG_, HANDSHAKE, "handshake")                                                                                  \
    X(SW_HG_, SERVER, "server")                                                                                        \
    X(SW_HG_, CLIENT, "client")                                                                                        \
    X(SW_HG_, DURATION, "duration")                                                                                    \
    X(SW_HG_, ORIG_BYTES, "orig_bytes")                                                                                \
    X(SW_HG_, RESP_BYTES, "resp_bytes")
enum sw_histogram_kind { SW_HISTOGRAMS(SW_ENUM_ITEM) SW_HG_MAX };

/*
 * Buckets: one for each value below 8, then each power of two in eight of one width. So a bucket is at most an eighth
 * of its lower bound wide. The last one holds everything from 2^48 (78 hours in ns, 256 TiB) on, too.
 */
#define SW_HG_SUB_BITS 3
#define SW_HG_SUB (1u << SW_HG_SUB_BITS)
#define SW_HG_BUCKETS ((48 - SW_HG_SUB_BITS + 1) * SW_HG_SUB)

struct sw_histogram {
    __u64 sum;
    __u64 bucket[SW_HG_BUCKETS];
};

/* Of one role, or of one server. */
struct sw_histogram_set {
    __u64 unmeasured;        /* handshakes that completed and whose SYN was not seen, or not stored (via a cookie) */
    __u64 last_ns;           /* of a server: the end of what it was last filled with, */
    __u64 since_ns;          /* and the same of the first, which tells this set from one before */
    __u64 ended[SW_WHY_MAX]; /* connections that have ended, by enum sw_reason */
    struct sw_histogram of[SW_HG_MAX];
};

/* Rows of map `histograms`: by enum sw_role what packets fill, then what the sweep fills. */
#define SW_HG_ROWS (2 * SW_ROLE_MAX)

/* Key of map `server_histograms`. */
struct sw_server_key {
    __u8 ip[16]; /* IPv4 is v4-mapped */
    __be16 port;
    __u8 role; /* enum sw_role */
    __u8 pad;
};

/* Of a role (ip and port are 0), or of a server. */
struct sw_histograms {
    struct sw_server_key key;
    struct sw_histogram_set set;
};

#define SW_HG_SERVERS 256 /* servers with histograms of their own */

/*
 * The bucket of a value; the last one and those beyond it are one. Without a branch, for the verifier: the power of two
 * by halving, then the three bits below it; a value below 8 is in octave 0, and the three bits are the value.
 */
static inline __attribute__((always_inline)) __u32 sw_histogram_bucket(__u64 value)
{
    __u32 exponent, step, over, is_over;
    __u64 high = value;

    exponent = (high > 0xffffffff) << 5;
    high >>= exponent;
    step = (high > 0xffff) << 4;
    high >>= step;
    exponent |= step;
    step = (high > 0xff) << 3;
    high >>= step;
    exponent |= step;
    step = (high > 0xf) << 2;
    high >>= step;
    exponent |= step;
    step = (high > 3) << 1;
    high >>= step;
    exponent |= step | (__u32)(high >> 1);
    over = exponent - SW_HG_SUB_BITS;
    is_over = (over >> 31) - 1; /* all ones, or 0 */
    return ((over + 1) & is_over) * SW_HG_SUB + ((__u32)(value >> (over & is_over)) & (SW_HG_SUB - 1));
}

/* The lowest value of a bucket; of SW_HG_BUCKETS: the end of the last one. */
static inline __u64 sw_histogram_bound(__u32 bucket)
{
    __u32 octave = bucket >> SW_HG_SUB_BITS;

    if (!octave)
        return bucket;
    return (__u64)(SW_HG_SUB + (bucket & (SW_HG_SUB - 1))) << (octave - 1);
}

static inline __u64 sw_histogram_middle(__u32 bucket)
{
    return sw_histogram_bound(bucket) + (sw_histogram_bound(bucket + 1) - sw_histogram_bound(bucket)) / 2;
}

SW_ASSERT(sizeof(struct sw_server_key) == 20, "sw_server_key has no padding");
SW_ASSERT(sizeof(struct sw_histogram_set) < 32768, "a per-CPU value has at most 32 KiB");

#endif
