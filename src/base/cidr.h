/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CIDRs as text, alone or a file of them. */
#ifndef SW_BASE_CIDR_H
#define SW_BASE_CIDR_H

#include "synward.h"

#include <stddef.h>

struct sw_cidrs {
    struct sw_cidr *cidr;
    size_t len, room;
};

/* "10.0.0.0/8", "2001:db8::/32", "10.1.2.3". 0; -EINVAL: not a CIDR; -EDOM: bits set beyond the prefix. */
int sw_cidr_parse(const char *text, struct sw_cidr *ret);
#define SW_CIDR_LEN 50 /* room that sw_cidr_format needs */
void sw_cidr_format(const struct sw_cidr *cidr, char *buf, size_t size);
/* Why sw_cidr_parse failed with err, in one line without a newline; control characters are shown as '?'. */
void sw_cidr_explain(const char *text, int err, char *buf, size_t size);
/* IPv4 first, then by address, then by prefix length. */
int sw_cidr_compare(const void *a, const void *b);

/*
 * One CIDR a line; blank lines and what follows # are skipped. On failure -errno, *ret is empty, and error says
 * "FILE:LINE: what" in one line. The same CIDR twice is once; overlaps are fine (longest prefix wins, and
 * allow wins over block). Nothing is applied.
 */
int sw_cidrs_read(const char *path, struct sw_cidrs *ret, char *error, size_t error_size);
int sw_cidrs_add(struct sw_cidrs *cidrs, const struct sw_cidr *cidr); /* 0 or -ENOMEM */
void sw_cidrs_sort(struct sw_cidrs *cidrs);                           /* and leaves out repetitions */
void sw_cidrs_free(struct sw_cidrs *cidrs);                           /* a zeroed one is fine */

#endif
