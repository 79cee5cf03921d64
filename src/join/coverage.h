/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a file can have seen: from its first line to its last one, but for holes. A hole is a time of which lines may be
 * missing: `seq` lacks some, a `loss` line has a `conn` in it, another process began, a line was broken. That a
 * connection is not in the file says something only where there is none.
 */
#ifndef SW_JOIN_COVERAGE_H
#define SW_JOIN_COVERAGE_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

/* Why a file may lack a line, weak to strong. */
#define SW_JOIN_HOLES(X)                                                                                               \
    X(SW_HOLE_, NONE, "none")                                                                                          \
    X(SW_HOLE_, WINDOW, "window")         /* it was given up before: --window, --pending */                            \
    X(SW_HOLE_, NO_STATS, "no_stats")     /* no stats line after it says that the run followed all */                  \
    X(SW_HOLE_, AMBIGUOUS, "ambiguous")   /* it has one that may be this one, or another */                            \
    X(SW_HOLE_, UNFOLLOWED, "unfollowed") /* it has segments that it did not follow: of a filter, or the guard's */    \
    X(SW_HOLE_, MIDSTREAM, "midstream")   /* it has connections that were picked up midstream */                       \
    X(SW_HOLE_, OPEN, "open")             /* it has connections of then that were open, or may have */                 \
    X(SW_HOLE_, CLOCK, "clock")           /* its clock was set, or nothing shows that it is the other's */             \
    X(SW_HOLE_, BEFORE, "before")         /* it begins later */                                                        \
    X(SW_HOLE_, AFTER, "after")           /* it ends earlier */                                                        \
    X(SW_HOLE_, RESTART, "restart")       /* another process began */                                                  \
    X(SW_HOLE_, BROKEN, "broken")         /* lines that cannot be read, or have no seq */                              \
    X(SW_HOLE_, LOSS, "loss")             /* loss lines */                                                             \
    X(SW_HOLE_, GAP, "gap")               /* seq lacks lines that no loss line speaks of */                            \
    X(SW_HOLE_, SAMPLED, "sampled")       /* it is a sample: most connections have no line */
enum sw_join_hole { SW_JOIN_HOLES(SW_ENUM_ITEM) SW_HOLE_MAX };

struct sw_hole {
    __u64 from, to; /* ns since 1970 */
    __u64 count;    /* lines, connections, or times, as its kind says */
    __u8 kind;
    bool guard; /* its guard dropped segments then */
};

#define SW_COVERAGE_HOLES 4096
struct sw_coverage {
    __u64 lines, missing, lost_conn, restarts; /* missing: by seq, and by no loss line */
    __u64 clocks;                              /* how often its clock was set, or may have been before a restart */
    __u64 first, last;                         /* ts; last: the largest */
    __u64 now;                                 /* as far as it is: the largest since its clock was set back */
    __u64 stats, interval;                     /* ts of the last `stats` line; ns between two, at least; 0: none */
    __u64 dropped;                             /* by the guard, as the last `stats` line says */
    __u64 conns, emitted; /* `conn` lines of this process; what its last `stats` line says of them */
    __u64 seq;
    bool has_seq;
    bool again; /* lines may be logged a second time, until seq is where it was */
    __u64 seq_was, again_until;
    bool ended;   /* no more lines */
    bool final;   /* the last line is a final `stats`, */
    __u64 open;   /* with so many connections that had no `conn` line */
    __u64 sample; /* it has one connection of so many; 0: all */
    size_t len, room;
    struct sw_hole *hole;
    __u64 unfollowed;                /* segments, as the `stats` lines say */
    bool has_opening;                /* this process logs `opening` lines, */
    __u64 opening_since;             /* and so did those before it, from then on: */
    struct sw_open_seconds *seconds; /* how many of each second have no `conn` line yet */
};

/* What one line is, besides its ts and seq. */
struct sw_coverage_line {
    __u64 ts, seq;
    bool has_seq;
    bool is_loss, is_drop; /* is_drop: of a `drop` line, and the packet did not pass */
    __u64 lost, lost_conn; /* all; `conn` and `opening` */
    bool is_stats, is_final;
    __u64 emitted, dropped; /* stats: `conn` lines; segments, by the guard */
    __u64 unfollowed;       /* stats, also if it is not final */
    __u64 open;
    __u64 sample; /* 0: it speaks of none */
};

int sw_coverage_init(struct sw_coverage *c);
/* 0 or -ENOMEM, of all that follow. */
int sw_coverage_line(struct sw_coverage *c, const struct sw_coverage_line *line);
int sw_coverage_broken(struct sw_coverage *c, __u64 lines, __u64 ts);            /* lines before the one of that time */
int sw_coverage_unsure(struct sw_coverage *c, int kind, __u64 start, __u64 end); /* it has something that may be any */
int sw_coverage_midstream(struct sw_coverage *c, __u64 start, __u64 ts);         /* a connection without ISNs */

int sw_coverage_opening(struct sw_coverage *c, __u64 ts); /* a connection begins */
int sw_coverage_conn(struct sw_coverage *c, __u64 start); /* its `conn` line */

/*
 * Could a connection with segments from `start` to `end` be missing, of which there was no `conn` line until `to`?
 * slack: what clocks may differ by. SW_HOLE_NONE: the file would have it, or an `opening` without its `conn`.
 */
struct sw_hole sw_coverage_ask(const struct sw_coverage *c, __u64 start, __u64 end, __u64 to, __u64 slack);
/* May its guard have dropped a segment between these times? */
bool sw_coverage_guarded(const struct sw_coverage *c, __u64 from, __u64 to);
void sw_coverage_free(struct sw_coverage *c);

const char *sw_join_hole_name(unsigned int i);

#endif
