/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/pending.h"

#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct index {
    struct sw_join_node **bucket;
    size_t mask, len;
};

struct sw_pending {
    struct index index[SW_INDEXES];
    struct sw_join_group *oldest, *newest;
    size_t len;
    __u64 slack[SW_JOIN_FILES][SW_JOIN_FILES], seed[2];
};

int sw_pending_new(__u64 slack, struct sw_pending **ret)
{
    struct sw_pending *p = calloc(1, sizeof(*p));
    int err = p ? sw_random(p->seed, sizeof(p->seed)) : -ENOMEM;

    for (int i = 0; i < SW_INDEXES && !err; i++) {
        p->index[i].mask = 1023;
        p->index[i].bucket = calloc(1024, sizeof(struct sw_join_node *));
        err = p->index[i].bucket ? 0 : -ENOMEM;
    }
    if (err) {
        sw_pending_free(p);
        return err;
    }
    for (int i = 0; i < SW_JOIN_FILES * SW_JOIN_FILES; i++)
        p->slack[i / SW_JOIN_FILES][i % SW_JOIN_FILES] = slack;
    *ret = p;
    return 0;
}

void sw_pending_set_slack(struct sw_pending *p, unsigned int a, unsigned int b, __u64 slack)
{
    p->slack[a][b] = p->slack[b][a] = slack;
}

void sw_join_view_free(struct sw_join_view *v)
{
    if (v)
        free(v->ladder);
    free(v);
}

void sw_join_group_free(struct sw_join_group *g)
{
    for (int i = 0; i < SW_JOIN_FILES; i++)
        sw_join_view_free(g->view[i]);
    free(g);
}

void sw_pending_free(struct sw_pending *p)
{
    if (!p)
        return;
    while (p->oldest) {
        struct sw_join_group *g = p->oldest;

        sw_pending_remove(p, g);
        sw_join_group_free(g);
    }
    for (int i = 0; i < SW_INDEXES; i++)
        free(p->index[i].bucket);
    free(p);
}

size_t sw_pending_len(const struct sw_pending *p)
{
    return p->len;
}

struct sw_join_group *sw_pending_oldest(const struct sw_pending *p)
{
    return p->oldest;
}

static __u64 mix(const struct sw_pending *p, __u64 v)
{
    v = (v ^ p->seed[0]) * 0xff51afd7ed558ccdull;
    v ^= v >> 32;
    v = (v ^ p->seed[1]) * 0xc4ceb9fe1a85ec53ull;
    return v ^ v >> 29;
}

/* False: the view has not what this index is about. */
static bool hash_of(const struct sw_pending *p, int index, const struct sw_join_view *v, __u64 *ret)
{
    __u64 h = 0, word[2];

    switch (index) {
    case SW_INDEX_PAIR:
        *ret = mix(p, (__u64)v->isn[SW_ORIG] << 32 | v->isn[SW_RESP]);
        return v->has_isn[SW_ORIG] && v->has_isn[SW_RESP];
    case SW_INDEX_ORIG: *ret = mix(p, v->isn[SW_ORIG]); return v->has_isn[SW_ORIG];
    case SW_INDEX_RESP: *ret = mix(p, v->isn[SW_RESP]); return v->has_isn[SW_RESP];
    default:
        for (int side = SW_ORIG; side <= SW_RESP; side++) {
            memcpy(word, v->ip[side], sizeof(word));
            h = mix(p, h ^ word[0]);
            h = mix(p, h ^ word[1]);
            h = mix(p, h ^ v->port[side]);
        }
        *ret = h;
        return true;
    }
}

static void put(struct index *x, struct sw_join_node *node)
{
    struct sw_join_node **at = &x->bucket[node->hash & x->mask];

    node->next = *at;
    node->at = at;
    if (node->next)
        node->next->at = &node->next;
    *at = node;
}

/* Without memory it remains as it is, and is only slower. */
static void grow(struct index *x)
{
    const size_t size = 2 * (x->mask + 1);
    struct sw_join_node **old = x->bucket, **more;

    if (x->len <= x->mask)
        return;
    more = calloc(size, sizeof(struct sw_join_node *));
    if (!more)
        return;
    x->bucket = more;
    for (size_t i = 0; i <= x->mask; i++)
        while (old[i]) {
            struct sw_join_node *node = old[i];

            old[i] = node->next;
            node->at = &x->bucket[node->hash & (size - 1)];
            node->next = *node->at;
            if (node->next)
                node->next->at = &node->next;
            *node->at = node;
        }
    x->mask = size - 1;
    free(old);
}

int sw_pending_add(struct sw_pending *p, struct sw_join_view *v, unsigned int file, struct sw_join_group **ret)
{
    struct sw_join_group *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->view[file] = v;
    g->len = 1;
    g->first = file;
    g->match = SW_MATCH_BOTH;
    g->ts = v->ts;
    for (int i = 0; i < SW_INDEXES; i++) {
        g->node[i].group = g;
        if (!hash_of(p, i, v, &g->node[i].hash))
            continue;
        grow(&p->index[i]);
        put(&p->index[i], &g->node[i]);
        p->index[i].len++;
    }
    g->older = p->newest;
    if (p->newest)
        p->newest->newer = g;
    else
        p->oldest = g;
    p->newest = g;
    p->len++;
    *ret = g;
    return 0;
}

void sw_pending_remove(struct sw_pending *p, struct sw_join_group *g)
{
    for (int i = 0; i < SW_INDEXES; i++) {
        struct sw_join_node *node = &g->node[i];

        if (!node->at)
            continue;
        *node->at = node->next;
        if (node->next)
            node->next->at = node->at;
        node->at = NULL;
        p->index[i].len--;
    }
    *(g->older ? &g->older->newer : &p->oldest) = g->newer;
    *(g->newer ? &g->newer->older : &p->newest) = g->older;
    g->older = g->newer = NULL;
    p->len--;
}

void sw_pending_join(struct sw_join_group *g, struct sw_join_view *v, unsigned int file, __u8 match)
{
    if (match == SW_MATCH_BOTH && g->len == 1)
        g->ambiguous = false; /* by one ISN it was */
    g->view[file] = v;
    g->len++;
    if (match < g->match)
        g->match = match;
}

static bool overlap(const struct sw_join_view *a, const struct sw_join_view *b, __u64 slack)
{
    return a->start <= b->start + b->duration + slack && b->start <= a->start + a->duration + slack;
}

static bool same_tuple(const struct sw_join_view *a, const struct sw_join_view *b)
{
    return !memcmp(a->ip, b->ip, sizeof(a->ip)) && !memcmp(a->port, b->port, sizeof(a->port));
}

static bool same_bytes(const struct sw_join_view *a, const struct sw_join_view *b)
{
    return a->bytes[SW_ORIG] == b->bytes[SW_ORIG] && a->bytes[SW_RESP] == b->bytes[SW_RESP];
}

/* An address that neither of them translates. */
static bool one_end(const struct sw_join_view *a, const struct sw_join_view *b)
{
    for (int side = SW_ORIG; side <= SW_RESP; side++)
        if (!memcmp(a->ip[side], b->ip[side], sizeof(a->ip[side])) && a->port[side] == b->port[side])
            return true;
    return false;
}

static __u64 difference(__u64 a, __u64 b)
{
    return a > b ? a - b : b - a;
}

/* Where a SYN was lost between they began at different times, and were complete at the same one. */
static __u64 apart(const struct sw_join_view *a, const struct sw_join_view *b)
{
    const __u64 begun = difference(a->start, b->start);
    __u64 complete;

    if (a->handshake == SW_JOIN_NONE || b->handshake == SW_JOIN_NONE)
        return begun;
    complete = difference(a->start + a->handshake, b->start + b->handshake);
    return complete < begun ? complete : begun;
}

/*
 * How two views fit that have one ISN, or both, in common. slack: of their files' clocks. *ret_maybe: they do not, but
 * may be one connection of which an ISN is rewritten, and something else is not the same either.
 */
static __u8 match_of(const struct sw_join_view *a, const struct sw_join_view *b, __u64 slack, bool *ret_maybe)
{
    bool equal[2], missing[2];

    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        missing[side] = !a->has_isn[side] || !b->has_isn[side];
        equal[side] = !missing[side] && a->isn[side] == b->isn[side];
    }
    *ret_maybe = false;
    /* nobody else has both: the clocks are apart, if the times are */
    if (equal[SW_ORIG] && equal[SW_RESP])
        return SW_MATCH_BOTH;
    if (!overlap(a, b, slack))
        return SW_MATCH_NONE;
    if ((equal[SW_ORIG] && missing[SW_RESP]) || (equal[SW_RESP] && missing[SW_ORIG]))
        return SW_MATCH_ONE;
    if (!equal[SW_ORIG] && !equal[SW_RESP])
        return SW_MATCH_NONE;
    if (same_tuple(a, b) || (same_bytes(a, b) && a->bytes[SW_ORIG] && a->bytes[SW_RESP] && apart(a, b) <= slack))
        return SW_MATCH_PAYLOAD;
    *ret_maybe = one_end(a, b);
    return SW_MATCH_NONE;
}

/* Of two that fit as well the one with the same addresses, then the one that began at nearly the same time. */
static bool is_better(const struct sw_join_view *v, __u8 match, const struct sw_join_view *than, __u8 its,
                      const struct sw_join_view *of)
{
    if (match != its)
        return match > its;
    if (same_tuple(v, of) != same_tuple(than, of))
        return same_tuple(v, of);
    return apart(v, of) < apart(than, of);
}

bool sw_pending_is_sure(const struct sw_join_group *g)
{
    const struct sw_join_view *v = g->view[g->first];

    for (unsigned int i = 0; i < SW_JOIN_FILES && g->match < SW_MATCH_BOTH; i++)
        if (g->view[i] && !same_tuple(g->view[i], v))
            return false;
    return true;
}

static struct sw_join_node *first_with(const struct sw_pending *p, int index, const struct sw_join_view *v, __u64 *hash)
{
    if (!hash_of(p, index, v, hash))
        return NULL;
    return p->index[index].bucket[*hash & p->index[index].mask];
}

/* One more that fits. Of those by less than both ISNs only the one with all addresses equal stands out. */
static void take_fit(struct sw_join_found *f, struct sw_join_group *g, __u8 match, const struct sw_join_view *v)
{
    const struct sw_join_view *other = g->view[g->first];
    const struct sw_join_view *best = f->group ? f->group->view[f->group->first] : NULL;

    if (best && g != f->group && match < SW_MATCH_BOTH && f->match < SW_MATCH_BOTH &&
        same_tuple(other, v) == same_tuple(best, v)) {
        f->ambiguous = true;
        g->ambiguous = f->group->ambiguous = true;
    }
    if (!best || is_better(other, match, best, f->match, v)) {
        if (best && match == SW_MATCH_BOTH)
            f->ambiguous = false;
        f->group = g;
        f->match = match;
    }
}

/* A file that has it besides this one; this one: none has. */
static unsigned int another(const struct sw_join_group *g, unsigned int file)
{
    for (unsigned int i = 0; i < SW_JOIN_FILES; i++)
        if (i != file && g->view[i])
            return i;
    return file;
}

static void look_at(const struct sw_pending *p, struct sw_join_found *f, struct sw_join_group *g,
                    const struct sw_join_view *v, unsigned int file, bool is_sure)
{
    const unsigned int at = g->view[file] ? another(g, file) : g->first;
    const struct sw_join_view *other = g->view[at];
    bool maybe, none;
    __u8 match = match_of(v, g->view[g->first], p->slack[file][g->first], &maybe);

    if (g->view[file]) {
        if (match == SW_MATCH_BOTH || match_of(v, g->view[file], 0, &none) == SW_MATCH_BOTH ||
            (match && !strcmp(v->uid, g->view[file]->uid))) {
            f->is_double = true;
        } else if (at != file && !is_sure && match_of(v, other, p->slack[file][at], &none)) {
            f->ambiguous = true; /* which of both is it? */
            g->ambiguous |= g->match < SW_MATCH_BOTH;
        }
    } else if (match == SW_MATCH_BOTH || (match && one_end(v, other)))
        take_fit(f, g, match, v);
    else if ((match || maybe) && !is_sure) {
        f->ambiguous = true; /* too little for a match, and too much for none */
        g->ambiguous |= g->len == 1;
    }
}

struct sw_join_found sw_pending_find(struct sw_pending *p, const struct sw_join_view *v, unsigned int file)
{
    /* addresses before single ISNs: scanners send one ISN to all */
    static const int by[] = {SW_INDEX_PAIR, SW_INDEX_TUPLE, SW_INDEX_ORIG, SW_INDEX_RESP};
    struct sw_join_found f = {0};
    __u64 hash;

    for (int i = 0; i < 4 && f.match != SW_MATCH_BOTH; i++) {
        struct sw_join_node *at = first_with(p, by[i], v, &hash);
        const bool is_sure = f.group && same_tuple(f.group->view[f.group->first], v);
        int looked = 0;

        for (; at && looked < SW_JOIN_LOOK; at = at->next) {
            struct sw_join_group *g = at->group;

            looked += at->hash == hash;
            if (at->hash == hash)
                look_at(p, &f, g, v, file, is_sure);
        }
        if (at && looked == SW_JOIN_LOOK && !is_sure)
            f.ambiguous = true;
    }
    if (f.match == SW_MATCH_BOTH)
        f.ambiguous = false;
    return f;
}

struct sw_join_group *sw_pending_find_rewritten(struct sw_pending *p, const struct sw_join_group *g)
{
    const struct sw_join_view *v = g->view[g->first];
    struct sw_join_group *found = NULL;
    int looked = 0;
    __u64 hash;

    if (g->len != 1 || (!v->bytes[SW_ORIG] && !v->bytes[SW_RESP]))
        return NULL;
    for (struct sw_join_node *at = first_with(p, SW_INDEX_TUPLE, v, &hash); at && looked < SW_JOIN_LOOK;
         at = at->next) {
        struct sw_join_group *h = at->group;
        const struct sw_join_view *other = h->view[h->first];

        looked += at->hash == hash;
        if (h == g || at->hash != hash || h->view[g->first] || !same_tuple(v, other) || !same_bytes(v, other) ||
            !overlap(v, other, p->slack[g->first][h->first]) || apart(v, other) > p->slack[g->first][h->first])
            continue;
        if (found)
            return NULL; /* which one? */
        found = h;
    }
    return found;
}

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

const char *sw_join_match_name(unsigned int i)
{
    static const char *const names[] = {SW_JOIN_MATCHES(NAME_ITEM)};

    return names[i];
}
