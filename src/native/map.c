/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "native/map.h"

#include "base/random.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CHUNK = 512, FIRST_BITS = 10, RECORD_HEAD = 8 }; /* nodes; buckets as a power of two; as in the kernel */

static bool is_hash(const struct sw_native_map *m)
{
    return m->type == BPF_MAP_TYPE_HASH || m->type == BPF_MAP_TYPE_LRU_HASH;
}

/* Zero pages, of which only those that are written take memory. */
static void *pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static size_t bytes_of(const struct sw_native_map *m)
{
    return m->type == BPF_MAP_TYPE_RINGBUF ? m->max_entries : (size_t)m->max_entries * m->value_size;
}

int sw_native_map_init(struct sw_native_map *m)
{
    if (!is_hash(m)) {
        m->values = pages(bytes_of(m));
        return m->values ? 0 : -ENOMEM;
    }
    m->value_at = offsetof(struct sw_native_node, key) + ((m->key_size + 7) & ~7u);
    m->bucket_bits = FIRST_BITS;
    m->buckets = calloc((size_t)1 << m->bucket_bits, sizeof(struct sw_native_node *));
    return m->buckets ? sw_random(m->seed, sizeof(m->seed)) : -ENOMEM;
}

void sw_native_map_free(struct sw_native_map *m)
{
    void *next;

    if (m->values)
        munmap(m->values, bytes_of(m));
    for (void *c = m->chunks; c; c = next) {
        next = *(void **)c;
        free(c);
    }
    free(m->buckets);
    m->values = NULL;
    m->chunks = NULL;
    m->buckets = NULL;
}

/* Of x times y, both halves. */
static __u64 folded(__u64 x, __u64 y)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)x * y;

    return (__u64)product ^ (__u64)(product >> 64);
#else
    __u64 high = (x >> 32) * (y >> 32), cross = (x >> 32) * (__u32)y, low = x * y;

    return low ^ high ^ (cross << 17 | cross >> 47);
#endif
}

/* Seeded, so that a capture cannot be made to fill one bucket. */
static __u64 hash_of(const struct sw_native_map *m, const void *key)
{
    const __u8 *p = key;
    __u64 h = m->seed[0], word;
    __u32 left = m->key_size;

    for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = folded(h ^ word, m->seed[1] | 1) + (h << 7 | h >> 57);
    }
    word = 0;
    memcpy(&word, p, left);
    h = folded(h ^ word ^ (__u64)left << 56, m->seed[1] | 1) + (h << 7 | h >> 57);
    return h ^ h >> 32;
}

static struct sw_native_node **bucket_of(struct sw_native_map *m, __u64 hash)
{
    return &m->buckets[hash & (((__u64)1 << m->bucket_bits) - 1)];
}

/* Where the pointer to it is; to NULL if it is not there. */
static struct sw_native_node **find(struct sw_native_map *m, const void *key, __u64 hash)
{
    struct sw_native_node **at = bucket_of(m, hash);

    while (*at && ((*at)->hash != hash || memcmp((*at)->key, key, m->key_size)))
        at = &(*at)->next;
    return at;
}

static void *value_of(const struct sw_native_map *m, struct sw_native_node *n)
{
    return (__u8 *)n + m->value_at;
}

static void link_newest(struct sw_native_map *m, struct sw_native_node *n)
{
    n->newer = NULL;
    n->older = m->newest;
    *(m->newest ? &m->newest->newer : &m->oldest) = n;
    m->newest = n;
}

static void unlink_age(struct sw_native_map *m, struct sw_native_node *n)
{
    *(n->older ? &n->older->newer : &m->oldest) = n->newer;
    *(n->newer ? &n->newer->older : &m->newest) = n->older;
}

/* It is used. */
static void touch(struct sw_native_map *m, struct sw_native_node *n)
{
    if (m->type != BPF_MAP_TYPE_LRU_HASH || m->newest == n)
        return;
    unlink_age(m, n);
    link_newest(m, n);
}

void *sw_native_hash_lookup(struct sw_native_map *m, const void *key)
{
    struct sw_native_node *n = *find(m, key, hash_of(m, key));

    if (!n)
        return NULL;
    touch(m, n);
    return value_of(m, n);
}

static void drop(struct sw_native_map *m, struct sw_native_node **at)
{
    struct sw_native_node *n = *at;

    *at = n->next;
    unlink_age(m, n);
    n->next = m->free;
    m->free = n;
    m->len--;
}

static bool more_nodes(struct sw_native_map *m)
{
    size_t size = (m->value_at + m->value_size + 7) & ~(size_t)7, head = 2 * sizeof(void *);
    __u8 *chunk = malloc(head + size * CHUNK);

    if (!chunk)
        return false;
    *(void **)chunk = m->chunks;
    m->chunks = chunk;
    for (int i = CHUNK; i--;) { /* the first one comes first */
        struct sw_native_node *n = (void *)(chunk + head + size * i);

        n->next = m->free;
        m->free = n;
    }
    return true;
}

/* One element a bucket. Without memory for more buckets they get longer. */
static void grow(struct sw_native_map *m)
{
    struct sw_native_node **wider = calloc((size_t)2 << m->bucket_bits, sizeof(struct sw_native_node *));

    if (!wider)
        return;
    free(m->buckets);
    m->buckets = wider;
    m->bucket_bits++;
    for (struct sw_native_node *n = m->oldest; n; n = n->newer) {
        struct sw_native_node **at = bucket_of(m, n->hash);

        n->next = *at;
        *at = n;
    }
}

static int insert(struct sw_native_map *m, const void *key, const void *value, __u64 hash)
{
    struct sw_native_node *n, **at;

    if (m->len == m->max_entries) {
        if (m->type != BPF_MAP_TYPE_LRU_HASH)
            return -E2BIG;
        drop(m, find(m, m->oldest->key, m->oldest->hash));
    }
    if (!m->free && !more_nodes(m)) {
        m->failed = true;
        return -ENOMEM;
    }
    if (m->len == 1u << m->bucket_bits)
        grow(m);
    n = m->free;
    m->free = n->next;
    n->hash = hash;
    memcpy(n->key, key, m->key_size);
    memcpy(value_of(m, n), value, m->value_size);
    at = bucket_of(m, hash);
    n->next = *at;
    *at = n;
    link_newest(m, n);
    m->len++;
    return 0;
}

int sw_native_map_update(struct sw_native_map *m, const void *key, const void *value, __u64 flags)
{
    __u64 hash;
    struct sw_native_node *n;

    if (!is_hash(m))
        return -EINVAL; /* no program writes an array but in place */
    hash = hash_of(m, key);
    n = *find(m, key, hash);
    if (n && flags == BPF_NOEXIST)
        return -EEXIST;
    if (!n && flags == BPF_EXIST)
        return -ENOENT;
    if (!n)
        return insert(m, key, value, hash);
    if (value != value_of(m, n))
        memcpy(value_of(m, n), value, m->value_size);
    touch(m, n);
    return 0;
}

int sw_native_map_delete(struct sw_native_map *m, const void *key)
{
    struct sw_native_node **at = find(m, key, hash_of(m, key));

    if (!*at)
        return -ENOENT;
    drop(m, at);
    return 0;
}

long sw_native_map_walk(struct sw_native_map *m, sw_native_walk_fn fn, void *arg)
{
    struct sw_native_node *newer;
    long seen = 0;

    for (struct sw_native_node *n = m->oldest; n; n = newer) {
        newer = n->newer;
        seen++;
        if (fn(m, n->key, value_of(m, n), arg))
            break;
    }
    return seen;
}

void *sw_native_ring_reserve(struct sw_native_map *m, __u32 size)
{
    __u32 whole = (RECORD_HEAD + size + 7) & ~7u;
    __u8 *record = m->values + m->used;

    if (whole >= m->max_entries - m->used)
        return NULL;
    memcpy(record, &size, sizeof(size));
    m->used += whole;
    return record + RECORD_HEAD;
}

int sw_native_ring_read(struct sw_native_map *m, int (*fn)(void *arg, void *record, size_t size), void *arg)
{
    __u32 used = m->used, size;
    int err = 0;

    m->used = 0;
    for (__u32 at = 0; at < used && !err; at += (RECORD_HEAD + size + 7) & ~7u) {
        memcpy(&size, m->values + at, sizeof(size));
        err = fn(arg, m->values + at + RECORD_HEAD, size);
    }
    return err;
}
