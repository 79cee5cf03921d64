/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Part of the contract: with --ladder, the last control segments of each connection, and the record that has them. */
#ifndef SYNWARD_LADDER_H
#define SYNWARD_LADDER_H

#include "synward.h"

#define SW_LADDER 16          /* segments kept of a connection; a power of two */
#define SW_LADDER_UNKNOWN ~0u /* sw_ladder.lost */

/* One segment. States are those of the key's a endpoint (low four bits) and its b, once it was processed. */
struct sw_ladder_seg {
    __u64 ns;
    __u32 seq;
    __u32 ack;
    __u32 len;   /* payload bytes */
    __u16 flags; /* SW_TCP_* */
    __u8 src_is_b;
    __u8 states; /* enum sw_state */
};

/* Value of the maps `ladders` (of flows) and `ladders_open` (of half_open), by struct sw_key. A ring: the newest is
 * before seg[next]. */
struct sw_ladder {
    __u64 start_ns; /* of its flow: a key is used again */
    __u32 next;     /* counts on, modulo SW_LADDER */
    __u32 kept;
    __u32 lost; /* control segments that are not here, or SW_LADDER_UNKNOWN */
    __u32 pad;
    struct sw_ladder_seg seg[SW_LADDER];
};

/* With --ladder, a record of kind SW_EV_CONN; event.size says so. */
struct sw_conn_event {
    struct sw_event event;
    struct sw_ladder ladder;
};

SW_ASSERT(!(SW_LADDER & (SW_LADDER - 1)), "the ring's size is a power of two");
SW_ASSERT(SW_ST_MAX <= 16, "two states fit in a byte");
SW_ASSERT(sizeof(struct sw_ladder) == 24 + 24 * SW_LADDER, "sw_ladder has no padding");
SW_ASSERT(sizeof(struct sw_conn_event) == sizeof(struct sw_event) + sizeof(struct sw_ladder),
          "sw_conn_event has no padding");

#endif
