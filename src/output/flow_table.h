/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections as a table for people: their order, their rates, their rows. */
#ifndef SW_OUTPUT_FLOW_TABLE_H
#define SW_OUTPUT_FLOW_TABLE_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

enum sw_flow_sort { SW_SORT_NONE, SW_SORT_BYTES, SW_SORT_AGE, SW_SORT_HANDSHAKE, SW_SORT_RATE };

struct sw_flow_row {
    struct sw_key key;
    struct sw_flow flow;
    __u64 rate; /* IP bytes a second, both directions; where it is known */
};

struct sw_flow_rows {
    struct sw_flow_row *row;
    size_t len, room;
};

int sw_flow_rows_add(struct sw_flow_rows *rows, const struct sw_flow_row *row); /* 0 or -ENOMEM */
/* What there is most of comes first: bytes, age, time of the handshake (those without one last), rate. Where that is
 * equal: the older one, then by key, so that a table that is drawn again keeps its order. */
void sw_flow_rows_sort(struct sw_flow_rows *rows, enum sw_flow_sort by);

/* What a table held at a time, for the rates of the next look. */
struct sw_flow_look {
    __u64 ns;
    struct sw_flow_seen {
        struct sw_key key;
        int pid; /* of the instance: two may follow one connection */
        __u64 start_ns, bytes;
    } * seen;
    size_t len, room;
};

int sw_flow_look_add(struct sw_flow_look *look, int pid, const struct sw_key *key, const struct sw_flow *flow);
void sw_flow_look_end(struct sw_flow_look *look); /* no more come: it can be asked */
/* Since that look; of a connection that it did not see though it was there, since its begin. */
__u64 sw_flow_rate(const struct sw_flow_look *before, __u64 now, int pid, const struct sw_key *key,
                   const struct sw_flow *flow);

/*
 * A row of 80 columns; where the state stands, a table by handshake or rate has that. IPv6 addresses lose groups, as in
 * text_row.h. Terminated, without a newline; the end is returned.
 *
 *     UID                CLIENT -> SERVER                               STATE AGE    B
 *     CUWSZ8jN2vWv9bqCx4 10.66.0.1:43210 -> 10.66.0.2:7777              estab 12s 1.2k
 */
#define SW_FLOW_ROW_ROOM 512
char *sw_flow_head(char *p, enum sw_flow_sort by, bool wide);
char *sw_flow_row_narrow(char *p, const struct sw_flow_row *row, __u64 now, enum sw_flow_sort by);
/* All columns. iface: a name */
char *sw_flow_row_wide(char *p, const struct sw_flow_row *row, __u64 now, enum sw_flow_sort by, const char *iface);

#endif
