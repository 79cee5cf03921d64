/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ladder of a `conn` line (docs/events.md). Any line may come. */
#ifndef SW_LADDER_LINE_H
#define SW_LADDER_LINE_H

#include "ladder/conn.h"
#include "lines/ndjson.h"
#include "output/filter.h"

enum sw_ladder_found {
    SW_LADDER_OTHER, /* it is no `conn` line, or the filter leaves it out */
    SW_LADDER_NONE,  /* it is one without a ladder */
    SW_LADDER_BAD,   /* its ladder, its uid or its ends are not what we know */
    SW_LADDER_OK,
};
enum sw_ladder_found sw_ladder_of_line(const struct sw_line *line, const struct sw_filter *filter,
                                       struct sw_ladder_conn *ret);

#endif
