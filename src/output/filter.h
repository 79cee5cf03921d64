/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a view shows: the rules that the programs can decide too, and what only a flow as it stands can answer. Plain
 * data without pointers: it may be copied.
 */
#ifndef SW_OUTPUT_FILTER_H
#define SW_OUTPUT_FILTER_H

#include "base/filter_rules.h"
#include "output/conn_id.h"
#include "owner/owners.h"

#define SW_FILTER_UIDS 16
#define SW_FILTER_PIDS 16
#define SW_FILTER_PATTERN 256

/* All zero: everything is shown. What is given must hold together. */
struct sw_filter {
    struct sw_filter_rules rules;
    __u32 states;           /* 1 << enum sw_state of either end, 1 << (SW_ST_MAX + enum sw_conn_state); 0: any */
    __u32 outcomes;         /* 1 << enum sw_reason; 0: any */
    __u64 min_bytes;        /* IP bytes of both directions */
    __u64 min_handshake_ns; /* 0: also without one */
    __u32 uids_len;         /* 0: any */
    __u32 pids_len;         /* 0: any */
    char uids[SW_FILTER_UIDS][SW_UID_LEN + 1];
    __s32 pids[SW_FILTER_PIDS];     /* what one end has to fit: one of these, */
    char cgroup[SW_FILTER_PATTERN]; /* its path this; empty: any, */
    char comm[SW_FILTER_PATTERN];   /* and its name that */
};
SW_ASSERT(SW_ST_MAX + SW_CS_MAX <= 32, "sw_filter.states has a bit for each");
SW_ASSERT(SW_WHY_MAX <= 32, "sw_filter.outcomes has a bit for each");

/* "CzKz…,C0a…": adds to those that are there. 0, or -EINVAL and a line in why. */
int sw_filter_add_uids(struct sw_filter *filter, const char *text, char *why, size_t size);

/* "1,4711": the same. */
int sw_filter_add_pids(struct sw_filter *filter, const char *text, char *why, size_t size);
/* A pattern as glob.h has it: -EINVAL if it is none that can be sent. to: cgroup or comm. */
int sw_filter_set_pattern(char to[SW_FILTER_PATTERN], const char *text, char *why, size_t size);
bool sw_filter_asks_process(const struct sw_filter *filter);
bool sw_filter_asks_owner(const struct sw_filter *filter); /* that, or the cgroup */

/* What it asks of a connection. */
struct sw_filter_conn {
    const struct sw_key *key;
    bool orig_is_b;
    __u8 state[2];      /* enum sw_state of originator and responder */
    __u8 conn_state;    /* enum sw_conn_state */
    __u8 reason;        /* enum sw_reason */
    __u64 ip_bytes;     /* of both directions */
    __u64 handshake_ns; /* ~0: not seen */
    const char *uid;
};
bool sw_filter_match_conn(const struct sw_filter *filter, const struct sw_filter_conn *conn);

/* Key and flow of a table, or of a struct sw_event. owners NULL: nobody's. */
bool sw_filter_match(const struct sw_filter *filter, const struct sw_key *key, const struct sw_flow *flow,
                     struct sw_owners *owners);

#endif
