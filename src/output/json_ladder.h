/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ladder of a `conn` record, with --ladder. */
#ifndef SW_OUTPUT_JSON_LADDER_H
#define SW_OUTPUT_JSON_LADDER_H

#include "synward_ladder.h"

#include <stddef.h>

/* NULL: the record has none. */
static inline const struct sw_ladder *sw_event_ladder(const struct sw_event *ev)
{
    if (ev->kind != SW_EV_CONN || ev->size != sizeof(struct sw_conn_event))
        return NULL;
    return &((const struct sw_conn_event *)ev)->ladder;
}

/* How many it has, oldest first, and the i-th of them: whatever its numbers are, within the ring. */
static inline __u32 sw_ladder_len(const struct sw_ladder *l)
{
    return l->kept < SW_LADDER ? l->kept : SW_LADDER;
}

static inline const struct sw_ladder_seg *sw_ladder_at(const struct sw_ladder *l, __u32 i)
{
    return &l->seg[(l->next - sw_ladder_len(l) + i) % SW_LADDER];
}

/* The keys ladder and ladder_more. Nothing if the record has none. */
char *sw_json_ladder(char *p, const struct sw_event *ev);

#endif
