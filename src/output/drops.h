/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where what the guard dropped of late came from and went to, for `guard` lines: the one packet of each drop record, a
 * sample, of this minute and the one before. In bounded memory; the bounds of a count of samples are those of top.h. Of
 * what the records only count nobody knows: who times his packets chooses which of them are samples.
 */
#ifndef SW_OUTPUT_DROPS_H
#define SW_OUTPUT_DROPS_H

#include "synward.h"
#include "synward_guard.h"

#include <stdbool.h>
#include <stddef.h>

enum { SW_DROPS_TOP = 10, SW_DROPS_NET4 = 24, SW_DROPS_NET6 = 64 };
#define SW_DROPS_SPAN (60 * SW_SECOND)

struct sw_drops; /* opaque */

struct sw_drops_row {
    __u8 ip[16];       /* of a source: its prefix */
    __be16 port;       /* of a destination */
    __u64 least, most; /* samples */
};

struct sw_drops_sum {
    __u64 drops, samples;
};

int sw_drops_new(struct sw_drops **ret); /* 0 or -errno */
void sw_drops_free(struct sw_drops *d);  /* NULL is fine */

/* A drop record; one without a packet is left out. */
void sw_drops_add(struct sw_drops *d, const struct sw_guard_event *drop);

/* Of a service (an index), or 0: of all, and of none. now: of the events' clock. */
void sw_drops_total(struct sw_drops *d, __u32 service, __u64 now, struct sw_drops_sum *ret);
/* The prefixes of most samples of this service, and the destinations of all services, the most certain first; of those
 * that are alike any.
 */
size_t sw_drops_sources(struct sw_drops *d, __u32 service, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP]);
size_t sw_drops_services(struct sw_drops *d, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP]);

/* The any of sw_put_net for a source's prefix. */
__u8 sw_drops_net(const __u8 ip[16]);

#endif
