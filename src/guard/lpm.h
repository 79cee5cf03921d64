/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* LPM tries whose keys are CIDRs: the lists, the routes. */
#ifndef SW_GUARD_LPM_H
#define SW_GUARD_LPM_H

#include "synward.h"

#include <stddef.h>

struct sw_list_entry {
    struct sw_cidr cidr;
    __u32 from; /* SW_LIST_* bits, never 0 */
};

#define SW_TRIE_BATCH 4096u
#define SW_ENOTSUPP 524 /* the kernel's own, which no header has */

/* Sorted, with the hole (from is 0). Nobody may change the trie meanwhile. The caller frees *ret. 0 or -errno. */
int sw_trie_read(int map_fd, struct sw_list_entry **ret, size_t *ret_len);

/* Sets one entry, also while the kernel is short of nodes. 0 or -errno; -E2BIG: the trie is full. */
int sw_trie_put(int map_fd, const struct sw_cidr *key, __u32 value);

#endif
