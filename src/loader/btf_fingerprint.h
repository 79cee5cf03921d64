/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A fingerprint of the layout of a map's records, from the object's BTF and the names of all lists. */
#ifndef SW_LOADER_BTF_FINGERPRINT_H
#define SW_LOADER_BTF_FINGERPRINT_H

#include <linux/types.h>

struct bpf_object;
struct bpf_map;

/* Names, offsets, sizes of all members, however deep; of members, not of C types. hash: of the maps before. */
__u64 sw_btf_fingerprint_of_map(const struct bpf_object *obj, const struct bpf_map *map, __u64 hash);

/* The lists that number things: counters, states, kinds, reasons. */
__u64 sw_btf_fingerprint_of_lists(__u64 hash);

#define SW_LAYOUT_FIRST 0xcbf29ce484222325ull

#endif
