/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several files about the same connections, read side by side: each connection is decided once all files have its line,
 * or once every other file is by more than the window ahead of its first line. What waits is bounded by that, and by a
 * number.
 */
#ifndef SW_JOIN_JOIN_H
#define SW_JOIN_JOIN_H

#include "join/coverage.h"
#include "join/judge.h"
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
    unsigned int missing;                           /* 1 << file of those that have none */
    struct sw_hole hole[SW_JOIN_FILES];             /* and why that proves nothing */
    struct sw_join_pair pair[SW_JOIN_FILES - 1];
};

struct sw_join_file {
    struct sw_coverage coverage;
    __u64 conns, without_isn, doubles, again, other_schema;
    __u64 backwards; /* ns, the most that a line is older than one before it */
    char host[64];   /* of its first line, for people: printable ASCII */
};

struct sw_join {
    struct sw_join_opts opts;
    struct sw_join_file file[SW_JOIN_FILES];
    __u64 verdict[SW_VERDICT_MAX];
    size_t pending_most; /* that ever waited */
    __u64 cut;           /* decided early: more would have waited than may */
    struct sw_pending *pending;
    void (*decided)(const struct sw_join_result *r, void *ctx);
    void *ctx;
};

/* decided is called for each connection; what it is given is valid until it returns. 0 or -errno, of all. */
int sw_join_init(struct sw_join *j, const struct sw_join_opts *opts,
                 void (*decided)(const struct sw_join_result *r, void *ctx), void *ctx);
void sw_join_fini(struct sw_join *j);

/* The file whose line is to be read next; -1: all have ended. */
int sw_join_next(const struct sw_join *j);
/* Its next line, before which so many were broken. */
int sw_join_line(struct sw_join *j, unsigned int file, const struct sw_line *line, __u64 broken);
/* It has no more; cut: it was damaged, so it may have had. All have ended: what waits is decided. */
int sw_join_end(struct sw_join *j, unsigned int file, __u64 broken, bool cut);

#endif
