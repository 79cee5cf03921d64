/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/btf_fingerprint.h"

#include "synward.h"
#include "synward_ladder.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stddef.h>
#include <string.h>

#define DEPTH 16

/* FNV-1a */
static __u64 add(__u64 hash, const void *data, size_t len)
{
    const __u8 *at = data;

    while (len--)
        hash = (hash ^ *at++) * 0x100000001b3ull;
    return hash;
}

static __u64 add_number(__u64 hash, __u64 n)
{
    return add(hash, &n, sizeof(n));
}

static __u64 add_text(__u64 hash, const char *text)
{
    return add(hash, text, strlen(text) + 1);
}

/* NOLINTNEXTLINE(misc-no-recursion): types nest, and depth bounds it */
static __u64 add_type(const struct btf *btf, __s32 id, __u64 hash, int depth)
{
    const struct btf_type *t;
    int resolved = btf__resolve_type(btf, id);

    if (resolved < 0 || !depth)
        return hash;
    t = btf__type_by_id(btf, resolved);
    hash = add_number(hash, btf_kind(t));
    if (btf_is_array(t)) {
        hash = add_number(hash, btf_array(t)->nelems);
        return add_type(btf, btf_array(t)->type, hash, depth - 1);
    }
    if (!btf_is_composite(t))
        return add_number(hash, t->size);
    hash = add_number(hash, t->size);
    for (__u16 i = 0; i < btf_vlen(t); i++) {
        hash = add_text(hash, btf__name_by_offset(btf, btf_members(t)[i].name_off));
        hash = add_number(hash, btf_member_bit_offset(t, i));
        hash = add_type(btf, btf_members(t)[i].type, hash, depth - 1);
    }
    return hash;
}

__u64 sw_btf_fingerprint_of_map(const struct bpf_object *obj, const struct bpf_map *map, __u64 hash)
{
    const struct btf *btf = bpf_object__btf(obj);

    hash = add_text(hash, bpf_map__name(map));
    if (!btf)
        return hash;
    if (bpf_map__btf_key_type_id(map))
        hash = add_type(btf, bpf_map__btf_key_type_id(map), hash, DEPTH);
    if (bpf_map__btf_value_type_id(map))
        hash = add_type(btf, bpf_map__btf_value_type_id(map), hash, DEPTH);
    return hash;
}

#define NAME(prefix, id, name) name,

__u64 sw_btf_fingerprint_of_lists(__u64 hash)
{
    static const char *const names[] = {SW_STATES(NAME) SW_CONN_STATES(NAME) SW_EVENTS(NAME) SW_REASONS(NAME)
                                            SW_ANOMALIES(NAME) SW_DIRECTIONS(NAME) SW_HOOKS(NAME) SW_COUNTERS(NAME)
                                                SW_GUARD_MODES(NAME) SW_GUARD_STATES(NAME) SW_GUARD_CAUSES(NAME)
                                                    SW_BACKENDS(NAME) SW_DROPS(NAME) SW_SVC_COUNTERS(NAME)};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        hash = add_text(hash, names[i]);
    hash = add_number(hash, sizeof(struct sw_event));
    hash = add_number(hash, sizeof(struct sw_conn_event));
    return add_number(hash, sizeof(struct sw_guard_event));
}
