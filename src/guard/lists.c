/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of a list's trie. A lookup in an LPM trie finds the longest match, not the entry itself, so a change reads
 * the whole trie first, works out old and new value of each entry, and carries out the difference.
 */
#include "guard/lists.h"
#include "base/ip.h"
#include "base/run_dir.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ABSENT (~0u)
#define PAUSE_MS 10
#define DAEMON_WAIT_MS 2000 /* the daemon has more to do */
#define COMMAND_WAIT_MS 10000

/* One entry, its value before and after; ABSENT: not in the trie. */
struct change {
    struct sw_cidr cidr;
    __u32 old, now;
};

struct changes {
    struct change *change;
    size_t len;
    size_t entries; /* in the trie afterwards, without the hole */
};

/* What becomes of the entries that are there and of those that are named. */
enum how { HOW_SET, HOW_ADD, HOW_DEL };

static const struct sw_cidr v4_all = {.prefixlen = 96, .ip = SW_V4_MAPPED};

static bool holds_v4(const struct sw_cidr *cidr)
{
    __u32 bytes = cidr->prefixlen / 8, bits = cidr->prefixlen % 8;

    if (cidr->prefixlen >= v4_all.prefixlen || memcmp(cidr->ip, v4_all.ip, bytes))
        return false;
    return !bits || !((cidr->ip[bytes] ^ v4_all.ip[bytes]) & ~(0xff >> bits));
}

static int lock(int wait_ms)
{
    int err = -EBUSY, fd;

    fd = open(SW_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !mkdir(SW_RUN_DIR, 0700))
        fd = open(SW_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (int ms = 0; ms < wait_ms; ms += PAUSE_MS) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return fd;
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err = -errno;
            break;
        }
        usleep(PAUSE_MS * 1000);
    }
    close(fd);
    return err;
}

int sw_list_dump(int map_fd, struct sw_list_entry **ret, size_t *ret_len)
{
    struct sw_list_entry *entries = NULL;
    int err, lock_fd = lock(COMMAND_WAIT_MS);
    size_t len = 0, kept = 0;

    *ret = NULL;
    *ret_len = 0;
    if (lock_fd < 0)
        return lock_fd;
    err = sw_trie_read(map_fd, &entries, &len);
    close(lock_fd);
    if (err)
        return err;
    for (size_t i = 0; i < len; i++)
        if (entries[i].from)
            entries[kept++] = entries[i];
    *ret = entries;
    *ret_len = kept;
    return 0;
}

int sw_cidrs_from_opts(const struct sw_list_opts *opts, struct sw_cidrs *ret)
{
    struct sw_cidr cidr;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < opts->cidrs_len && !err; i++) {
        err = sw_cidr_parse(opts->cidrs[i], &cidr);
        if (!err)
            err = sw_cidrs_add(ret, &cidr);
    }
    if (err)
        sw_cidrs_free(ret);
    else
        sw_cidrs_sort(ret);
    return err;
}

/* --- what is to be done --- */

static __u32 value_after(enum how how, __u32 source, __u32 old, bool named)
{
    __u32 bits = old == ABSENT ? 0 : old;

    if (how == HOW_DEL)
        bits = named ? 0 : bits;
    else if (named)
        bits |= source;
    else if (how == HOW_SET)
        bits &= ~source;
    return bits ? bits : ABSENT;
}

/* Merges two sorted lists; sorted, too, and the hole, if it stands or is named, comes first of all. */
static int plan(enum how how, __u32 source, const struct sw_list_entry *have, size_t have_len,
                const struct sw_cidrs *named, struct changes *ret)
{
    struct change *hole, *c;
    size_t i = 0, j = 0;
    bool wide = false;

    memset(ret, 0, sizeof(*ret));
    ret->change = calloc(have_len + named->len + 1, sizeof(*c));
    if (!ret->change)
        return -ENOMEM;
    c = ret->change;
    *c++ = (struct change){v4_all, ABSENT, ABSENT};
    hole = ret->change;
    while (i < have_len || j < named->len) {
        int order = i == have_len ? 1 : j == named->len ? -1 : sw_cidr_compare(&have[i].cidr, &named->cidr[j]);
        struct change one = {order <= 0 ? have[i].cidr : named->cidr[j], order <= 0 ? have[i].from : ABSENT, 0};

        one.now = value_after(how, source, one.old, order >= 0);
        ret->entries += one.now != ABSENT;
        wide |= one.now != ABSENT && holds_v4(&one.cidr);
        if (!sw_cidr_compare(&one.cidr, &v4_all))
            *hole = one;
        else if (one.old != one.now)
            *c++ = one;
        i += order <= 0;
        j += order >= 0;
    }
    if (wide && hole->now == ABSENT)
        hole->now = 0;
    ret->len = c - ret->change;
    return 0;
}

static int find_missing(const struct sw_list_entry *have, size_t have_len, const struct sw_cidrs *named,
                        struct sw_cidrs *ret)
{
    const struct sw_list_entry *entry;
    int err = 0;

    for (size_t i = 0; i < named->len && !err; i++) {
        entry = have_len ? bsearch(&named->cidr[i], have, have_len, sizeof(*have), sw_cidr_compare) : NULL;
        if (!entry || !entry->from)
            err = sw_cidrs_add(ret, &named->cidr[i]);
    }
    return err;
}

/* --- doing it --- */

struct batch {
    struct sw_cidr keys[SW_TRIE_BATCH];
    __u32 values[SW_TRIE_BATCH];
    __u32 len;
};

static int put_batch(int fd, struct batch *b)
{
    __u32 count = b->len;
    int err = 0;

    b->len = 0;
    if (!count || !bpf_map_update_batch(fd, b->keys, b->values, &(__u32){count}, NULL))
        return 0;
    /* not for this kind of map, or stopped half-way, which may pass: each one is right twice, too */
    for (__u32 i = 0; i < count && !err; i++)
        err = sw_trie_put(fd, &b->keys[i], b->values[i]);
    return err;
}

/* Entries that appear or change, the widest first. */
static int put_all(int fd, const struct changes *c, bool undo)
{
    struct batch *b = calloc(1, sizeof(*b));
    int err = b ? 0 : -ENOMEM;

    for (size_t i = 0; i < c->len && !err; i++) {
        __u32 to = undo ? c->change[i].old : c->change[i].now;

        if (to == ABSENT || c->change[i].old == c->change[i].now)
            continue;
        b->keys[b->len] = c->change[i].cidr;
        b->values[b->len++] = to;
        if (b->len == SW_TRIE_BATCH)
            err = put_batch(fd, b);
    }
    if (!err)
        err = put_batch(fd, b);
    free(b);
    return err;
}

/* Entries that go: the hole last. */
static int remove_all(int fd, const struct changes *c, bool undo)
{
    for (size_t i = c->len; i-- > 0;) {
        __u32 to = undo ? c->change[i].old : c->change[i].now;

        if (to != ABSENT || c->change[i].old == c->change[i].now)
            continue;
        if (bpf_map_delete_elem(fd, &c->change[i].cidr) && errno != ENOENT)
            return -errno;
    }
    return 0;
}

static int carry_out(int fd, const struct changes *c)
{
    int err = put_all(fd, c, false);

    if (!err)
        err = remove_all(fd, c, false);
    if (!err)
        return 0;
    remove_all(fd, c, true);
    put_all(fd, c, true);
    return err;
}

static int change_list(int fd, enum how how, __u32 source, const struct sw_cidrs *named, struct sw_cidrs *missing,
                       __u32 *len)
{
    struct sw_list_entry *have = NULL;
    struct changes changes = {0};
    size_t have_len = 0;
    int err, lock_fd = lock(how == HOW_SET ? DAEMON_WAIT_MS : COMMAND_WAIT_MS);

    if (lock_fd < 0)
        return lock_fd;
    err = sw_trie_read(fd, &have, &have_len);
    if (!err)
        err = plan(how, source, have, have_len, named, &changes);
    if (!err && missing)
        err = find_missing(have, have_len, named, missing);
    if (!err)
        err = carry_out(fd, &changes);
    if (!err && len)
        __atomic_store_n(len, (__u32)changes.entries, __ATOMIC_RELEASE);
    close(lock_fd);
    free(changes.change);
    free(have);
    return err;
}

int sw_list_apply(int map_fd, __u32 source, const struct sw_cidrs *want, __u32 *len)
{
    return change_list(map_fd, HOW_SET, source, want, NULL, len);
}

int sw_list_add(int map_fd, __u32 source, const struct sw_cidrs *add, __u32 *len)
{
    return change_list(map_fd, HOW_ADD, source, add, NULL, len);
}

int sw_list_del(int map_fd, const struct sw_cidrs *del, struct sw_cidrs *ret_missing, __u32 *len)
{
    return change_list(map_fd, HOW_DEL, 0, del, ret_missing, len);
}
