/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which key of the key file makes cookies now, and which one will: as shown, by their fingerprints. */
#ifndef SW_BASE_KEY_STATE_H
#define SW_BASE_KEY_STATE_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

#define SW_KEY_TIME 30   /* "2026-11-28T20:00:13.123456789Z" */
#define SW_KEY_SECOND 21 /* "2026-11-28T20:00:14Z" and a terminating zero */

struct sw_key_state {
    bool given;     /* there is a key file */
    bool next;      /* there is a next one */
    __u32 now;      /* fingerprints */
    __u32 next_key; /* of that */
    __u64 from;     /* ns since 1970; 0: ever */
    __u64 next_from;
};

/* Of notes in the order of their epochs, as of real_ns since 1970. The first one counts before its time. */
struct sw_key_state sw_key_state_at(const struct sw_key_note *notes, size_t len, __u64 real_ns);
/* Of map `guard`. now_ns is CLOCK_MONOTONIC. alive: its daemon runs, and will install the third key in time. */
struct sw_key_state sw_key_state_of(const struct sw_guard *guard, __u64 now_ns, bool alive);

/* When an epoch begins, in ns since 1970. */
static inline __u64 sw_epoch_begins(__u32 epoch)
{
    return (__u64)epoch << SW_EPOCH_SHIFT;
}

char *sw_put_key_time(char *p, __u64 real_ns);                     /* such a time, without a terminating zero */
void sw_format_key_second(char ret[SW_KEY_SECOND], __u64 real_ns); /* rounded up: it counts by then */

#endif
