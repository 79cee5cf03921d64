/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/reverse_path.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "base/sysctl.h"
#include "guard/lpm.h"
#include "guard/routes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* not every change is notified: before 6.7 not that an address took routes with it */
#define AGAIN_NS (10 * SW_SECOND)
#define MANY_NS (60 * SW_SECOND) /* a large table changes all the time */
#define REST 50                  /* after a change: a large table is read so many times as long as it takes later, */
#define REST_MOST_NS (8 * SW_SECOND) /* while the programs still rely on what was read before (SW_ROUTES_NS) */
enum { MESSAGES_MOST = 4096 };       /* that are read at once */

#define GROUP(n) (1u << ((n)-1))
#define GROUPS                                                                                                         \
    (GROUP(RTNLGRP_LINK) | GROUP(RTNLGRP_IPV4_IFADDR) | GROUP(RTNLGRP_IPV4_ROUTE) | GROUP(RTNLGRP_IPV4_RULE) |         \
     GROUP(RTNLGRP_IPV6_IFADDR) | GROUP(RTNLGRP_IPV6_ROUTE) | GROUP(RTNLGRP_IPV6_RULE) | GROUP(RTNLGRP_NEXTHOP))

struct sw_reverse_path {
    int map_fd;
    struct sw_guard *guard; /* mmapped */
    enum sw_reverse_path_mode mode;
    int notices;           /* socket, -1: the routes are read each time */
    bool changed;          /* since they were read */
    __u64 due;             /* read them whatever was notified */
    __u64 rest_until;      /* and not before, whatever was notified */
    struct sw_routes have; /* in the map */
    bool have_known;       /* else the map is read first */
    __u32 flags;           /* SW_G_REVERSE_*: for which families they were read last */
    bool accept_local;
    const char *trouble;
};

static int open_notices(void)
{
    const struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = GROUPS};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct sw_reverse_path *sw_reverse_path_new(int map_fd, struct sw_guard *guard, enum sw_reverse_path_mode mode)
{
    struct sw_reverse_path *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->map_fd = map_fd;
    r->guard = guard;
    r->mode = mode;
    r->changed = true;
    r->notices = mode == SW_REVERSE_PATH_OFF ? -1 : open_notices();
    return r;
}

void sw_reverse_path_free(struct sw_reverse_path *r)
{
    if (!r)
        return;
    if (r->notices >= 0)
        close(r->notices);
    sw_routes_free(&r->have);
    free(r);
}

void sw_reverse_path_watch(struct sw_reverse_path *r)
{
    char part[64];
    ssize_t got = 0;

    if (r->notices < 0)
        r->changed = true;
    for (int i = 0; r->notices >= 0 && i < MESSAGES_MOST && got >= 0; i++) {
        got = recv(r->notices, part, sizeof(part), 0); /* what it says does not matter */
        if (got >= 0 || errno != EAGAIN)
            r->changed = true; /* also if some did not fit */
    }
}

/* --- what is to be checked --- */

static int conf_of(const char *name, const char *what)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", name, what);
    return sw_sysctl_int(path);
}

/* Does the kernel check strictly on each device that may take a packet of a watched one? As IN_DEV_RPFILTER. */
static bool kernel_filters(const struct sw_devices *devices)
{
    int all = conf_of("all", "rp_filter");
    bool any = false;

    for (size_t i = 0; i < devices->len; i++) {
        int own;

        if (!devices->at[i].above)
            continue;
        own = conf_of(devices->at[i].name, "rp_filter");
        if (own < 0 || (own > all ? own : all) != 1)
            return false;
        any = true;
    }
    return any;
}

/* Loopback is no device of which the kernel asks. */
bool sw_accepts_local(const struct sw_devices *devices)
{
    bool accepts = conf_of("all", "accept_local") != 0; /* also if it cannot be read */

    for (size_t i = 0; i < devices->len && !accepts; i++)
        accepts =
            devices->at[i].above && (!devices->at[i].ethernet || conf_of(devices->at[i].name, "accept_local") != 0);
    return accepts;
}

static __u32 wanted(const struct sw_reverse_path *r, const struct sw_devices *devices)
{
    switch (r->mode) {
    case SW_REVERSE_PATH_STRICT: return SW_G_REVERSE_4 | SW_G_REVERSE_6;
    case SW_REVERSE_PATH_AUTO: return devices && kernel_filters(devices) ? SW_G_REVERSE_4 : 0; /* IPv6 has no such */
    default: return 0;
    }
}

static void set_flags(struct sw_guard *g, __u32 want)
{
    const __u32 ours = SW_G_REVERSE_4 | SW_G_REVERSE_6;

    __atomic_fetch_and(&g->flags, ~(ours & ~want), __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&g->flags, want, __ATOMIC_SEQ_CST);
}

/* --- the map --- */

static int load(struct sw_reverse_path *r)
{
    struct sw_list_entry *entries;
    size_t len;
    int err = sw_trie_read(r->map_fd, &entries, &len);

    sw_routes_free(&r->have);
    if (!err && len) {
        r->have.at = calloc(len, sizeof(*r->have.at));
        err = r->have.at ? 0 : -ENOMEM;
    }
    for (; !err && r->have.len < len; r->have.len++)
        r->have.at[r->have.len] = (struct sw_route){
            .cidr = entries[r->have.len].cidr,
            .reached = entries[r->have.len].from == 1,
        };
    r->have.room = r->have.len;
    free(entries);
    r->have_known = !err;
    return err;
}

enum { ABSENT = 2 }; /* besides 0 and 1 */

/*
 * One of the passes in which the map changes. What is reached before and after is so all the time: new entries that
 * reach come before old ones that do not go, and so on.
 */
enum pass { PUT_REACHED, REMOVE_UNREACHED, PUT_UNREACHED, REMOVE_REACHED, PASSES };

static int change(int fd, enum pass pass, const struct sw_cidr *cidr, int old, int now)
{
    bool put = pass == PUT_REACHED || pass == PUT_UNREACHED;
    int value = pass == PUT_REACHED || pass == REMOVE_REACHED;

    if (old == now || (put ? now != value : now != ABSENT || old != value))
        return 0;
    if (put)
        return sw_trie_put(fd, cidr, (__u32)value);
    return bpf_map_delete_elem(fd, cidr) && errno != ENOENT ? -errno : 0;
}

static int run_pass(int fd, enum pass pass, const struct sw_routes *have, const struct sw_routes *want)
{
    size_t i = 0, j = 0;
    int err = 0;

    while (!err && (i < have->len || j < want->len)) {
        int order = i == have->len ? 1 : j == want->len ? -1 : sw_cidr_compare(&have->at[i].cidr, &want->at[j].cidr);

        err = change(fd, pass, order <= 0 ? &have->at[i].cidr : &want->at[j].cidr,
                     order <= 0 ? have->at[i].reached : ABSENT, order >= 0 ? want->at[j].reached : ABSENT);
        i += order <= 0;
        j += order >= 0;
    }
    return err;
}

/* Takes what is in *want. */
static int apply(struct sw_reverse_path *r, struct sw_routes *want)
{
    int err = r->have_known ? 0 : load(r);

    for (int pass = 0; pass < PASSES && !err; pass++)
        err = run_pass(r->map_fd, pass, &r->have, want);
    r->have_known = !err;
    if (err)
        return err;
    sw_routes_free(&r->have);
    r->have = *want;
    memset(want, 0, sizeof(*want));
    return 0;
}

/* --- each second --- */

static const char *explain(enum sw_routes_unknown unknown)
{
    switch (unknown) {
    case SW_ROUTES_RULES:
        return "there are policy rules (ip rule), and the route of a packet depends on more than its address";
    case SW_ROUTES_MANY: return "there are more than 65536 routes";
    case SW_ROUTES_NEXTHOP: return "the kernel does not say of each route over which device it leads";
    case SW_ROUTES_NONE: return "no route leads over the interfaces that are followed";
    case SW_ROUTES_THROW: return "there is a route of type throw";
    default: return "the routes cannot be read";
    }
}

static enum sw_routes_unknown read_all(__u32 flags, const struct sw_devices *devices, bool accept_local,
                                       struct sw_routes *ret)
{
    enum sw_routes_unknown unknown = SW_ROUTES_KNOWN;

    if (flags & SW_G_REVERSE_4)
        unknown = sw_routes_read(AF_INET, devices, accept_local, ret);
    if (flags & SW_G_REVERSE_6 && !unknown)
        unknown = sw_routes_read(AF_INET6, devices, false, ret);
    if (!unknown)
        sw_routes_sort(ret);
    return unknown;
}

/* Where routes change all the time, a large table would be read all the time. */
static __u64 rest_after(__u64 took)
{
    if (took * REST <= SW_SECOND)
        return 0;
    return took * REST < REST_MOST_NS ? took * REST : REST_MOST_NS;
}

static void reread(struct sw_reverse_path *r, const struct sw_devices *devices, __u64 now)
{
    struct sw_routes want = {0};
    enum sw_routes_unknown unknown = read_all(r->flags, devices, r->accept_local, &want);

    if (unknown == SW_ROUTES_CHANGING) { /* as it was, until it is too old */
        r->changed = true;
        sw_routes_free(&want);
        return;
    }
    r->changed = false;
    r->due = now + (unknown == SW_ROUTES_MANY ? MANY_NS : AGAIN_NS);
    r->trouble = unknown ? explain(unknown) : NULL;
    if (!unknown && apply(r, &want)) {
        r->trouble = "the map of routes cannot be changed";
        r->changed = true;
    }
    sw_routes_free(&want);
}

void sw_reverse_path_refresh(struct sw_reverse_path *r, const struct sw_devices *devices, __u64 now)
{
    __u32 want = wanted(r, devices);
    bool accept_local;

    if (!want || !devices) {
        set_flags(r->guard, 0);
        r->trouble = want ? explain(SW_ROUTES_UNREAD) : NULL;
        r->flags = 0;
        return;
    }
    accept_local = sw_accepts_local(devices);
    if (want != r->flags || accept_local != r->accept_local) {
        set_flags(r->guard, want & r->flags); /* entries of the other family are about to go, or are not there yet */
        r->flags = want;
        r->accept_local = accept_local;
        r->changed = true;
        r->due = 0;
    }
    if (now >= r->due || (r->changed && now >= r->rest_until && r->trouble != explain(SW_ROUTES_MANY))) {
        __u64 began = sw_clock_now();

        reread(r, devices, now);
        /* a read that the kernel interrupted is tried again soon: what is known grows too old */
        r->rest_until = now + (r->changed ? SW_SECOND : rest_after(sw_clock_now() - began));
    }
    if (r->trouble)
        set_flags(r->guard, 0);
    if (r->trouble || r->changed)
        return;
    __atomic_store_n(&r->guard->routes_ns, now, __ATOMIC_SEQ_CST);
    set_flags(r->guard, want);
}

const char *sw_reverse_path_trouble(const struct sw_reverse_path *r)
{
    return r->trouble;
}
