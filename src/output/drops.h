/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where what the guard dropped of late came from and went to, for `guard` lines: the drop records, each with all that
 * it counts put on its one packet, of this minute and the one before. In bounded memory; the bounds of a count are
 * those of top.h, and say nothing of what the records leave out.
 */
#ifndef SW_OUTPUT_DROPS_H
#define SW_OUTPUT_DROPS_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

enum { SW_DROPS_TOP = 10, SW_DROPS_NET4 = 24, SW_DROPS_NET6 = 64 };
#define SW_DROPS_SPAN (60 * SW_SECOND)

struct sw_drops; /* opaque */

struct sw_drops_row {
    __u8 ip[16]; /* of a source: its prefix */
    __be16 port; /* of a destination */
    __u64 least, most;
};

int sw_drops_new(struct sw_drops **ret); /* 0 or -errno */
void sw_drops_free(struct sw_drops *d);  /* NULL is fine */

/* A drop record; one without a packet is left out. */
void sw_drops_add(struct sw_drops *d, const struct sw_guard_event *drop);

/* All drops, and how many records they are of. now: of the events' clock. */
void sw_drops_total(struct sw_drops *d, __u64 now, __u64 *ret_drops, __u64 *ret_records);
/* The prefixes that sent most to this service (an index), and the destinations of all services, the most certain first.
 */
size_t sw_drops_sources(struct sw_drops *d, __u32 service, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP]);
size_t sw_drops_services(struct sw_drops *d, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP]);

/* The any of sw_put_net for a source's prefix. */
__u8 sw_drops_net(const __u8 ip[16]);

#endif
