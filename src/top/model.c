/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/model.h"

#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 256 /* slots of an index */

bool sw_top_id_is(const struct sw_top_id *a, const struct sw_top_id *b)
{
    return a->port == b->port && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

void sw_top_conn_server(const struct sw_top_conn *c, struct sw_top_id *ret)
{
    struct sw_text_end end[2];

    sw_top_conn_ends(c, end);
    memcpy(ret->ip, end[SW_RESP].ip, sizeof(ret->ip));
    ret->port = end[SW_RESP].port;
}

static __u64 hash_key(const struct sw_top_model *m, const struct sw_key *key)
{
    __u32 a[4], b[4];

    memcpy(a, key->a_ip, sizeof(a));
    memcpy(b, key->b_ip, sizeof(b));
    return sw_tuple_hash(&m->hash, a, b, key->a_port | (__u32)key->b_port << 16);
}

static __u32 hash_id(const struct sw_top_model *m, const struct sw_top_id *id)
{
    static const __u32 none[4];
    __u32 ip[4];

    memcpy(ip, id->ip, sizeof(ip));
    return sw_hash_slot(sw_tuple_hash(&m->hash, ip, none, id->port));
}

/* The slot of a server among rows that begin with their id and are `size` bytes each. */
static __u32 *index_slot(const struct sw_top_model *m, const struct sw_top_index *x, const void *rows, size_t size,
                         const struct sw_top_id *id)
{
    size_t at = hash_id(m, id) & (x->size - 1);

    while (x->slot[at] && !sw_top_id_is((const struct sw_top_id *)((const char *)rows + (x->slot[at] - 1) * size), id))
        at = (at + 1) & (x->size - 1);
    return &x->slot[at];
}

/* Makes the index of so many rows anew, with room for one more. */
static int index_rows(const struct sw_top_model *m, struct sw_top_index *x, const void *rows, size_t size, size_t len)
{
    size_t want = x->size ? x->size : FIRST;

    while (want < 2 * (len + 1))
        want *= 2;
    if (want != x->size) {
        __u32 *slot = malloc(want * sizeof(*slot));

        if (!slot)
            return -ENOMEM;
        free(x->slot);
        x->slot = slot;
        x->size = want;
    }
    memset(x->slot, 0, x->size * sizeof(*x->slot));
    for (size_t i = 0; i < len; i++)
        *index_slot(m, x, rows, size, (const struct sw_top_id *)((const char *)rows + i * size)) = i + 1;
    return 0;
}

void sw_top_model_init(struct sw_top_model *m, const struct sw_hash_key *hash)
{
    memset(m, 0, sizeof(*m));
    m->hash = *hash;
}

void sw_top_model_fini(struct sw_top_model *m)
{
    free(m->conn);
    free(m->server);
    free(m->server_index.slot);
    free(m->outcome);
    free(m->outcome_index.slot);
    sw_top_seen_free(&m->seen);
    sw_top_seen_free(&m->before);
}

void sw_top_model_begin(struct sw_top_model *m, __u64 ns)
{
    struct sw_top_seen old = m->before;

    m->before = m->seen;
    m->seen = old;
    sw_top_seen_clear(&m->seen);
    m->span_ns = m->ns && ns > m->ns ? ns - m->ns : 0;
    m->ns = ns;
    m->conns = 0;
    m->open = m->half = m->begun = m->rate = 0;
}

/* As sw_flow_rate: of one that the look before did not see though it was there, since its begin. */
static __u64 rate_of(const struct sw_top_model *m, __u64 hash, const struct sw_top_conn *c)
{
    __u64 bytes = sw_top_conn_bytes(c), since = m->ns - m->span_ns, old;

    if (!m->span_ns)
        return 0;
    if (sw_top_seen_find(&m->before, hash, c->start_ns, &old) && old <= bytes)
        bytes -= old;
    else if (c->start_ns < since)
        since = c->start_ns;
    return m->ns > since ? sw_top_per_second(bytes, m->ns - since) : 0;
}

static bool is_new(const struct sw_top_model *m, const struct sw_top_conn *c)
{
    return m->span_ns && c->start_ns > m->ns - m->span_ns;
}

int sw_top_model_conn(struct sw_top_model *m, const struct sw_top_conn *c)
{
    struct sw_top_conn *at = sw_array_room(m->conn, &m->conns_room, m->conns + 1, sizeof(*at));
    __u64 hash;

    if (!at)
        return -ENOMEM;
    m->conn = at;
    at += m->conns++;
    *at = *c;
    hash = hash_key(m, &c->key);
    at->rate = rate_of(m, hash, c);
    m->open += c->phase == SW_TOP_OPEN || c->phase == SW_TOP_CLOSING;
    m->half += c->phase == SW_TOP_HALF_OPEN;
    m->begun += is_new(m, c);
    m->rate += at->rate;
    return sw_top_seen_add(&m->seen, hash, c->start_ns, sw_top_conn_bytes(c));
}

void sw_top_model_end(struct sw_top_model *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->outcomes; i++) {
        struct sw_top_outcomes *o = &m->outcome[i];

        if (!m->forever && m->ns > o->last_ns + SW_TOP_FAILURE_NS)
            continue;
        memcpy(o->shown, o->failed, sizeof(o->shown));
        m->outcome[kept++] = *o;
    }
    if (kept < m->outcomes) { /* the index has room for them */
        m->outcomes = kept;
        index_rows(m, &m->outcome_index, m->outcome, sizeof(*m->outcome), kept);
    }
    memcpy(m->failed, m->failed_now, sizeof(m->failed));
}

static struct sw_top_outcomes *outcomes_of(struct sw_top_model *m, const struct sw_top_id *id, int *ret_err)
{
    struct sw_top_outcomes *at;
    __u32 *slot;

    if (m->outcome_index.size < 2 * (m->outcomes + 1)) {
        *ret_err = index_rows(m, &m->outcome_index, m->outcome, sizeof(*at), m->outcomes);
        if (*ret_err)
            return NULL;
    }
    slot = index_slot(m, &m->outcome_index, m->outcome, sizeof(*at), id);
    if (*slot)
        return &m->outcome[*slot - 1];
    if (m->outcomes == SW_TOP_FAILURE_SERVERS)
        return NULL;
    at = sw_array_room(m->outcome, &m->outcomes_room, m->outcomes + 1, sizeof(*at));
    if (!at) {
        *ret_err = -ENOMEM;
        return NULL;
    }
    m->outcome = at;
    at += m->outcomes++;
    *slot = m->outcomes;
    *at = (struct sw_top_outcomes){.id = *id};
    return at;
}

int sw_top_model_failure(struct sw_top_model *m, __u64 ns, const struct sw_top_id *id, enum sw_top_failure what,
                         __u64 n)
{
    int err = 0;
    struct sw_top_outcomes *o = outcomes_of(m, id, &err);

    m->failed_now[what] += n;
    if (!o)
        return err;
    o->failed[what] += n;
    o->last_ns = ns;
    return 0;
}

static struct sw_top_server *server_of(struct sw_top_model *m, const struct sw_top_id *id)
{
    struct sw_top_server *at;
    __u32 *slot;

    if (m->server_index.size < 2 * (m->servers + 1) &&
        index_rows(m, &m->server_index, m->server, sizeof(*at), m->servers))
        return NULL;
    slot = index_slot(m, &m->server_index, m->server, sizeof(*at), id);
    if (*slot)
        return &m->server[*slot - 1];
    at = sw_array_room(m->server, &m->servers_room, m->servers + 1, sizeof(*at));
    if (!at)
        return NULL;
    m->server = at;
    at += m->servers++;
    *slot = m->servers;
    *at = (struct sw_top_server){.id = *id};
    return at;
}

static void count(const struct sw_top_model *m, struct sw_top_server *s, const struct sw_top_conn *c)
{
    s->conns++;
    s->open += c->phase == SW_TOP_OPEN || c->phase == SW_TOP_CLOSING;
    s->half += c->phase == SW_TOP_HALF_OPEN;
    s->begun += is_new(m, c);
    s->rate += c->rate;
    s->bytes += c->phase == SW_TOP_ENDED && !m->forever ? 0 : sw_top_conn_bytes(c);
    s->rexmit += c->rexmit[SW_ORIG] + c->rexmit[SW_RESP];
    if (c->handshake_ns == SW_TOP_UNKNOWN)
        return;
    s->handshakes++;
    s->handshake_sum += c->handshake_ns;
    s->server_sum += c->server_ns == SW_TOP_UNKNOWN ? 0 : c->server_ns;
    s->client_sum += c->client_ns == SW_TOP_UNKNOWN ? 0 : c->client_ns;
    if (c->handshake_ns > s->handshake_max)
        s->handshake_max = c->handshake_ns;
}

/* A server that has no connection now, for a filter. */
static bool matches_alone(const struct sw_top_id *id, sw_top_match_fn match, const void *ctx)
{
    struct sw_top_conn c = {.key = {.a_port = 0}};

    memcpy(c.key.b_ip, id->ip, sizeof(id->ip));
    c.key.b_port = id->port;
    return !match || match(ctx, &c);
}

int sw_top_model_servers(struct sw_top_model *m, sw_top_match_fn match, const void *ctx)
{
    struct sw_top_server *s;
    struct sw_top_id id;

    m->servers = 0;
    if (m->server_index.size)
        memset(m->server_index.slot, 0, m->server_index.size * sizeof(*m->server_index.slot));
    for (size_t i = 0; i < m->conns; i++) {
        if (match && !match(ctx, &m->conn[i]))
            continue;
        sw_top_conn_server(&m->conn[i], &id);
        s = server_of(m, &id);
        if (!s)
            return -ENOMEM;
        count(m, s, &m->conn[i]);
    }
    for (size_t i = 0; i < m->outcomes; i++) {
        const struct sw_top_outcomes *o = &m->outcome[i];
        __u32 *slot =
            m->server_index.size ? index_slot(m, &m->server_index, m->server, sizeof(*m->server), &o->id) : NULL;

        if (!slot || !*slot) {
            if (!o->shown[SW_TOP_REFUSED] && !o->shown[SW_TOP_RESET] && !o->shown[SW_TOP_UNANSWERED])
                continue;
            if (!matches_alone(&o->id, match, ctx))
                continue;
        }
        s = server_of(m, &o->id);
        if (!s)
            return -ENOMEM;
        memcpy(s->failed, o->shown, sizeof(s->failed));
    }
    return 0;
}
