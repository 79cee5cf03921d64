/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection as its ladder shows it, from a line or from the maps: numbers only, so that nothing of a line that
 * others made gets into a picture as text.
 */
#ifndef SW_LADDER_CONN_H
#define SW_LADDER_CONN_H

#include "output/conn_id.h"
#include "synward_ladder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct sw_ladder_step {
    __u64 ns;      /* since the connection began */
    __u32 seq;     /* relative to the sender's first sequence number */
    __u32 ack;     /* relative to the other's; with SW_TCP_ACK */
    __u32 len;     /* payload bytes */
    __u16 flags;   /* SW_TCP_* */
    __u8 from;     /* enum sw_side */
    __u8 state[2]; /* enum sw_state of both ends after it */
};

struct sw_ladder_conn {
    char uid[SW_UID_LEN + 1];
    __u8 ip[2][16]; /* by enum sw_side */
    __be16 port[2];
    __u64 start_ns; /* of 1970 */
    __u64 duration_ns;
    __u8 reason;    /* enum sw_reason; SW_WHY_NONE: it is open */
    __u8 closed_by; /* as in struct sw_flow */
    __u32 lost;     /* control segments that are not there, or SW_LADDER_UNKNOWN */
    size_t len;
    struct sw_ladder_step step[SW_LADDER];
};

/* Numbers of segments are absolute until then: subtracts each side's first one, its ISN where that is known. */
void sw_ladder_relate(struct sw_ladder_conn *c, const bool isn_known[2], const __u32 isn[2]);

/* Of a table: flow and ladder of one key; l may be NULL or of another flow. clock_offset: to ns of 1970. */
void sw_ladder_of_flow(const struct sw_key *key, const struct sw_flow *f, const struct sw_ladder *l, __s64 clock_offset,
                       struct sw_ladder_conn *ret);

/* What is on an arrow: "SYN,ACK seq 0 ack 1 len 5". At most `width` characters, which is 16 or more. */
#define SW_LADDER_LABEL 128
void sw_ladder_label(const struct sw_ladder_step *s, size_t width, char buf[SW_LADDER_LABEL]);
/* How it ended: "fin, orig first; 1.2 s"; "open". And what is not there: "" or "3 more segments were not kept". */
#define SW_LADDER_NOTE 96
void sw_ladder_end(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE]);
void sw_ladder_missing(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE]);
/* "2026-11-28 15:30:00.123456 UTC" */
void sw_ladder_began(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE]);

/* 80 columns; utf8: arrows of box-drawing characters, else of ASCII. */
void sw_ladder_text(const struct sw_ladder_conn *c, bool utf8, FILE *out);

/* One image of all, one below the other, in light or dark as its reader has it. */
void sw_ladder_svg(const struct sw_ladder_conn *conns, size_t len, FILE *out);

/* Pieces of such an image, which ends with </svg>: its begin, with classes soft, line, arrow and rst; text of ours. */
void sw_ladder_svg_begin(int width, int height, size_t conns, FILE *out);
void sw_ladder_svg_text(FILE *out, int x, int y, const char *anchor, const char *kind, const char *text);

#endif
