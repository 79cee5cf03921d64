/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allow and block lists: CIDRs in LPM tries (maps `allow` and `block`, key struct sw_cidr, value a __u32 of
 * SW_LIST_* bits that say who put it there). A list is read whole before anything of it is applied, and applied as a
 * difference, so that no entry is missing for a moment.
 */
#ifndef SW_LISTS_H
#define SW_LISTS_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

enum sw_list { SW_LIST_ALLOW, SW_LIST_BLOCK, SW_LISTS };

#define SW_LIST_OPTS_MAX 256
#define SW_LIST_ENTRIES_MAX (1u << 20) /* of each trie, and of a file */

struct sw_list_opts {
    const char *cidrs[SW_LIST_OPTS_MAX]; /* --allow CIDR, --block CIDR */
    size_t cidrs_len;
    const char *file; /* --allow-file, --block-file; NULL: none */
};

struct sw_cidrs {
    struct sw_cidr *cidr;
    size_t len, room;
};

/* "10.0.0.0/8", "2001:db8::/32", "10.1.2.3". 0; -EINVAL: not a CIDR; -EDOM: bits set beyond the prefix. */
int sw_cidr_parse(const char *text, struct sw_cidr *ret);
void sw_cidr_format(const struct sw_cidr *cidr, char *buf, size_t size);

/*
 * One CIDR a line; blank lines and what follows # are skipped. On failure -errno, and error says
 * "FILE:LINE: what" in one line. The same CIDR twice is once; overlaps are fine (longest prefix wins, and
 * allow wins over block). Nothing is applied.
 */
int sw_cidrs_read(const char *path, struct sw_cidrs *ret, char *error, size_t error_size);
void sw_cidrs_free(struct sw_cidrs *cidrs); /* a zeroed one is fine */

/*
 * Makes the entries of `source` (an SW_LIST_* bit) in the trie map_fd be exactly `want`, leaving other sources'
 * entries alone; *ret_len is the trie's number of entries afterwards. `have` is what this source put there before
 * (NULL: nothing). -E2BIG: the trie is full, nothing was changed for good.
 */
int sw_list_apply(int map_fd, __u32 source, const struct sw_cidrs *have, const struct sw_cidrs *want, __u32 *len);

#endif
