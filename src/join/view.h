/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection as one file has it: what of its `conn` line (docs/events.md) can be compared with another file's. */
#ifndef SW_JOIN_VIEW_H
#define SW_JOIN_VIEW_H

#include "ladder/line.h"

#define SW_JOIN_NONE (~0ull) /* a number that the line has not */

/* What a line says of something that may be seen: no only if it says so. */
enum sw_join_saw { SW_SAW_NO, SW_SAW_YES, SW_SAW_UNKNOWN };

/* Options of a SYN or SYN-ACK, each SW_JOIN_NONE if there was none. */
enum sw_join_option {
    SW_JOIN_MSS,
    SW_JOIN_WSCALE,
    SW_JOIN_SACK, /* from here on: 0 or 1, or a number of its value */
    SW_JOIN_TS,
    SW_JOIN_ECN,
    SW_JOIN_TFO,
    SW_JOIN_MPTCP,
    SW_JOIN_OPTIONS
};

struct sw_join_view {
    char uid[SW_UID_LEN + 1];
    __u8 ip[2][16]; /* by enum sw_side, as all that has two */
    __be16 port[2];
    __u64 ts, start, duration; /* ns; the first two since 1970, by the file's own clock */
    __u64 handshake, server, client;
    __u64 bytes[2], payload[2], pkts[2];
    __u64 rexmit[2], syn_rexmit[2]; /* of data; of SYN and of SYN-ACK */
    __u32 isn[2];
    bool has_isn[2];
    __u64 option[2][SW_JOIN_OPTIONS];
    bool cut[2];                   /* options behind what a capture holds */
    bool local[2];                 /* this end is the host's that wrote the file */
    __u8 rst[2], fin[2];           /* enum sw_join_saw */
    __u8 reason;                   /* enum sw_reason */
    bool established;              /* its handshake is complete */
    bool cookie, unseen;           /* via a SYN cookie; picked up midstream */
    bool fits;                     /* the filter */
    bool again;                    /* may be a line that was logged before */
    struct sw_ladder_conn *ladder; /* NULL: none, or not asked for */
};

enum sw_join_read {
    SW_JOIN_OTHER, /* no `conn` line */
    SW_JOIN_BAD,   /* one without what every such line has */
    SW_JOIN_VIEW,
};
/* ret->ladder is to be freed. */
enum sw_join_read sw_join_view_of(const struct sw_line *line, const struct sw_filter *filter, bool ladder,
                                  struct sw_join_view *ret);

/* How long it was watched, from its first segment on: until its line was made. */
__u64 sw_join_watched(const struct sw_join_view *v);

#endif
