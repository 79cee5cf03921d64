/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/top.h"

#include <arpa/inet.h>
#include <string.h>

static unsigned int chain_of(const struct sw_top *t, const __u8 ip[16], __be16 port)
{
    __u64 a, b, h = t->seed;

    memcpy(&a, ip, 8);
    memcpy(&b, ip + 8, 8);
    h = (h ^ a) * 0x9e3779b97f4a7c15ULL;
    h = (h ^ h >> 32 ^ b) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 32 ^ port) * 0xc4ceb9fe1a85ec53ULL;
    return h >> 32 & (SW_TOP_CHAINS - 1);
}

static bool is(const struct sw_top_slot *s, const __u8 ip[16], __be16 port)
{
    return s->port == port && !memcmp(s->ip, ip, 16);
}

static __u64 count_at(const struct sw_top *t, unsigned int place)
{
    return t->slot[t->heap[place]].count;
}

static void put(struct sw_top *t, unsigned int place, unsigned int slot)
{
    t->heap[place] = slot;
    t->slot[slot].place = place;
}

/* Its count has grown. */
static void sink(struct sw_top *t, unsigned int slot)
{
    unsigned int place = t->slot[slot].place, child;

    while ((child = 2 * place + 1) < t->len) {
        if (child + 1 < t->len && count_at(t, child + 1) < count_at(t, child))
            child++;
        if (count_at(t, child) >= t->slot[slot].count)
            break;
        put(t, place, t->heap[child]);
        place = child;
    }
    put(t, place, slot);
}

/* A new one has the smallest count that there is, so it may be anywhere above its equals. */
static void rise(struct sw_top *t, unsigned int slot)
{
    unsigned int place = t->slot[slot].place, parent;

    while (place && count_at(t, parent = (place - 1) / 2) > t->slot[slot].count) {
        put(t, place, t->heap[parent]);
        place = parent;
    }
    put(t, place, slot);
}

static void unchain(struct sw_top *t, unsigned int slot)
{
    __u16 *at = &t->chain[chain_of(t, t->slot[slot].ip, t->slot[slot].port)];

    while (*at != slot + 1)
        at = &t->slot[*at - 1].next;
    *at = t->slot[slot].next;
}

/* -1: it has none. */
static int find(const struct sw_top *t, const __u8 ip[16], __be16 port)
{
    for (unsigned int at = t->chain[chain_of(t, ip, port)]; at; at = t->slot[at - 1].next)
        if (is(&t->slot[at - 1], ip, port))
            return (int)at - 1;
    return -1;
}

unsigned int sw_top_add(struct sw_top *t, const __u8 ip[16], __be16 port, bool *ret_new)
{
    return sw_top_add_many(t, ip, port, 1, ret_new);
}

unsigned int sw_top_add_many(struct sw_top *t, const __u8 ip[16], __be16 port, __u64 n, bool *ret_new)
{
    int known = find(t, ip, port);
    struct sw_top_slot *s;
    unsigned int slot;
    __u16 *chain;

    t->total += n;
    *ret_new = known < 0;
    if (known >= 0) {
        t->slot[known].count += n;
        sink(t, known);
        return known;
    }
    if (t->len < SW_TOP_SLOTS) {
        slot = t->len++;
        t->slot[slot].place = slot;
    } else {
        slot = t->heap[0];
        unchain(t, slot);
        t->over = true;
    }
    s = &t->slot[slot];
    chain = &t->chain[chain_of(t, ip, port)];
    memcpy(s->ip, ip, 16);
    s->port = port;
    s->error = s->count;
    s->count += n;
    s->next = *chain;
    *chain = slot + 1;
    if (s->error)
        sink(t, slot);
    else
        rise(t, slot);
    return slot;
}

static bool before(const struct sw_top_slot *a, const struct sw_top_slot *b)
{
    __u64 certain_a = a->count - a->error, certain_b = b->count - b->error;

    if (certain_a != certain_b)
        return certain_a > certain_b;
    if (a->count != b->count)
        return a->count > b->count;
    if (memcmp(a->ip, b->ip, 16))
        return memcmp(a->ip, b->ip, 16) < 0;
    return ntohs(a->port) < ntohs(b->port);
}

size_t sw_top_best(const struct sw_top *t, unsigned int *ret_slots, size_t n)
{
    size_t len = 0;

    for (unsigned int i = 0; i < t->len; i++) {
        size_t at = len < n ? len++ : n;

        while (at && before(&t->slot[i], &t->slot[ret_slots[at - 1]])) {
            if (at < n)
                ret_slots[at] = ret_slots[at - 1];
            at--;
        }
        if (at < n)
            ret_slots[at] = i;
    }
    return len;
}

bool sw_top_has(const struct sw_top *t, const __u8 ip[16], __be16 port)
{
    return find(t, ip, port) >= 0;
}

void sw_top_bounds(const struct sw_top *t, const __u8 ip[16], __be16 port, __u64 *ret_least, __u64 *ret_most)
{
    int slot = find(t, ip, port);

    *ret_least = slot < 0 ? 0 : t->slot[slot].count - t->slot[slot].error;
    if (slot >= 0)
        *ret_most = t->slot[slot].count;
    else
        *ret_most = t->over ? count_at(t, 0) : 0;
}
