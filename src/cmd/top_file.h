/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A file of event lines, for `top --replay`: read once, as fast as it goes. It is shown as it stands at its end. */
#ifndef SW_CMD_TOP_FILE_H
#define SW_CMD_TOP_FILE_H

#include "output/filter.h"
#include "top/guard.h"
#include "top/model.h"

#define SW_TOP_FILE_CONNS (1u << 19) /* that are kept; more are counted */

struct sw_top_file_counts {
    __u64 lost;   /* lines, by what loss lines say */
    __u64 broken; /* lines that are no event */
    __u64 left;   /* connections that were too many */
};

/* The model is as after a look at the time of the last line, a span of all of the file after the first one; times are
 * nanoseconds since 1970. An enum sw_exit, after a line on stderr. */
int sw_top_file_read(const char *path, const struct sw_filter *filter, struct sw_top_model *m, struct sw_top_guard *g,
                     struct sw_top_file_counts *ret);

#endif
