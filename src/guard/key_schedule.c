/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/key_schedule.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const __u32 zero;

int sw_key_schedule_open(struct sw_key_schedule *s, int keys_map_fd)
{
    memset(s, 0, sizeof(*s));
    s->keys_fd = keys_map_fd;
    s->fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "key_schedule", sizeof(zero), sizeof(struct sw_key_set), 1, NULL);
    if (s->fd < 0)
        return -errno;
    s->open = true;
    return 0;
}

void sw_key_schedule_close(struct sw_key_schedule *s)
{
    if (s->open)
        close(s->fd);
    s->open = false;
}

/* What is shown: the two keys in map `keys`, and the one that comes after them. */
static void show(const struct sw_key_schedule *s, struct sw_guard *guard)
{
    size_t len = s->len - s->at < SW_KEY_NOTES ? s->len - s->at : SW_KEY_NOTES;

    guard->key_notes = 0;
    memcpy(guard->key_note, &s->note[s->at], len * sizeof(s->note[0]));
    __atomic_store_n(&guard->key_notes, len, __ATOMIC_RELEASE);
}

static int install(struct sw_key_schedule *s, struct sw_guard *guard, const struct sw_key_set *set, __u64 now_ns)
{
    struct sw_keys keys;
    int err;

    sw_keys_from_lines(set->line, set->len, now_ns, &keys);
    err = sw_keys_install(s->keys_fd, guard, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return err;
}

/* Are they those that are there? */
static int compare(const struct sw_key_schedule *s, const struct sw_key_set *set, bool *ret_changed)
{
    struct sw_key_set old;
    int err = bpf_map_lookup_elem(s->fd, &zero, &old) ? -errno : 0;

    if (!err)
        *ret_changed = old.len - s->preceding != set->len ||
                       memcmp(&old.line[s->preceding], set->line, set->len * sizeof(set->line[0]));
    explicit_bzero(&old, sizeof(old));
    return err;
}

/* True if the key before them was put before them. */
static int precede(const struct sw_key_schedule *s, const struct sw_guard *guard, struct sw_key_set *set, __u64 now_ns,
                   size_t *ret_preceding)
{
    struct sw_keys before;
    __u32 slot = guard->key_slot;
    int err = bpf_map_lookup_elem(s->keys_fd, &slot, &before) ? -errno : 0;

    if (!err)
        *ret_preceding = sw_keys_precede(set, &before, now_ns);
    explicit_bzero(&before, sizeof(before));
    return err;
}

int sw_key_schedule_set(struct sw_key_schedule *s, struct sw_guard *guard, struct sw_key_set *set, __u64 now_ns,
                        bool again, bool *ret_changed)
{
    size_t preceding = 0;
    bool changed = true;
    int err = again ? compare(s, set, &changed) : 0;

    if (!err && again && changed)
        err = precede(s, guard, set, now_ns, &preceding);
    if (ret_changed)
        *ret_changed = changed;
    if (err || !changed)
        return err;
    if (bpf_map_update_elem(s->fd, &zero, set, BPF_ANY))
        return -errno;
    s->preceding = preceding;
    s->len = set->len;
    sw_keys_notes(set, s->note);
    s->at = sw_keys_first(s->note, s->len, now_ns);
    err = install(s, guard, set, now_ns);
    if (err)
        s->at = s->len; /* so that it is tried again */
    else
        show(s, guard);
    return err;
}

int sw_key_schedule_turn(struct sw_key_schedule *s, struct sw_guard *guard, __u64 now_ns)
{
    const size_t at = s->len ? sw_keys_first(s->note, s->len, now_ns) : 0;
    struct sw_key_set set;
    int err = 0;

    if (!s->len || at == s->at)
        return 0;
    if (bpf_map_lookup_elem(s->fd, &zero, &set))
        err = -errno;
    if (!err)
        err = install(s, guard, &set, now_ns);
    explicit_bzero(&set, sizeof(set));
    if (err)
        return err;
    s->at = at;
    show(s, guard);
    return 0;
}
