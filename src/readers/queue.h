/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes that wait for one reader: a ring of fixed size. */
#ifndef SW_READERS_QUEUE_H
#define SW_READERS_QUEUE_H

#include <stddef.h>

struct sw_queue {
    char *data;
    size_t size, head, len; /* head: the oldest byte */
};

int sw_queue_open(struct sw_queue *q, size_t size); /* 0 or -ENOMEM */
void sw_queue_close(struct sw_queue *q);            /* zeroed is fine */

static inline size_t sw_queue_free(const struct sw_queue *q)
{
    return q->size - q->len;
}

void sw_queue_add(struct sw_queue *q, const char *data, size_t n); /* n is at most what is free */
/* The oldest bytes in one piece; there may be more behind them. */
const char *sw_queue_oldest(const struct sw_queue *q, size_t *ret_n);
void sw_queue_drop(struct sw_queue *q, size_t n); /* the oldest n */

#endif
