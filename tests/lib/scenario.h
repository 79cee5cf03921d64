/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random conversations: what two TCPs could say to each other (RFC 9293), and then what a network, a
 * spoofer or a broken stack makes of it. A scenario follows from its seed alone.
 */
#ifndef SW_TEST_SCENARIO_H
#define SW_TEST_SCENARIO_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

enum { SCENARIO_MAX = 64 };

struct scenario_seg {
    __u64 gap_ns; /* after the segment before */
    __u32 seq, ack, len;
    __u32 gso; /* segments in one, by the egress hook alone; 0: one */
    __u16 flags, win;
    __u8 from; /* 0 or 1 */
    __u8 opts; /* 0 none, 1 usual, 2 usual with a window scale of 15, 3 malformed */
    bool bad_checksum, fragment, cut, sweep;
};

struct scenario {
    __u64 rng;
    __u32 isn[2], nxt[2], limit;
    __u16 win[2];
    size_t n;
    struct scenario_seg seg[SCENARIO_MAX];
};

__u32 scenario_rand(__u64 *rng, __u32 below);
/* At most `most` segments. */
void scenario_make(struct scenario *st, __u64 seed, __u32 most);

/* A number from the environment. */
__u64 from_env(const char *name, __u64 otherwise);

/* How many random rounds to play: `usual`, times SW_SEQUENCES of 2000. */
__u64 scenario_rounds(__u64 usual);

#endif
