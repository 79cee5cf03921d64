/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `top` knows: the connections of one look at the tables, rates between two looks, and what events say of servers
 * since the start. Pure: times are parameters, a test needs neither maps nor a terminal.
 *
 *     begin(now)  conn(…) conn(…) …  end()         once an interval
 *     failure(server, what)                        at any time; it is shown from the next look on
 *     servers(filter)                              the connections of the look, by their responders
 */
#ifndef SW_TOP_MODEL_H
#define SW_TOP_MODEL_H

#include "synward_hash.h"
#include "top/conn.h"
#include "top/seen.h"

struct sw_top_id {
    __u8 ip[16];
    __be16 port;
};

/* What only events say. */
enum sw_top_failure { SW_TOP_REFUSED, SW_TOP_RESET, SW_TOP_UNANSWERED, SW_TOP_FAILURES };

#define SW_TOP_FAILURE_SERVERS (1u << 16)  /* with outcomes: more are only summed up */
#define SW_TOP_FAILURE_NS (60 * SW_SECOND) /* one without connections is forgotten so long after its last outcome */

struct sw_top_server {
    struct sw_top_id id;
    __u64 conns;                                    /* of the look, ended ones included; 0: only events name it */
    __u64 open, half;                               /* established, half-open; neither has ended */
    __u64 begun;                                    /* since the look before */
    __u64 rate;                                     /* IP bytes a second */
    __u64 bytes;                                    /* IP bytes of those that have not ended */
    __u64 handshakes, handshake_sum, handshake_max; /* of all conns */
    __u64 server_sum, client_sum;                   /* their two parts */
    __u64 rexmit;
    __u64 failed[SW_TOP_FAILURES]; /* since the start */
};

struct sw_top_outcomes {
    struct sw_top_id id;
    __u64 failed[SW_TOP_FAILURES], shown[SW_TOP_FAILURES]; /* until now, and at the last look */
    __u64 last_ns;
};

/* Rows that are found by their server. */
struct sw_top_index {
    __u32 *slot; /* a row + 1; 0: free */
    size_t size; /* a power of two, or 0 */
};

struct sw_top_model {
    struct sw_hash_key hash;
    bool forever; /* a file: outcomes are not forgotten */
    /* of the last look */
    __u64 ns, span_ns; /* when; since the look before, 0: there was none */
    struct sw_top_conn *conn;
    size_t conns, conns_room;
    __u64 open, half, begun, rate;
    __u64 failed[SW_TOP_FAILURES]; /* of all servers, since the start */
    struct sw_top_seen seen, before;
    /* by server */
    struct sw_top_server *server;
    size_t servers, servers_room;
    struct sw_top_index server_index;
    struct sw_top_outcomes *outcome;
    size_t outcomes, outcomes_room;
    struct sw_top_index outcome_index;
    __u64 failed_now[SW_TOP_FAILURES];
};

/* hash: random numbers. */
void sw_top_model_init(struct sw_top_model *m, const struct sw_hash_key *hash);
void sw_top_model_fini(struct sw_top_model *m);

void sw_top_model_begin(struct sw_top_model *m, __u64 ns);
int sw_top_model_conn(struct sw_top_model *m, const struct sw_top_conn *c); /* 0 or -ENOMEM */
void sw_top_model_end(struct sw_top_model *m);

/* Events say of n such ends. 0 or -ENOMEM */
int sw_top_model_failure(struct sw_top_model *m, __u64 ns, const struct sw_top_id *id, enum sw_top_failure what,
                         __u64 n);

/* Which connections count; NULL: all. Of a server without any it is asked with a client of zeros. */
typedef bool (*sw_top_match_fn)(const void *ctx, const struct sw_top_conn *c);
/* Fills m->server. 0 or -ENOMEM */
int sw_top_model_servers(struct sw_top_model *m, sw_top_match_fn match, const void *ctx);

/* n of a span, by the second; a file may say anything. */
static inline __u64 sw_top_per_second(__u64 n, __u64 span_ns)
{
    double v = (double)n * SW_SECOND / (double)(span_ns ? span_ns : 1);

    return v < 1.8e19 ? (__u64)v : ~0ull;
}

void sw_top_conn_server(const struct sw_top_conn *c, struct sw_top_id *ret);
bool sw_top_id_is(const struct sw_top_id *a, const struct sw_top_id *b);

#endif
