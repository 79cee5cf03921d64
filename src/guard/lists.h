/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allow and block lists: CIDRs in LPM tries (maps `allow` and `block`, key struct sw_cidr, value a __u32 of SW_LIST_*
 * bits, the sources of the entry). A list is read completely before it is applied, and applied as a difference, so that
 * no entry is missing for a moment.
 *
 * IPv4 is stored in ::ffff:0:0/96 of the same trie, so an IPv6 prefix that holds that range (::/0) would match every
 * IPv4 address, too. As long as there is such a prefix, an entry with value 0, a hole, stands at ::ffff:0:0/96 unless
 * 0.0.0.0/0 is listed: the longest match of an IPv4 address is then the hole, and means "not listed".
 */
#ifndef SW_GUARD_LISTS_H
#define SW_GUARD_LISTS_H

#include "base/cidr.h"
#include "config/guard_options.h"
#include "guard/lpm.h"
#include "synward.h"

#include <stddef.h>

/* The CIDRs of --allow and --block, sorted; the option parser has checked them already. */
int sw_cidrs_from_opts(const struct sw_list_opts *opts, struct sw_cidrs *ret);

/*
 * Changes of the trie map_fd. `len` is sw_guard.allow_len or block_len in the mmapped guard (NULL: nowhere): the number
 * of entries afterwards, stored when the trie is as it should be. Daemon and commands may call these at once: changes
 * take turns (a lock on /run/synward; -EBUSY after two seconds, after ten for a command). -E2BIG: the trie is full. On
 * any failure what was done is undone. The lists of cidrs must be sorted.
 */

/* Makes the entries of `source` (an SW_LIST_* bit) exactly `want`, leaving other sources' entries alone. */
int sw_list_apply(int map_fd, __u32 source, const struct sw_cidrs *want, __u32 *len);
/* Adds `source` to each of them. */
int sw_list_add(int map_fd, __u32 source, const struct sw_cidrs *add, __u32 *len);
/* Removes each of them, whatever its source. Those that were not there: ret_missing, which starts zeroed. */
int sw_list_del(int map_fd, const struct sw_cidrs *del, struct sw_cidrs *ret_missing, __u32 *len);
/* Everything in the trie, sorted. The caller frees *ret. */
int sw_list_dump(int map_fd, struct sw_list_entry **ret, size_t *ret_len);

#endif
