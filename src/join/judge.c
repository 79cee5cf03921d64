/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/judge.h"

#include <stdlib.h>

/* What is under way when a line is made may take longer than the handshake's segments did. */
#define SETTLE_NS 1000000000ll

struct pair {
    const struct sw_join_view *v[2]; /* as given */
    bool known;
    int near[2]; /* which view is nearer to that side; if not known, the first is to both */
    bool aligned;
    __s64 later; /* ns that the second one's first segment came after the first one's, if aligned */
    const struct sw_join_rules *rules;
    struct sw_join_facts *facts;
};

/* One side's segments pass `near` and then `far`. */
static const struct sw_join_view *near_of(const struct pair *p, int side)
{
    return p->v[p->near[side]];
}

static const struct sw_join_view *far_of(const struct pair *p, int side)
{
    return p->v[!p->near[side]];
}

static void add(struct pair *p, int kind, int what, int side, int doubt, __u64 first, __u64 second)
{
    struct sw_join_facts *f = p->facts;

    if (f->len < SW_JOIN_FACTS)
        f->fact[f->len++] =
            (struct sw_join_fact){.kind = kind, .what = what, .side = side, .doubt = doubt, .value = {first, second}};
}

/* values: of the near view, of the far one */
static void add_near_far(struct pair *p, int kind, int what, int side, int doubt, __u64 near, __u64 far)
{
    const bool swapped = p->near[side];

    add(p, kind, what, side, p->known ? doubt : SW_DOUBT_DIRECTION, swapped ? far : near, swapped ? near : far);
}

/* How much later than v's the other's first segment came, or may have come. */
static __s64 later(const struct pair *p, const struct sw_join_view *v, const struct sw_join_view *other)
{
    if (p->aligned)
        return v == p->v[0] ? p->later : -p->later;
    /* the SYN that the other saw first may have been v's last one */
    return v->syn_rexmit[SW_ORIG] > other->syn_rexmit[SW_ORIG] ? (__s64)v->duration : 0;
}

/* Was v watched until the other, of which something is not in v, had its last segment, and that had come to v? */
static bool covers(const struct pair *p, const struct sw_join_view *v, const struct sw_join_view *other)
{
    const __s64 way = p->facts->between == SW_JOIN_NONE ? 0 : (__s64)p->facts->between;

    return (__s64)sw_join_watched(v) >= (__s64)other->duration + later(p, v, other) + way + SETTLE_NS;
}

/* v has nothing of a side that the other heard speak: it lies on the way of one direction only. */
static bool is_one_sided(const struct sw_join_view *v, const struct sw_join_view *other, int side)
{
    return !v->pkts[side] && (other->has_isn[side] || other->bytes[side]);
}

/* Why it is no proof that v has not seen what the other has. */
static int doubt_of(const struct pair *p, const struct sw_join_view *v, const struct sw_join_view *other, int side,
                    __u8 saw)
{
    if (is_one_sided(v, other, side))
        return SW_DOUBT_ONE_SIDED;
    if (saw == SW_SAW_UNKNOWN)
        return SW_DOUBT_HISTORY;
    return covers(p, v, other) ? SW_DOUBT_NONE : SW_DOUBT_ENDED;
}

/*
 * A segment that ends something: seen by the far view alone, it was made between; by the near one alone, it was lost.
 * Where it is not known which is which, it may be the stronger one.
 */
static void check_end(struct pair *p, int side, int what)
{
    const struct sw_join_view *near = near_of(p, side), *far = far_of(p, side);
    const __u8 at_near = what == SW_JOIN_RST ? near->rst[side] : near->fin[side];
    const __u8 at_far = what == SW_JOIN_RST ? far->rst[side] : far->fin[side];

    if (at_far == SW_SAW_YES && at_near != SW_SAW_YES)
        add_near_far(p, SW_VERDICT_RESET, what, side, doubt_of(p, near, far, side, at_near), 0, 1);
    else if (at_near == SW_SAW_YES && at_far != SW_SAW_YES)
        add_near_far(p, p->known ? SW_VERDICT_SWALLOWED : SW_VERDICT_RESET, what, side,
                     doubt_of(p, far, near, side, at_far), 1, 0);
}

static void check_bytes(struct pair *p, int side)
{
    const struct sw_join_view *near = near_of(p, side), *far = far_of(p, side);

    if (!near->has_isn[side] || !far->has_isn[side])
        return; /* from where they count is not known */
    if (near->bytes[side] > far->bytes[side] && near->payload[side] > far->payload[side])
        add_near_far(p, SW_VERDICT_SWALLOWED, SW_JOIN_BYTES, side, doubt_of(p, far, near, side, SW_SAW_NO),
                     near->bytes[side], far->bytes[side]);
    else if (far->bytes[side] > near->bytes[side] && far->payload[side] > near->payload[side])
        add_near_far(p, p->known ? SW_VERDICT_REWRITTEN : SW_VERDICT_SWALLOWED, SW_JOIN_BYTES, side,
                     doubt_of(p, near, far, side, SW_SAW_NO), near->bytes[side], far->bytes[side]);
}

/* Sent again because the first one did not arrive: the far view has seen fewer of them. Of data the payload is
 * compared: cards and kernels merge segments, and cut them, and so their number says little. */
static void check_rexmit(struct pair *p, int side)
{
    const struct sw_join_view *near = near_of(p, side), *far = far_of(p, side);

    if (!near->has_isn[side] || !far->has_isn[side])
        return;
    if (near->syn_rexmit[side] > far->syn_rexmit[side] && !far->cookie)
        add_near_far(p, SW_VERDICT_RETRANSMITTED, side == SW_ORIG ? SW_JOIN_SYN : SW_JOIN_SYNACK, side,
                     doubt_of(p, far, near, side, SW_SAW_NO), near->syn_rexmit[side], far->syn_rexmit[side]);
    if (near->payload[side] > far->payload[side] && near->bytes[side] <= far->bytes[side] && near->rexmit[side])
        add_near_far(p, SW_VERDICT_RETRANSMITTED, SW_JOIN_DATA, side, doubt_of(p, far, near, side, SW_SAW_NO),
                     near->payload[side], far->payload[side]);
}

/* The third segment, and the second one. Where the handshake completed without it, the far view has only missed it. */
static void check_handshake(struct pair *p)
{
    const struct sw_join_view *near = near_of(p, SW_ORIG), *far = far_of(p, SW_ORIG);
    int doubt = covers(p, far, near) ? SW_DOUBT_NONE : SW_DOUBT_ENDED;

    if (near->established && !far->established && !far->unseen && near->has_isn[SW_RESP] && far->has_isn[SW_RESP])
        add_near_far(p, SW_VERDICT_SWALLOWED, SW_JOIN_ACK, SW_ORIG, doubt, 1, 0);
    near = near_of(p, SW_RESP);
    far = far_of(p, SW_RESP);
    doubt = near->established ? SW_DOUBT_ONE_SIDED : covers(p, far, near) ? SW_DOUBT_NONE : SW_DOUBT_ENDED;
    if (near->has_isn[SW_RESP] && !far->has_isn[SW_RESP] && !far->established && !far->bytes[SW_RESP])
        add_near_far(p, SW_VERDICT_SWALLOWED, SW_JOIN_SYNACK, SW_RESP, doubt, 1, 0);
}

static void check_ways(struct pair *p)
{
    check_rexmit(p, SW_ORIG);
    check_rexmit(p, SW_RESP);
    check_handshake(p);
}

/* A SYN that is sent again may have other options: Linux leaves out ECN, Fast Open and MPTCP then. */
static bool may_differ(const struct pair *p, int option)
{
    return option >= SW_JOIN_ECN && (p->v[0]->syn_rexmit[SW_ORIG] || p->v[1]->syn_rexmit[SW_ORIG] ||
                                     p->v[0]->syn_rexmit[SW_RESP] || p->v[1]->syn_rexmit[SW_RESP]);
}

static void check_options(struct pair *p, int side)
{
    const struct sw_join_view *a = p->v[0], *b = p->v[1];

    if (!a->has_isn[side] || !b->has_isn[side])
        return;
    if (a->isn[side] != b->isn[side])
        add(p, SW_VERDICT_REWRITTEN, SW_JOIN_ISN, side, SW_DOUBT_NONE, a->isn[side], b->isn[side]);
    if (a->cut[side] || b->cut[side] || a->cookie || b->cookie)
        return; /* a cookie does not hold all of them */
    for (int i = 0; i < SW_JOIN_OPTIONS; i++)
        if (a->option[side][i] != b->option[side][i] && !may_differ(p, i))
            add(p, SW_VERDICT_REWRITTEN, SW_JOIN_OPT_MSS + i, side, SW_DOUBT_NONE, a->option[side][i],
                b->option[side][i]);
}

static __u64 less(__u64 a, __u64 b)
{
    return a == SW_JOIN_NONE || b == SW_JOIN_NONE ? SW_JOIN_NONE : a > b ? a - b : 0;
}

/*
 * SYN to SYN-ACK takes longer at the originator's end, SYN-ACK to ACK at the responder's, both by the round trip
 * between. A lost SYN adds its timeout to the one and a lost ACK to the other, so the smaller counts; a lost SYN-ACK
 * adds to both: then it is not known.
 */
static __u64 between(const struct pair *p)
{
    const struct sw_join_view *near = near_of(p, SW_ORIG), *far = far_of(p, SW_ORIG);
    const __u64 there = less(near->server, far->server), back = less(far->client, near->client);

    if (!p->known || there == SW_JOIN_NONE || back == SW_JOIN_NONE || near->syn_rexmit[SW_RESP] ||
        far->syn_rexmit[SW_RESP])
        return SW_JOIN_NONE;
    return there < back ? there : back;
}

static void check_delay(struct pair *p)
{
    const struct sw_join_view *near = near_of(p, SW_ORIG), *far = far_of(p, SW_ORIG);

    if (p->facts->between != SW_JOIN_NONE && p->facts->between >= p->rules->delay)
        add_near_far(p, SW_VERDICT_DELAYED, SW_JOIN_HANDSHAKE, SW_ORIG, SW_DOUBT_NONE, near->server, far->server);
}

/*
 * The views' first segments are one SYN, unless that was lost; so are their SYN-ACKs, and their ACKs. Each says by how
 * much one began later; where one of the three was lost, the other two agree, nearly.
 */
static void align(struct pair *p)
{
    const struct sw_join_view *a = p->v[0], *b = p->v[1];
    __s64 by_synack, by_ack, low, high;

    p->aligned = a->server != SW_JOIN_NONE && b->server != SW_JOIN_NONE && a->handshake != SW_JOIN_NONE &&
                 b->handshake != SW_JOIN_NONE;
    if (!p->aligned)
        return;
    by_synack = (__s64)a->server - (__s64)b->server;
    by_ack = (__s64)a->handshake - (__s64)b->handshake;
    low = by_synack < by_ack ? by_synack : by_ack;
    high = by_synack < by_ack ? by_ack : by_synack;
    p->later = low > 0 ? low : high < 0 ? high : 0;
}

static int by_times(const struct sw_join_view *a, const struct sw_join_view *b)
{
    int votes[3] = {0};

    if (a->server != SW_JOIN_NONE && b->server != SW_JOIN_NONE && a->server != b->server)
        votes[a->server > b->server ? SW_NEARER_FIRST : SW_NEARER_SECOND]++;
    if (a->client != SW_JOIN_NONE && b->client != SW_JOIN_NONE && a->client != b->client)
        votes[a->client < b->client ? SW_NEARER_FIRST : SW_NEARER_SECOND]++;
    if (!votes[SW_NEARER_FIRST] == !votes[SW_NEARER_SECOND])
        return SW_NEARER_UNKNOWN;
    return votes[SW_NEARER_FIRST] ? SW_NEARER_FIRST : SW_NEARER_SECOND;
}

/* Which view is nearer to the originator: whose host it is, or the times of the handshake, or what was said. */
static int nearer_of(const struct sw_join_view *a, const struct sw_join_view *b, const struct sw_join_rules *rules)
{
    const bool first = (a->local[SW_ORIG] && !b->local[SW_ORIG]) || (b->local[SW_RESP] && !a->local[SW_RESP]);
    const bool second = (b->local[SW_ORIG] && !a->local[SW_ORIG]) || (a->local[SW_RESP] && !b->local[SW_RESP]);
    int by;

    if (first != second)
        return first ? SW_NEARER_FIRST : SW_NEARER_SECOND;
    by = by_times(a, b);
    return by ? by : (int)rules->nearer;
}

static int stronger(const void *a, const void *b)
{
    const struct sw_join_fact *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? 1 : -1;
    if (!x->doubt != !y->doubt)
        return x->doubt ? 1 : -1;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    return x->side - y->side;
}

void sw_join_judge(const struct sw_join_view *first, const struct sw_join_view *second,
                   const struct sw_join_rules *rules, struct sw_join_facts *ret)
{
    struct pair p = {.v = {first, second}, .rules = rules, .facts = ret};

    ret->len = 0;
    ret->nearer = nearer_of(first, second, rules);
    p.known = ret->nearer != SW_NEARER_UNKNOWN;
    p.near[SW_ORIG] = ret->nearer == SW_NEARER_SECOND;
    p.near[SW_RESP] = ret->nearer == SW_NEARER_FIRST;
    ret->between = between(&p);
    align(&p);
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        check_end(&p, side, SW_JOIN_RST);
        check_end(&p, side, SW_JOIN_FIN);
        check_bytes(&p, side);
        check_options(&p, side);
    }
    check_ways(&p);
    if (!p.known) { /* the other way round as well */
        p.near[SW_ORIG] = p.near[SW_RESP] = 1;
        check_ways(&p);
    }
    check_delay(&p);
    qsort(ret->fact, ret->len, sizeof(ret->fact[0]), stronger);
    /* what may be stronger than the strongest that is certain makes it no verdict */
    ret->verdict = !ret->len ? SW_VERDICT_AGREE : ret->fact[0].doubt ? SW_VERDICT_CANNOT_TELL : ret->fact[0].kind;
}

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

const char *sw_join_verdict_name(unsigned int i)
{
    static const char *const names[] = {SW_VERDICTS(NAME_ITEM)};

    return names[i];
}

const char *sw_join_what_name(unsigned int i)
{
    static const char *const names[] = {SW_JOIN_WHATS(NAME_ITEM)};

    return names[i];
}

const char *sw_join_doubt_name(unsigned int i)
{
    static const char *const names[] = {SW_JOIN_DOUBTS(NAME_ITEM)};

    return names[i];
}
