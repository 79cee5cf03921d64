/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rings.h"

#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096 /* records in one go; a quarter of it from `events_open` */

/* A negative result ends the batch; this record counts as read all the same. A record that is too short for
 * this version becomes one that the report refuses. */
static int take_record(void *ctx, void *data, size_t size)
{
    struct sw_batch *b = ctx;
    struct sw_event *ev = &b->events[b->len++];

    if (size < sizeof(*ev))
        memset(ev, 0, sizeof(*ev));
    else
        memcpy(ev, data, sizeof(*ev));
    return b->len == b->max ? -ECANCELED : 0;
}

bool sw_rings_take(struct sw_rings *r, int which)
{
    struct sw_batch *b = &r->batch[which];

    b->len = 0;
    ring_buffer__consume(r->ring[which]);
    return b->len == b->max;
}

int sw_rings_open(struct sw_rings *r, struct synward_bpf *obj)
{
    const struct bpf_map *maps[SW_RINGS] = {obj->maps.events, obj->maps.events_open};

    for (int i = 0; i < SW_RINGS; i++) {
        struct sw_batch *b = &r->batch[i];

        b->max = i == SW_RING_MAIN ? BATCH : BATCH / 4;
        b->events = calloc(b->max, sizeof(*b->events));
        if (!b->events)
            return -ENOMEM;
        r->ring[i] = ring_buffer__new(bpf_map__fd(maps[i]), take_record, b, NULL);
        if (!r->ring[i])
            return -errno;
    }
    return 0;
}

void sw_rings_close(struct sw_rings *r)
{
    for (int i = 0; i < SW_RINGS; i++) {
        ring_buffer__free(r->ring[i]);
        free(r->batch[i].events);
        r->ring[i] = NULL;
        r->batch[i].events = NULL;
    }
}
