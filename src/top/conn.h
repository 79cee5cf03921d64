/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection as `top` keeps it: of a table's flow, or of the lines of a file. */
#ifndef SW_TOP_CONN_H
#define SW_TOP_CONN_H

#include "output/conn_id.h"
#include "output/text_row.h"
#include "synward.h"

#include <stdbool.h>

#define SW_TOP_UNKNOWN (~0ull) /* of a duration: not seen */

enum sw_top_phase { SW_TOP_HALF_OPEN, SW_TOP_OPEN, SW_TOP_CLOSING, SW_TOP_ENDED };

struct sw_top_conn {
    struct sw_key key;
    __u8 orig_is_b;
    __u8 phase;    /* enum sw_top_phase */
    __u8 state[2]; /* enum sw_state of originator and responder */
    __u8 conn_state;
    __u8 reason;   /* enum sw_reason */
    __u8 answered; /* by a SYN-ACK */
    __u8 hist_len;
    __u8 local; /* by bit 1 << enum sw_side: that end is this host's */
    char hist[SW_HIST_MAX];
    __u32 ifindex; /* 0: unknown */
    __u16 syn_rexmit, synack_rexmit;
    __u32 rexmit[2];
    __u64 start_ns, last_ns;
    __u64 handshake_ns, server_ns, client_ns; /* all of it, and its two parts; or SW_TOP_UNKNOWN */
    __u64 pkts[2], ip_bytes[2];
    struct sw_owner owner[2]; /* as in the table */
    __u64 rate;               /* IP bytes a second of both directions since the look before */
    char uid[SW_UID_LEN + 1]; /* empty: it follows from key and start_ns */
};

/* rate is left 0. */
void sw_top_conn_of(const struct sw_key *key, const struct sw_flow *flow, struct sw_top_conn *ret);

/* Originator and responder, by enum sw_side. They point into the connection. */
void sw_top_conn_ends(const struct sw_top_conn *c, struct sw_text_end ret[2]);
void sw_top_conn_uid(const struct sw_top_conn *c, char buf[SW_UID_LEN + 1]);
/* One word: sent, rcvd, estab, closing; of one that ended its reason. */
const char *sw_top_conn_state(const struct sw_top_conn *c);

static inline __u64 sw_top_conn_bytes(const struct sw_top_conn *c)
{
    return c->ip_bytes[SW_ORIG] + c->ip_bytes[SW_RESP];
}

#endif
