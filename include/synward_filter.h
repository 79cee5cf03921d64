/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connections are followed, or shown: lists of ports and networks, each for either end or for one role, and the
 * decision. Pure; the programs and user space share it, so that `run --port` and `flows --port` mean the same.
 */
#ifndef SYNWARD_FILTER_H
#define SYNWARD_FILTER_H

#include "synward.h"

/*
 * The lists, as bits of what an endpoint is in. SRC is about the originator, DST and SERVER about the responder, PORT
 * and NET about either. Those of ports come first.
 */
#define SW_FILTER_LISTS(X)                                                                                             \
    X(SW_FL_, PORT, "port")                                                                                            \
    X(SW_FL_, SERVER, "server")                                                                                        \
    X(SW_FL_, NOT_PORT, "not-port")                                                                                    \
    X(SW_FL_, NOT_SERVER, "not-server")                                                                                \
    X(SW_FL_, NET, "net")                                                                                              \
    X(SW_FL_, SRC, "src")                                                                                              \
    X(SW_FL_, DST, "dst")                                                                                              \
    X(SW_FL_, NOT_NET, "not-net")                                                                                      \
    X(SW_FL_, NOT_SRC, "not-src")                                                                                      \
    X(SW_FL_, NOT_DST, "not-dst")
enum sw_filter_list { SW_FILTER_LISTS(SW_ENUM_ITEM) SW_FL_MAX };
#define SW_FILTER_PORT_LISTS SW_FL_NET

#define SW_FL_BIT(list) (1u << SW_FL_##list)
#define SW_FL_NEGATED                                                                                                  \
    (SW_FL_BIT(NOT_PORT) | SW_FL_BIT(NOT_SERVER) | SW_FL_BIT(NOT_NET) | SW_FL_BIT(NOT_SRC) | SW_FL_BIT(NOT_DST))
#define SW_FL_ORIG (SW_FL_BIT(SRC) | SW_FL_BIT(NOT_SRC))
#define SW_FL_RESP (SW_FL_BIT(DST) | SW_FL_BIT(SERVER) | SW_FL_BIT(NOT_DST) | SW_FL_BIT(NOT_SERVER))
#define SW_FL_EITHER (SW_FL_BIT(PORT) | SW_FL_BIT(NET) | SW_FL_BIT(NOT_PORT) | SW_FL_BIT(NOT_NET))

#define SW_FILTER_NETS 64 /* of all lists together: each is compared */

struct sw_filter_net {
    __u64 ip[2]; /* v4-mapped, as on the wire, host bits zero */
    __u64 mask[2];
    __u32 lists; /* 1 << enum sw_filter_list */
    __u32 v4;    /* 1: of IPv4; else not of IPv4, though ::/0 holds the mapped addresses */
};

/* All zero: everything is followed. */
struct sw_filter_rules {
    __u32 lists; /* 1 << enum sw_filter_list: those that are given */
    __u32 nets_len;
    struct sw_filter_net nets[SW_FILTER_NETS];
    __u64 ports[SW_FILTER_PORT_LISTS][1024]; /* a bit each */
};

/*
 * The one element of map `filter`. A change fills the slot that is not in use, then moves `active`: a packet sees the
 * old rules or the new ones, as a whole.
 */
struct sw_filter_map {
    __u32 active;     /* 1 + the slot in use; 0: no filter */
    __u32 generation; /* of changes */
    __u32 swept;      /* the generation that the sweep has applied to the flows that were there, */
    __u32 passes;     /* how often it will yet, */
    __u32 held_back;  /* and for how many the last time found no space in a ring */
    __u32 pad;
    struct sw_filter_rules slot[2];
};

/* What a connection has, of what its ends are in. */
static inline __u32 sw_filter_have(__u32 orig, __u32 resp)
{
    return ((orig | resp) & SW_FL_EITHER) | (orig & SW_FL_ORIG) | (resp & SW_FL_RESP);
}

/* One of each list that is given, and nothing of the negated ones. */
static inline int sw_filter_admits(__u32 lists, __u32 orig, __u32 resp)
{
    return (sw_filter_have(orig, resp) & lists) == (lists & ~SW_FL_NEGATED);
}

/*
 * Picked up midstream: nobody knows who began, the answer must be the same for both directions, and what a SYN has
 * excluded must not come back by its data. So an address has a role for certain only if both ends would have it; the
 * server is the end with the lower port; and what is negated holds for either end.
 */
static inline int sw_filter_admits_midstream(__u32 lists, __u32 lower, __u32 higher)
{
    const __u32 either = SW_FL_BIT(PORT) | SW_FL_BIT(NET) | SW_FL_NEGATED;

    return ((((lower | higher) & either) | (lower & higher) | (lower & SW_FL_BIT(SERVER))) & lists) ==
           (lists & ~SW_FL_NEGATED);
}

static inline int sw_filter_has_port(const struct sw_filter_rules *rules, int list, __u16 port)
{
    return rules->ports[list][port >> 6] >> (port & 63) & 1;
}

SW_ASSERT(sizeof(struct sw_filter_net) == 40, "sw_filter_net has no padding");
SW_ASSERT(sizeof(struct sw_filter_rules) == 8 + SW_FILTER_NETS * 40 + SW_FILTER_PORT_LISTS * 8192,
          "sw_filter_rules has no padding");

#endif
