/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps and rings as the BPF programs have them, in this process: for one thread, of exactly the sizes that were asked
 * for, and with memory only for what is in them. A value stays where it is until it is deleted, and its memory may be
 * another one's then. Not as in the kernel: of a full LRU map exactly the element goes that was not used for longest,
 * and a walk has an order, by the time that each was put in, or of an LRU map last used.
 */
#ifndef SW_NATIVE_MAP_H
#define SW_NATIVE_MAP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* An element of a hash map; its key follows, and at the map's value_at its value. */
struct sw_native_node {
    struct sw_native_node *next;          /* in its bucket, or among the free ones */
    struct sw_native_node *older, *newer; /* in the order of a walk */
    __u64 hash;
    __u64 key[];
};

struct sw_native_map {
    __u32 type; /* enum bpf_map_type */
    __u32 key_size, value_size;
    __u32 max_entries; /* of a ring: bytes */
    __u32 len;
    __u32 value_at; /* in a node, after its key */
    __u8 *values;   /* of an array, and the bytes of a ring */
    __u32 used;     /* bytes of a ring */
    bool failed;    /* there was no memory for an element */
    __u32 bucket_bits;
    struct sw_native_node **buckets;
    struct sw_native_node *oldest, *newest, *free;
    void *chunks; /* of nodes: a list */
    __u64 seed[2];
};

/* Empty, of m's type and sizes. 0 or -errno. */
int sw_native_map_init(struct sw_native_map *m);
void sw_native_map_free(struct sw_native_map *m);

/* As the kernel's helpers: a value or NULL; 0 or -errno. */
void *sw_native_hash_lookup(struct sw_native_map *m, const void *key);
int sw_native_map_update(struct sw_native_map *m, const void *key, const void *value, __u64 flags);
int sw_native_map_delete(struct sw_native_map *m, const void *key);
/* fn returns 1 to stop, and may delete the element that it is called for. */
typedef long (*sw_native_walk_fn)(void *map, const void *key, void *value, void *arg);
long sw_native_map_walk(struct sw_native_map *m, sw_native_walk_fn fn, void *arg);

static inline void *sw_native_array_lookup(const struct sw_native_map *m, __u32 index)
{
    return index < m->max_entries ? m->values + (size_t)index * m->value_size : NULL;
}

/* A ring is read as a whole: its records lie one after the other, each with its size before it. */
void *sw_native_ring_reserve(struct sw_native_map *m, __u32 size);
/* fn returns other than 0 to stop with it. The ring is empty then. */
int sw_native_ring_read(struct sw_native_map *m, int (*fn)(void *arg, void *record, size_t size), void *arg);

#endif
