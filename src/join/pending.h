/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that wait for their lines of the other files. A line finds its connection by both initial sequence
 * numbers, or by one where the other was not seen; where a middlebox writes new ones, by what else is equal.
 */
#ifndef SW_JOIN_PENDING_H
#define SW_JOIN_PENDING_H

#include "join/view.h"

#define SW_JOIN_FILES 8
#define SW_JOIN_LOOK 64 /* of connections with one number at most so many are looked at */

/* How the views were found to be one connection, best last. */
#define SW_JOIN_MATCHES(X)                                                                                             \
    X(SW_MATCH_, NONE, "none")                                                                                         \
    X(SW_MATCH_, TUPLE, "tuple")     /* addresses, ports and payload; both ISNs differ */                              \
    X(SW_MATCH_, PAYLOAD, "payload") /* one ISN, and payload or addresses; the other ISN differs */                    \
    X(SW_MATCH_, ONE, "one_isn")     /* one ISN; the other was not seen at one of them */                              \
    X(SW_MATCH_, BOTH, "isn")
enum sw_join_match { SW_JOIN_MATCHES(SW_ENUM_ITEM) SW_MATCH_MAX };

struct sw_join_group;
struct sw_join_node {
    struct sw_join_node *next, **at;
    __u64 hash;
    struct sw_join_group *group;
};

enum { SW_INDEX_PAIR, SW_INDEX_ORIG, SW_INDEX_RESP, SW_INDEX_TUPLE, SW_INDEXES };

struct sw_join_group {
    struct sw_join_view *view[SW_JOIN_FILES]; /* by file; NULL: not there (yet) */
    unsigned int len;                         /* of them */
    unsigned int first;                       /* the file of the first */
    __u8 match;                               /* enum sw_join_match, the weakest */
    __u64 ts;                                 /* of the first line */
    bool ambiguous;                           /* more lines fit it, or it fits more, than one of each file */
    bool decided;                             /* one of its lines may have been decided before, with another */
    struct sw_join_node node[SW_INDEXES];
    struct sw_join_group *older, *newer;
};

struct sw_pending; /* opaque */

int sw_pending_new(__u64 slack, struct sw_pending **ret); /* slack: ns that clocks may differ by. 0 or -errno */
/* What these two files' clocks may differ by. */
void sw_pending_set_slack(struct sw_pending *p, unsigned int a, unsigned int b, __u64 slack);
void sw_pending_free(struct sw_pending *p); /* with all that is in it; NULL is fine */

size_t sw_pending_len(const struct sw_pending *p);
struct sw_join_group *sw_pending_oldest(const struct sw_pending *p); /* NULL: there is none */

/*
 * The group that the view belongs to, or NULL. is_double: the file has this connection already, by another line.
 * ambiguous: it may belong to several, or to more than were looked at.
 */
struct sw_join_found {
    struct sw_join_group *group;
    __u8 match; /* enum sw_join_match */
    bool is_double, ambiguous;
};
struct sw_join_found sw_pending_find(struct sw_pending *p, const struct sw_join_view *v, unsigned int file);
/* Both ISNs, or all addresses: no later line can fit better. */
bool sw_pending_is_sure(const struct sw_join_group *g);
/* A group of other files with the same addresses, ports and payload, whose ISNs all differ; NULL: none, or several. */
struct sw_join_group *sw_pending_find_rewritten(struct sw_pending *p, const struct sw_join_group *g);

/* The view, allocated, is the group's then. */
/* A new group; 0 or -ENOMEM. */
int sw_pending_add(struct sw_pending *p, struct sw_join_view *v, unsigned int file, struct sw_join_group **ret);
void sw_pending_join(struct sw_join_group *g, struct sw_join_view *v, unsigned int file, __u8 match);
/* Takes it out, and it is the caller's; then to be freed. */
void sw_pending_remove(struct sw_pending *p, struct sw_join_group *g);
void sw_join_group_free(struct sw_join_group *g);
void sw_join_view_free(struct sw_join_view *v);

const char *sw_join_match_name(unsigned int i);

#endif
