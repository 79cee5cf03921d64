/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/service_set.h"
#include "base/array.h"
#include "base/ip.h"
#include "guard/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
    struct sw_service_spec *at;
    size_t len, room;
};

bool sw_service_set_same(const __u8 ip[16], __u8 any, const __u8 other_ip[16], __u8 other_any)
{
    if (any > SW_NET || other_any > SW_NET)
        return any == other_any && !memcmp(ip, other_ip, 16);
    return !any == !other_any && !(any & SW_ANY_6) == !(other_any & SW_ANY_6) && !memcmp(ip, other_ip, 16);
}

static __u8 family_of(const __u8 ip[16])
{
    return sw_ip_is_v4(ip) ? SW_ANY_4 : SW_ANY_6;
}

static int add(struct wanted *all, const struct sw_service_spec *w)
{
    struct sw_service_spec *more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    all->at = more;
    all->at[all->len++] = *w;
    return 0;
}

static struct sw_service_spec from_listener(const struct sw_listener *l, __u8 flags)
{
    struct sw_service_spec w = {
        .port = l->port, .any = l->any, .rcvbuf = l->rcvbuf, .backlog = l->backlog, .uid = l->uid};

    memcpy(w.ip, l->ip, 16);
    w.flags = flags | (l->mptcp ? SW_SV_MPTCP : 0) | (l->bound ? SW_SV_BOUND : 0);
    return w;
}

/* A port, or a port of one family: all that listens there, cut to the families named. */
static int add_port(struct wanted *all, const struct sw_listener *listeners, size_t len, const struct sw_protect *p)
{
    const struct sw_service_spec none = {
        .port = p->port, .any = p->any, .flags = SW_SV_NAMED | SW_SV_NO_LISTENER, .class = SW_SHARE_NAMED};
    bool found = false;
    int err = 0;

    for (size_t i = 0; i < len && !err; i++) {
        struct sw_service_spec w = from_listener(&listeners[i], SW_SV_NAMED);

        if (w.port != p->port)
            continue;
        if (w.any)
            w.any &= p->any;
        if (!w.any && !(family_of(w.ip) & p->any && !listeners[i].any))
            continue;
        found = true;
        err = add(all, &w);
    }
    return found || err ? err : add(all, &none);
}

/* An address: what listens on it, or else a wildcard's part. The part of an address that is not this host's is not
 * ours to answer for. */
static int add_address(struct wanted *all, const struct sw_listener *listeners, size_t len, const struct sw_protect *p,
                       bool local)
{
    struct sw_service_spec w = {.port = p->port, .flags = SW_SV_NAMED | SW_SV_NO_LISTENER};

    for (size_t i = 0; i < len; i++) {
        const struct sw_listener *l = &listeners[i];

        if (l->port != p->port)
            continue;
        if (l->any ? local && l->any & family_of(p->ip) && w.flags & SW_SV_NO_LISTENER : !memcmp(l->ip, p->ip, 16)) {
            w = from_listener(l, SW_SV_NAMED);
            if (!l->any)
                break;
        }
    }
    memcpy(w.ip, p->ip, 16);
    w.any = 0;
    w.class = SW_SHARE_NAMED;
    return add(all, &w);
}

static int compare(const void *a, const void *b)
{
    const struct sw_service_spec *x = a, *y = b;

    if (!x->any != !y->any)
        return x->any ? -1 : 1;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    if (!(x->any & SW_ANY_6) != !(y->any & SW_ANY_6))
        return x->any & SW_ANY_6 ? 1 : -1;
    return memcmp(x->ip, y->ip, 16);
}

/* Named twice, as 80 and 10.0.0.1:80: once. A listener counts more than its absence. */
static void merge(struct wanted *all)
{
    size_t n = 0;

    if (!all->len)
        return;
    qsort(all->at, all->len, sizeof(*all->at), compare);
    for (size_t i = 1; i < all->len; i++) {
        struct sw_service_spec *have = &all->at[n], *w = &all->at[i];
        enum sw_share_class class = have->class > w->class ? have->class : w->class;

        if (compare(have, w)) {
            all->at[++n] = *w;
            continue;
        }
        if (have->flags & SW_SV_NO_LISTENER && !(w->flags & SW_SV_NO_LISTENER))
            *have = *w;
        else if ((have->flags & SW_SV_NO_LISTENER) == (w->flags & SW_SV_NO_LISTENER))
            have->any |= w->any;
        have->class = class;
    }
    all->len = n + 1;
}

/* What no name has settled. */
static void classify(struct wanted *all, __u32 first_open)
{
    for (size_t i = 0; i < all->len; i++) {
        struct sw_service_spec *w = &all->at[i];

        if (w->class == SW_SHARE_FREE)
            w->class = w->port < first_open ? SW_SHARE_PORT : w->uid ? SW_SHARE_USER : SW_SHARE_ROOT;
    }
}

/* Two wildcards of a port never both cover IPv4: the one of IPv4 alone does, and a listener before a mere name. */
static void part_families(struct wanted *all)
{
    for (size_t i = 1; i < all->len; i++) {
        struct sw_service_spec *v4 = &all->at[i - 1], *v6 = &all->at[i];

        if (v4->any == SW_ANY_4 && v6->any == (SW_ANY_4 | SW_ANY_6) && v4->port == v6->port)
            v6->any = SW_ANY_6;
    }
}

int sw_service_set_make(const struct sw_listener *listeners, size_t len, const struct sw_guard_opts *opts,
                        const __u8 (*ips)[16], size_t ips_len, __u32 first_open, struct sw_service_spec **ret,
                        size_t *ret_len)
{
    struct wanted all = {0};
    int err = 0;

    *ret = NULL;
    *ret_len = 0;
    for (size_t i = 0; i < len && !opts->protect_len && !err; i++) {
        struct sw_service_spec w = from_listener(&listeners[i], 0);

        err = add(&all, &w);
    }
    for (size_t i = 0; i < opts->protect_len && !err; i++) {
        const struct sw_protect *p = &opts->protect[i];

        err = p->any ? add_port(&all, listeners, len, p)
                     : add_address(&all, listeners, len, p, sw_local_ips_has(ips, ips_len, p->ip));
    }
    if (err) {
        free(all.at);
        return err;
    }
    merge(&all);
    part_families(&all);
    classify(&all, first_open);
    *ret = all.at;
    *ret_len = all.len;
    return 0;
}
