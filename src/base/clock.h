/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event times are CLOCK_MONOTONIC; lines show wall time. */
#ifndef SW_BASE_CLOCK_H
#define SW_BASE_CLOCK_H

#include "synward.h"

#include <linux/types.h>
#include <stdbool.h>

__u64 sw_clock_now(void);    /* CLOCK_MONOTONIC, ns */
__s64 sw_clock_offset(void); /* wall time - CLOCK_MONOTONIC, ns; the best of a few samples */

/* Measures again; true, and *offset is new, if it moved by over a millisecond (a stepped or slewed clock). */
bool sw_clock_moved(__s64 *offset);

/* Does the kernel say that the wall clock is synchronised (adjtimex)? 1, 0, or -errno: it says nothing. */
int sw_clock_is_synchronized(void);

/* fd that becomes readable when the wall clock is set (also by a step of an NTP daemon), or -errno. */
int sw_clock_watch(void);
void sw_clock_rewatch(int fd); /* after it became readable */

#endif
