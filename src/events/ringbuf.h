/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reader of one BPF ring buffer (BPF_MAP_TYPE_RINGBUF) that reads ahead of what it releases: a record is kept in the
 * ring until its line is written.
 */
#ifndef SW_EVENTS_RINGBUF_H
#define SW_EVENTS_RINGBUF_H

#include <linux/types.h>
#include <stddef.h>

struct sw_ringbuf {
    int fd; /* of the map, not ours; readable for epoll (edge-triggered: what was read may not be released yet) */
    size_t page;
    __u64 size;         /* bytes of data */
    __u64 *consumer;    /* mmapped */
    const char *shared; /* mmapped, read-only: producer's position, then the data twice */
    __u64 at;           /* the next byte to read */
};

/* Continues where the last reader released. 0 or -errno. */
int sw_ringbuf_open(struct sw_ringbuf *r, int map_fd);
void sw_ringbuf_close(struct sw_ringbuf *r); /* zeroed is fine */

/* The next record, or NULL if there is none yet. It is valid until it is released. */
const void *sw_ringbuf_next(struct sw_ringbuf *r, __u32 *ret_len);

/* Releases everything before that position. */
void sw_ringbuf_release(struct sw_ringbuf *r, __u64 at);

/* Continues from a position that was read before but not released; false: it is not between the released and the
 * written one. */
int sw_ringbuf_seek(struct sw_ringbuf *r, __u64 at);

__u64 sw_ringbuf_waiting(const struct sw_ringbuf *r); /* bytes, headers included */

#endif
