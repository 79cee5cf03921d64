/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/reader.h"

#include "synward.skel.h"
#include "synward_ladder.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096 /* records in one go; a quarter of it from `events_open`; `events_anomaly` as a whole */

/* A record whose size is not what it says, or more than there can be, becomes one that the report refuses. */
static void copy(struct sw_batch *b, const void *data, __u32 size)
{
    char *to = b->records + b->len++ * b->stride;
    const struct sw_event *ev = data;

    if (size < sizeof(*ev) || size > b->stride || ev->size != size)
        memset(to, 0, sizeof(*ev));
    else
        memcpy(to, data, size);
}

static bool fill(struct sw_rings *r, int which, bool keep)
{
    struct sw_ringbuf *ring = &r->ring[which];
    struct sw_batch *b = &r->batch[which];
    const void *data;
    __u32 size;

    b->len = 0;
    r->from[which] = ring->at;
    while (b->len < b->max && (data = sw_ringbuf_next(ring, &size))) {
        copy(b, data, size);
        if (!keep) /* at once: the ring may be nearly full */
            sw_ringbuf_release(ring, ring->at);
    }
    if (!keep)
        sw_ringbuf_release(ring, ring->at);
    return b->len == b->max;
}

bool sw_rings_take(struct sw_rings *r, int which)
{
    return fill(r, which, r->keep);
}

bool sw_rings_look(struct sw_rings *r, int which)
{
    return fill(r, which, true);
}

void sw_rings_used(struct sw_rings *r, int which, size_t n)
{
    struct sw_ringbuf *ring = &r->ring[which];
    __u32 size;

    if (n < r->batch[which].len) {
        sw_ringbuf_seek(ring, r->from[which]);
        for (size_t i = 0; i < n; i++)
            sw_ringbuf_next(ring, &size);
        r->batch[which].len = n;
    }
    if (!r->keep)
        sw_ringbuf_release(ring, ring->at);
}

size_t sw_rings_taken(const struct sw_rings *r)
{
    size_t n = 0;

    for (int i = 0; i < SW_RINGS; i++)
        n += r->batch[i].len;
    return n;
}

/* The barrier is one of a pair: see sw_wake_sleeper() of bpf/track/emit.h. */
bool sw_rings_sleep(struct sw_rings *r)
{
    bool all_read = true;

    __atomic_store_n(r->sleeps, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (int i = 0; i < SW_RINGS; i++)
        all_read &= sw_ringbuf_is_read(&r->ring[i]);
    for (int i = 0; i < SW_RINGS && all_read; i++)
        sw_ringbuf_rest(&r->ring[i]);
    return all_read;
}

void sw_rings_wake(const struct sw_rings *r)
{
    __atomic_store_n(r->sleeps, 0, __ATOMIC_RELAXED);
}

int sw_rings_open(struct sw_rings *r, struct synward_bpf *obj)
{
    const size_t longest = obj->rodata->cfg.ladder ? sizeof(struct sw_conn_event) : sizeof(struct sw_event);
    const struct bpf_map *maps[SW_RINGS] = {obj->maps.events, obj->maps.events_open, obj->maps.events_anomaly};
    int err;

    r->sleeps = &obj->bss->reader_sleeps;
    for (int i = 0; i < SW_RINGS; i++) {
        struct sw_batch *b = &r->batch[i];

        b->max = i == SW_RING_MAIN ? BATCH : BATCH / 4;
        if (i == SW_RING_ANOMALY)
            b->max = bpf_map__max_entries(maps[i]) / (sizeof(struct sw_event) + BPF_RINGBUF_HDR_SZ) + 1;
        b->stride = i == SW_RING_ANOMALY ? sizeof(struct sw_event) : longest;
        b->records = calloc(b->max, b->stride);
        if (!b->records)
            return -ENOMEM;
        err = sw_ringbuf_open(&r->ring[i], bpf_map__fd(maps[i]));
        if (err)
            return err;
    }
    return 0;
}

void sw_rings_close(struct sw_rings *r)
{
    for (int i = 0; i < SW_RINGS; i++) {
        sw_ringbuf_close(&r->ring[i]);
        free(r->batch[i].records);
        r->batch[i].records = NULL;
    }
}
