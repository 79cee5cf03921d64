/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_queue_open(struct sw_queue *q, size_t size)
{
    *q = (struct sw_queue){.data = malloc(size), .size = size};
    return q->data ? 0 : -ENOMEM;
}

void sw_queue_close(struct sw_queue *q)
{
    free(q->data);
    *q = (struct sw_queue){0};
}

void sw_queue_add(struct sw_queue *q, const char *data, size_t n)
{
    size_t at = (q->head + q->len) % q->size, first = n < q->size - at ? n : q->size - at;

    memcpy(q->data + at, data, first);
    memcpy(q->data, data + first, n - first);
    q->len += n;
}

const char *sw_queue_oldest(const struct sw_queue *q, size_t *ret_n)
{
    *ret_n = q->len < q->size - q->head ? q->len : q->size - q->head;
    return q->data + q->head;
}

void sw_queue_drop(struct sw_queue *q, size_t n)
{
    q->len -= n;
    /* an empty one begins anew: who keeps up touches few pages */
    q->head = q->len ? (q->head + n) % q->size : 0;
}
