/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reader of one BPF ring buffer (BPF_MAP_TYPE_RINGBUF) that reads ahead of what it releases: a record is kept in the
 * ring until its line is written. The data are mapped by a window that goes along, and as a whole once
 * that was moved often without a rest: each mapped page counts once more as this process's memory.
 */
#ifndef SW_EVENTS_RINGBUF_H
#define SW_EVENTS_RINGBUF_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct sw_ringbuf {
    int fd; /* of the map, not ours; readable for epoll (edge-triggered: what was read may not be released yet) */
    size_t page;
    __u64 size;            /* bytes of data */
    __u64 *consumer;       /* mmapped */
    const __u64 *producer; /* mmapped, read-only: its position */
    const char *window;    /* mmapped, read-only: the data from a position on; NULL: none yet */
    __u64 window_at;
    size_t window_len;
    unsigned int moves; /* of the window, since the last rest */
    bool whole;         /* window is the data from the first byte on, and what follows over its end */
    __u64 at;           /* the next byte to read */
};

/* Continues where the last reader released. 0 or -errno. */
int sw_ringbuf_open(struct sw_ringbuf *r, int map_fd);
void sw_ringbuf_close(struct sw_ringbuf *r); /* zeroed is fine */

/* The next record, or NULL if there is none yet, or no memory to map it. It is valid until the next call. */
const void *sw_ringbuf_next(struct sw_ringbuf *r, __u32 *ret_len);

/* For a while there will be none. */
void sw_ringbuf_rest(struct sw_ringbuf *r);

/* Releases everything before that position. */
void sw_ringbuf_release(struct sw_ringbuf *r, __u64 at);

/* Continues from a position that was read before but not released; false: it is not between the released and the
 * written one. */
int sw_ringbuf_seek(struct sw_ringbuf *r, __u64 at);

/* Nothing is in it beyond what was read, not even a record that is being written. */
bool sw_ringbuf_is_read(const struct sw_ringbuf *r);

__u64 sw_ringbuf_waiting(const struct sw_ringbuf *r); /* bytes, headers included */

#endif
