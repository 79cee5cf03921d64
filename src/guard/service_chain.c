/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/service_chain.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

int sw_chain_most(const struct sw_chains *c)
{
    return c->unbounded ? SW_SERVICES : SW_CHAIN;
}

__u32 sw_chain_find(const struct sw_chains *c, const struct sw_service_spec *w)
{
    __u32 at = c->port[w->port].first;

    for (int i = 0; i < sw_chain_most(c) && at; i++) {
        if (sw_service_set_same(w->ip, w->any, c->slot[at].ip, c->slot[at].any))
            return at;
        at = c->slot[at].next;
    }
    return 0;
}

__u32 sw_chain_of(const struct sw_chains *c, const __u8 ip[16], __u16 port)
{
    __u32 at = c->port[port].first;

    for (int i = 0; i < SW_CHAIN && at; i++) {
        const struct sw_service *sv = &c->slot[at];

        if (sv->any ? sv->any & (sw_ip_is_v4(ip) ? SW_ANY_4 : SW_ANY_6) : !memcmp(sv->ip, ip, 16))
            return at;
        at = sv->next;
    }
    return 0;
}

static int rank(const struct sw_service *sv)
{
    return (sv->flags & SW_SV_NO_LISTENER ? 2 : 0) + !!sv->any;
}

int sw_chain_len(const struct sw_chains *c, __u16 port)
{
    int n = 0;

    for (__u32 at = c->port[port].first; at && n < SW_SERVICES; at = c->slot[at].next)
        n++;
    return n;
}

/* Readers see the slot completely, or not at all. */
static void point(struct sw_chains *c, __u16 port, __u32 from, __u32 to)
{
    if (from)
        __atomic_store_n(&c->slot[from].next, to, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&c->port[port].first, to, __ATOMIC_RELEASE);
}

void sw_chain_in(struct sw_chains *c, __u32 index)
{
    __u16 port = ntohs(c->slot[index].port);
    __u32 prev = 0, at = c->port[port].first;

    while (at && rank(&c->slot[at]) <= rank(&c->slot[index])) {
        prev = at;
        at = c->slot[at].next;
    }
    __atomic_store_n(&c->slot[index].next, at, __ATOMIC_RELEASE);
    point(c, port, prev, index);
}

/* Its own next is kept, so that a concurrent reader can continue. */
void sw_chain_out(struct sw_chains *c, __u32 index)
{
    __u16 port = ntohs(c->slot[index].port);
    __u32 prev = 0, at = c->port[port].first;

    while (at && at != index) {
        prev = at;
        at = c->slot[at].next;
    }
    if (at)
        point(c, port, prev, c->slot[index].next);
}
