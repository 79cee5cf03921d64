/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All about one connection, in lines of at most 80 columns. */
#ifndef SW_TOP_DETAIL_H
#define SW_TOP_DETAIL_H

#include "loader/instance.h"
#include "top/conn.h"
#include "top/owner.h"

#define SW_TOP_DETAIL_LINES 16

struct sw_top_detail_info {
    __u64 now;
    __s64 clock_offset; /* to nanoseconds since 1970 */
    bool utc;
    const struct sw_instance *inst;   /* for the interface's name; NULL: unknown */
    const struct sw_top_owner *owner; /* NULL: not looked for */
};

struct sw_top_detail {
    int len;
    char line[SW_TOP_DETAIL_LINES][128];
};

void sw_top_detail_make(struct sw_top_detail *d, const struct sw_top_conn *c, const struct sw_top_detail_info *info);

#endif
