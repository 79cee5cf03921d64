/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happened to a connection between two points of its path, from what its line says at each of them. Pure: two
 * views in, facts and one verdict out. A segment of a side is sent by it, passes the view nearer to it first, and the
 * other one afterwards; so what only one of them saw was made, or lost, between them. No clock is compared with the
 * other file's: only durations, and who saw what.
 */
#ifndef SW_JOIN_JUDGE_H
#define SW_JOIN_JUDGE_H

#include "join/view.h"

/* From weak to strong. The last two are no findings. */
#define SW_VERDICTS(X)                                                                                                 \
    X(SW_VERDICT_, AGREE, "agree")                                                                                     \
    X(SW_VERDICT_, DELAYED, "delayed")                                                                                 \
    X(SW_VERDICT_, RETRANSMITTED, "retransmitted")                                                                     \
    X(SW_VERDICT_, REWRITTEN, "rewritten")                                                                             \
    X(SW_VERDICT_, SWALLOWED, "swallowed")                                                                             \
    X(SW_VERDICT_, RESET, "reset_injected")                                                                            \
    X(SW_VERDICT_, ABSENT, "absent")                                                                                   \
    X(SW_VERDICT_, CANNOT_TELL, "cannot_tell")
enum sw_join_verdict { SW_VERDICTS(SW_ENUM_ITEM) SW_VERDICT_MAX };

/* What a fact is about, of one side's segments. */
#define SW_JOIN_WHATS(X)                                                                                               \
    X(SW_JOIN_, RST, "rst")                                                                                            \
    X(SW_JOIN_, FIN, "fin")                                                                                            \
    X(SW_JOIN_, BYTES, "bytes")                                                                                        \
    X(SW_JOIN_, SYN, "syn")                                                                                            \
    X(SW_JOIN_, SYNACK, "synack")                                                                                      \
    X(SW_JOIN_, ACK, "ack")                                                                                            \
    X(SW_JOIN_, DATA, "data")                                                                                          \
    X(SW_JOIN_, ISN, "isn")                                                                                            \
    X(SW_JOIN_, OPT_MSS, "mss")                                                                                        \
    X(SW_JOIN_, OPT_WSCALE, "wscale")                                                                                  \
    X(SW_JOIN_, OPT_SACK, "sack")                                                                                      \
    X(SW_JOIN_, OPT_TS, "ts")                                                                                          \
    X(SW_JOIN_, OPT_ECN, "ecn")                                                                                        \
    X(SW_JOIN_, OPT_TFO, "tfo")                                                                                        \
    X(SW_JOIN_, OPT_MPTCP, "mptcp")                                                                                    \
    X(SW_JOIN_, HANDSHAKE, "handshake")
enum sw_join_what { SW_JOIN_WHATS(SW_ENUM_ITEM) SW_JOIN_WHAT_MAX };

/* Why a difference proves nothing. */
#define SW_JOIN_DOUBTS(X)                                                                                              \
    X(SW_DOUBT_, NONE, "none")                                                                                         \
    X(SW_DOUBT_, DIRECTION, "direction") /* which view is nearer to which end is not known */                          \
    X(SW_DOUBT_, ENDED, "ended")         /* one was watched less long than the other lasted */                         \
    X(SW_DOUBT_, ONE_SIDED, "one_sided") /* one saw no segment of that side, though it spoke */                        \
    X(SW_DOUBT_, HISTORY, "history")     /* its history has left letters out */
enum sw_join_doubt { SW_JOIN_DOUBTS(SW_ENUM_ITEM) SW_DOUBT_MAX };

struct sw_join_fact {
    __u8 kind;      /* enum sw_join_verdict that it speaks for */
    __u8 what;      /* enum sw_join_what */
    __u8 side;      /* enum sw_side: whose segments */
    __u8 doubt;     /* enum sw_join_doubt */
    __u64 value[2]; /* of either view; SW_JOIN_NONE: it has none. Of what may be seen: 1 and 0 */
};

enum sw_join_nearer { SW_NEARER_UNKNOWN, SW_NEARER_FIRST, SW_NEARER_SECOND };

#define SW_JOIN_FACTS 32
struct sw_join_facts {
    __u8 verdict;  /* enum sw_join_verdict */
    __u8 nearer;   /* enum sw_join_nearer: which view is nearer to the originator */
    __u64 between; /* ns of the round trip between both; SW_JOIN_NONE: not known */
    size_t len;    /* strongest first */
    struct sw_join_fact fact[SW_JOIN_FACTS];
};

struct sw_join_rules {
    __u64 delay;                /* ns of round trip between the views from which it is delayed */
    enum sw_join_nearer nearer; /* where the lines do not say */
};

void sw_join_judge(const struct sw_join_view *first, const struct sw_join_view *second,
                   const struct sw_join_rules *rules, struct sw_join_facts *ret);

const char *sw_join_verdict_name(unsigned int i);
const char *sw_join_what_name(unsigned int i);
const char *sw_join_doubt_name(unsigned int i);

#endif
