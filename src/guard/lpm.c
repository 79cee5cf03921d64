/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/lpm.h"
#include "base/array.h"
#include "base/cidr.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_TRIES 50

/* Room that grows; both arrays have the same number of elements. */
struct dump {
    struct sw_cidr *keys;
    __u32 *values;
    size_t len, room;
};

static int make_room(struct dump *d, size_t more)
{
    size_t keys_room = d->room, values_room = d->room;
    void *keys = sw_array_room(d->keys, &keys_room, d->len + more, sizeof(*d->keys));
    void *values = sw_array_room(d->values, &values_room, d->len + more, sizeof(*d->values));

    d->keys = keys ? keys : d->keys;
    d->values = values ? values : d->values;
    if (!keys || !values)
        return -ENOMEM;
    d->room = keys_room;
    return 0;
}

/* Kernels before 5.13 have no batches for this kind of map. */
static int dump_one_by_one(int fd, struct dump *d)
{
    struct sw_cidr key, *last = NULL;
    int err;

    d->len = 0;
    while (!bpf_map_get_next_key(fd, last, &key)) {
        err = make_room(d, 1);
        if (err)
            return err;
        d->keys[d->len] = key;
        if (bpf_map_lookup_elem(fd, &key, &d->values[d->len]))
            return -errno;
        last = &d->keys[d->len++];
        if (d->len > 2 * SW_LIST_ENTRIES_MAX)
            return -ELOOP;
    }
    return errno == ENOENT ? 0 : -errno;
}

static int dump_batches(int fd, struct dump *d)
{
    struct sw_cidr in, out;
    bool first = true;
    __u32 count;
    int err = 0;

    while (!err) {
        err = make_room(d, SW_TRIE_BATCH);
        if (err)
            return err;
        count = SW_TRIE_BATCH;
        err = bpf_map_lookup_batch(fd, first ? NULL : &in, &out, d->keys + d->len, d->values + d->len, &count, NULL)
                  ? -errno
                  : 0;
        if (err && err != -ENOENT) /* which means that this batch is the last */
            return err;
        d->len += count;
        in = out;
        first = false;
        if (d->len > 2 * SW_LIST_ENTRIES_MAX)
            return -ELOOP;
    }
    return 0;
}

int sw_trie_read(int fd, struct sw_list_entry **ret, size_t *ret_len)
{
    struct sw_list_entry *entries = NULL;
    struct dump d = {0};
    int err;

    err = dump_batches(fd, &d);
    if (err == -SW_ENOTSUPP || err == -EINVAL || err == -EOPNOTSUPP)
        err = dump_one_by_one(fd, &d);
    if (!err) {
        entries = calloc(d.len + 1, sizeof(*entries));
        err = entries ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < d.len && !err; i++)
        entries[i] = (struct sw_list_entry){d.keys[i], d.values[i]};
    if (!err)
        qsort(entries, d.len, sizeof(*entries), sw_cidr_compare); /* an entry begins with its CIDR */
    *ret = entries;
    *ret_len = err ? 0 : d.len;
    free(d.keys);
    free(d.values);
    return err;
}

int sw_trie_put(int fd, const struct sw_cidr *key, __u32 value)
{
    for (int i = 0;; i++) {
        if (!bpf_map_update_elem(fd, key, &value, BPF_ANY))
            return 0;
        if (errno != ENOMEM || i == MEMORY_TRIES)
            return errno == ENOSPC ? -E2BIG : -errno;
        usleep(1000); /* the kernel fills its store of nodes by and by */
    }
}
