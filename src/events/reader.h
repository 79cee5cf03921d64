/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The event rings, read in batches of bounded size. */
#ifndef SW_EVENTS_READER_H
#define SW_EVENTS_READER_H

#include "events/ringbuf.h"
#include "loader/object.h"

struct sw_batch {
    char *records;
    size_t len, max;
    size_t stride; /* bytes from one to the next: of the longest record that the programs make */
};

static inline const struct sw_event *sw_batch_at(const struct sw_batch *b, size_t i)
{
    return (const struct sw_event *)(b->records + i * b->stride);
}

struct sw_rings {
    struct sw_ringbuf ring[SW_RINGS];
    struct sw_batch batch[SW_RINGS];
    __u64 from[SW_RINGS]; /* where the batch begins */
    bool keep;            /* records remain in the ring until they are released */
    __u32 *sleeps;        /* .bss reader_sleeps: the programs wake whoever set it, once */
};

int sw_rings_open(struct sw_rings *r, struct synward_bpf *obj);
void sw_rings_close(struct sw_rings *r); /* also half-open */

/* Refills batch[which]; true if it is full, so that more may wait. */
bool sw_rings_take(struct sw_rings *r, int which);

/* The same, but what is not used is read again: sw_rings_used follows, with the number of records that are. */
bool sw_rings_look(struct sw_rings *r, int which);
void sw_rings_used(struct sw_rings *r, int which, size_t n);

/* From here on the first record wakes who waits for `events` with epoll. False: one came before, or is being written;
 * it may have done so. Afterwards: it need not. */
bool sw_rings_sleep(struct sw_rings *r);
void sw_rings_wake(const struct sw_rings *r);

/* Records in all batches. */
size_t sw_rings_taken(const struct sw_rings *r);

#endif
