/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/routes.h"
#include "base/array.h"
#include "base/cidr.h"
#include "base/ip.h"
#include "base/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TRIES = 3, V4_BITS = 96 };
enum { RULE_LOCAL = 1, RULE_MAIN = 2, RULE_DEFAULT = 4 };

struct reader {
    const struct sw_devices *devices;
    struct sw_routes *all;
    enum sw_routes_unknown unknown;
    __u32 rules; /* RULE_*: those that are there */
    __u8 family;
    bool accept_local;
};

static int give_up(struct reader *r, enum sw_routes_unknown why)
{
    r->unknown = why;
    return MNL_CB_STOP;
}

/* --- policy rules --- */

/* Selects packets by nothing, and looks into one table for any route. */
static bool is_plain(const struct nlmsghdr *nh, const struct fib_rule_hdr *m)
{
    const struct nlattr *a;

    if (m->action != FR_ACT_TO_TBL || m->dst_len || m->src_len || m->tos || m->flags & FIB_RULE_INVERT)
        return false;
    mnl_attr_for_each(a, nh, sizeof(*m))
    {
        __u16 type = mnl_attr_get_type(a);

        if (type == FRA_SUPPRESS_PREFIXLEN ? sw_nl_u32(a) != ~0u
                                           : type != FRA_TABLE && type != FRA_PRIORITY && type != FRA_PROTOCOL)
            return false;
    }
    return true;
}

static int see_rule(const struct nlmsghdr *nh, void *ctx)
{
    const struct fib_rule_hdr *m = sw_nl_header(nh, RTM_NEWRULE, sizeof(*m));
    const struct nlattr *a[FRA_MAX + 1];
    struct reader *r = ctx;
    __u32 table, priority;

    if (!m || m->family != r->family)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*m), a, FRA_MAX);
    table = a[FRA_TABLE] ? sw_nl_u32(a[FRA_TABLE]) : m->table;
    priority = sw_nl_u32(a[FRA_PRIORITY]);
    if (!is_plain(nh, m))
        return give_up(r, SW_ROUTES_RULES);
    if (!priority && table == RT_TABLE_LOCAL)
        r->rules |= RULE_LOCAL;
    else if (priority == 32766 && table == RT_TABLE_MAIN)
        r->rules |= RULE_MAIN;
    else if (priority == 32767 && table == RT_TABLE_DEFAULT)
        r->rules |= RULE_DEFAULT;
    else
        return give_up(r, SW_ROUTES_RULES);
    return MNL_CB_OK;
}

static int dump(struct reader *r, __u16 type, mnl_cb_t fn)
{
    struct sw_nl_request req;
    struct rtmsg *m = sw_nl_begin(&req, type, NLM_F_DUMP, sizeof(*m)); /* both headers are as long, and begin alike */

    m->rtm_family = r->family;
    return sw_nl_ask(NETLINK_ROUTE, &req, fn, r);
}

/* A kernel without policy rules has no other tables. */
static int read_rules(struct reader *r)
{
    int err = -EINTR;

    for (int i = 0; i < TRIES && err == -EINTR && !r->unknown; i++) {
        r->rules = 0;
        err = dump(r, RTM_GETRULE, see_rule);
    }
    if (err == -EOPNOTSUPP || err == -EAFNOSUPPORT)
        return 0;
    if (!err && !r->unknown && (~r->rules & (RULE_LOCAL | RULE_MAIN)))
        give_up(r, SW_ROUTES_RULES);
    return err;
}

/* --- routes --- */

/* What a route says of its prefix. */
enum says { REACHED, UNREACHED, NOTHING, UNKNOWN };

/* One over a device that is down is not there for the kernel, or may not be. A device that is not known is newer than
 * the list: in doubt it is reached. */
static void look_at_hop(const struct reader *r, __u32 oif, unsigned int flags, enum says *says)
{
    const struct sw_device *d = sw_devices_find(r->devices, oif);

    if (!d || d->ours)
        *says = REACHED;
    else if (*says == NOTHING && !(flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
        *says = UNREACHED;
}

static enum says see_hops(const struct reader *r, const struct rtmsg *m, const struct nlattr *const *a)
{
    enum says says = NOTHING;

    if (a[RTA_MULTIPATH]) {
        const struct rtnexthop *hop = mnl_attr_get_payload(a[RTA_MULTIPATH]);
        int len = mnl_attr_get_payload_len(a[RTA_MULTIPATH]);

        for (; len >= (int)sizeof(*hop) && RTNH_OK(hop, len); len -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
            look_at_hop(r, hop->rtnh_ifindex, hop->rtnh_flags, &says);
        return says;
    }
    if (!a[RTA_OIF])
        return UNKNOWN;
    look_at_hop(r, sw_nl_u32(a[RTA_OIF]), m->rtm_flags, &says);
    return says;
}

static enum says see_type(const struct reader *r, const struct rtmsg *m, const struct nlattr *const *a)
{
    switch (m->rtm_type) {
    case RTN_UNICAST: return see_hops(r, m, a);
    case RTN_LOCAL: return r->accept_local ? REACHED : UNREACHED;
    default: return UNREACHED;
    }
}

/* False: no such prefix, or one that no packet's source is in. */
static bool prefix_of(const struct rtmsg *m, const struct nlattr *dst, struct sw_cidr *ret)
{
    bool v4 = m->rtm_family == AF_INET;
    size_t bytes = v4 ? 4 : 16;

    memset(ret, 0, sizeof(*ret));
    if (m->rtm_dst_len > bytes * 8 || (m->rtm_dst_len && (!dst || mnl_attr_get_payload_len(dst) < bytes)))
        return false;
    if (v4)
        memcpy(ret->ip, sw_v4_mapped, sizeof(sw_v4_mapped));
    ret->prefixlen = m->rtm_dst_len + (v4 ? V4_BITS : 0);
    if (m->rtm_dst_len)
        memcpy(ret->ip + 16 - bytes, mnl_attr_get_payload(dst), bytes);
    return v4 || ret->prefixlen < V4_BITS || !sw_ip_is_v4(ret->ip);
}

static int add(struct sw_routes *all, const struct sw_route *route)
{
    void *more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*all->at));

    if (!more)
        return -ENOMEM;
    all->at = more;
    all->at[all->len++] = *route;
    return 0;
}

static int see_route(const struct nlmsghdr *nh, void *ctx)
{
    const struct rtmsg *m = sw_nl_header(nh, RTM_NEWROUTE, sizeof(*m));
    const struct nlattr *a[RTA_MAX + 1];
    struct sw_route route = {0};
    struct reader *r = ctx;
    enum says says;
    __u32 table;

    if (!m || m->rtm_family != r->family || m->rtm_flags & RTM_F_CLONED)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*m), a, RTA_MAX);
    table = a[RTA_TABLE] ? sw_nl_u32(a[RTA_TABLE]) : m->rtm_table;
    if ((table != RT_TABLE_LOCAL && table != RT_TABLE_MAIN && table != RT_TABLE_DEFAULT) ||
        !prefix_of(m, a[RTA_DST], &route.cidr))
        return MNL_CB_OK;
    if (m->rtm_type == RTN_THROW)
        return give_up(r, SW_ROUTES_THROW);
    says = see_type(r, m, a);
    if (says == UNKNOWN)
        return give_up(r, SW_ROUTES_NEXTHOP);
    /* not of every packet, or after all others: it takes nothing from the prefixes around it */
    if (says == UNREACHED && (m->rtm_tos || m->rtm_src_len || table == RT_TABLE_DEFAULT))
        return MNL_CB_OK;
    if (says == NOTHING)
        return MNL_CB_OK;
    if (r->all->len >= SW_ROUTES_MAX)
        return give_up(r, SW_ROUTES_MANY);
    route.reached = says == REACHED;
    route.first = table == RT_TABLE_LOCAL;
    if (!add(r->all, &route))
        return MNL_CB_OK;
    errno = ENOMEM;
    return MNL_CB_ERROR;
}

static int read_routes(struct reader *r)
{
    const struct sw_route none = {.cidr = {.prefixlen = V4_BITS, .ip = SW_V4_MAPPED}};
    size_t before = r->all->len;
    int err = -EINTR;

    for (int i = 0; i < TRIES && err == -EINTR && !r->unknown; i++) {
        r->all->len = before;
        err = r->family == AF_INET ? add(r->all, &none) : 0;
        if (!err)
            err = dump(r, RTM_GETROUTE, see_route);
    }
    return err;
}

static bool any_reached(const struct sw_routes *routes, size_t from)
{
    while (from < routes->len && !routes->at[from].reached)
        from++;
    return from < routes->len;
}

enum sw_routes_unknown sw_routes_read(__u8 family, const struct sw_devices *devices, bool accept_local,
                                      struct sw_routes *ret)
{
    struct reader r = {.devices = devices, .all = ret, .family = family, .accept_local = accept_local};
    size_t before = ret->len;
    int err = read_rules(&r);

    if (!err && !r.unknown)
        err = read_routes(&r);
    if (err)
        return err == -EINTR ? SW_ROUTES_CHANGING : SW_ROUTES_UNREAD;
    if (!r.unknown && !any_reached(ret, before))
        return SW_ROUTES_NONE;
    return r.unknown;
}

bool sw_rules_are_plain(__u8 family)
{
    struct reader r = {.family = family};

    return !read_rules(&r) && !r.unknown;
}

static bool covers(const struct sw_route *wide, const struct sw_route *route)
{
    __u32 bytes = wide->cidr.prefixlen / 8, bits = wide->cidr.prefixlen % 8;

    if (wide->cidr.prefixlen > route->cidr.prefixlen || memcmp(wide->cidr.ip, route->cidr.ip, bytes))
        return false;
    return !bits || !((wide->cidr.ip[bytes] ^ route->cidr.ip[bytes]) & ~(0xff >> bits));
}

/* Of the same prefix those that reach it count, whatever their metrics. */
void sw_routes_sort(struct sw_routes *routes)
{
    const struct sw_route *wide = NULL;
    size_t len = 0;

    if (!routes->len)
        return;
    qsort(routes->at, routes->len, sizeof(*routes->at), sw_cidr_compare); /* a route begins with its prefix */
    for (size_t i = 0; i < routes->len; i++) {
        struct sw_route *r = &routes->at[i], *last = len ? &routes->at[len - 1] : NULL;
        bool first = r->first && r->reached;

        if (last && !sw_cidr_compare(last, r)) {
            last->reached |= r->reached;
            last->first |= first;
        } else {
            last = &routes->at[len++];
            *last = *r;
            last->first = first;
        }
    }
    routes->len = len;
    for (size_t i = 0; i < len; i++) {
        struct sw_route *r = &routes->at[i];

        if (wide && covers(wide, r))
            r->reached = 1;
        else if (r->first)
            wide = r;
    }
}

void sw_routes_free(struct sw_routes *routes)
{
    free(routes->at);
    memset(routes, 0, sizeof(*routes));
}
