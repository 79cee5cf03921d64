/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of lines about a connection, by group. For json.c, and for ecs.c, where some of them have other names. */
#ifndef SW_OUTPUT_JSON_GROUPS_H
#define SW_OUTPUT_JSON_GROUPS_H

#include "output/line.h"

/* What a line has besides its identity and states: groups of keys. */
enum {
    PROTO = 1 << 0, /* and ip_version */
    COMMUNITY_ID = 1 << 1,
    DIRECTION = 1 << 2,
    ANOMALY = 1 << 3,   /* and who sent it */
    ANOMALIES = 1 << 4, /* their number */
    RST = 1 << 5,
    ZEEK = 1 << 6, /* conn_state, history */
    REASON = 1 << 7,
    VIA = 1 << 8,
    HANDSHAKE = 1 << 9,
    INFERRED = 1 << 10,
    REXMIT = 1 << 11,   /* of SYN and SYN-ACK */
    TIMES = 1 << 12,    /* of the handshake */
    ORIG_SYN = 1 << 13, /* the options that most ask for, of each side; */
    RESP_SYN = 1 << 14,
    SYN_DETAILS = 1 << 15, /* the ISNs and the other options */
    BYTES = 1 << 16,       /* of each side; */
    VOLUME_DETAILS = 1 << 17,
    MISSED = 1 << 18,
    SPAN = 1 << 19, /* start, end */
    DURATION = 1 << 20,
    CLOSED_BY = 1 << 21,
    PKTS = 1 << 22,
    HOOK = 1 << 23,
    OWNER = 1 << 24,    /* of ends that are this host's */
    IP_BYTES = 1 << 25, /* of each side, with VOLUME_DETAILS */
    EVERY = (1 << 26) - 1,
};

__u32 sw_json_groups(const struct sw_lines *l, enum sw_event_kind kind); /* those that a line has */
/* ,"key":value of these groups: all but those of identity (PROTO, COMMUNITY_ID) and HOOK; and the ladder, if any. */
char *sw_json_conn_keys(struct sw_lines *l, char *p, const struct sw_event *ev, __u32 groups);

#endif
