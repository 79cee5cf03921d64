/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of files that are read side by side, and what comes of one connection. */
#ifndef SW_JOIN_STATE_H
#define SW_JOIN_STATE_H

#include "join/coverage.h"
#include "join/judge.h"
#include "join/past.h"
#include "join/pending.h"

struct sw_join_opts {
    unsigned int files; /* 2 to SW_JOIN_FILES */
    struct sw_join_rules rules;
    __u64 window, slack;            /* ns; slack: what clocks may differ by */
    size_t pending;                 /* connections that wait, at most */
    bool ladders;                   /* keep them */
    const struct sw_filter *filter; /* view.fits */
};

/* Two neighbours on the way, of the files that have the connection. */
struct sw_join_pair {
    unsigned int file[2];
    struct sw_join_facts facts;
};

struct sw_join_result {
    __u8 verdict; /* enum sw_join_verdict */
    __u8 match;   /* enum sw_join_match */
    unsigned int views, pairs;
    const struct sw_join_view *view[SW_JOIN_FILES]; /* by file; NULL: it has none */
    bool ambiguous;                                 /* it could also have been matched otherwise */
    unsigned int missing;                           /* 1 << file of those that have none */
    struct sw_hole hole[SW_JOIN_FILES];             /* and why that proves nothing */
    struct sw_join_pair pair[SW_JOIN_FILES - 1];
};

struct sw_join_file {
    struct sw_coverage coverage;
    bool common[SW_JOIN_FILES];  /* it has a connection of that file, by both ISNs, */
    bool met[SW_JOIN_FILES];     /* also since both clocks were set last: */
    __u64 offset[SW_JOIN_FILES]; /* ns, the most that their clocks were apart */
    __u64 conns, without_isn, doubles, again, other_schema;
    __u64 backwards; /* ns, the most that a line is older than one before it */
    char host[64];   /* of its first line, for people: printable ASCII */
};

struct sw_join {
    struct sw_join_opts opts;
    struct sw_join_file file[SW_JOIN_FILES];
    __u64 verdict[SW_VERDICT_MAX];
    size_t pending_most; /* that ever waited */
    int err;             /* that was met while deciding */
    __u64 forgot;        /* ts of the newest line about a connection that was decided and is not remembered any more */
    __u64 cut;           /* decided early: more would have waited than may */
    struct sw_pending *pending;
    struct sw_past *past;
    void (*decided)(const struct sw_join_result *r, void *ctx);
    void *ctx;
};

#endif
