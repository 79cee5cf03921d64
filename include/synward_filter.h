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
    __u32 pad;
};

/* All zero: everything is followed. */
struct sw_filter_rules {
    __u32 lists; /* 1 << enum sw_filter_list: those that are given */
    __u32 nets_len;
    struct sw_filter_net nets[SW_FILTER_NETS];
    __u64 ports[SW_FILTER_PORT_LISTS][1024]; /* a bit each */
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

static inline int sw_filter_has_port(const struct sw_filter_rules *rules, int list, __u16 port)
{
    return rules->ports[list][port >> 6] >> (port & 63) & 1;
}

SW_ASSERT(sizeof(struct sw_filter_net) == 40, "sw_filter_net has no padding");
SW_ASSERT(sizeof(struct sw_filter_rules) == 8 + SW_FILTER_NETS * 40 + SW_FILTER_PORT_LISTS * 8192,
          "sw_filter_rules has no padding");

#endif
