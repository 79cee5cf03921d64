/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/devices.h"
#include "base/array.h"
#include "base/netlink.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 3, MAC_BYTES = 6, DEPTH = 8 };

static int add_device(const struct nlmsghdr *nh, void *ctx)
{
    const struct ifinfomsg *m = sw_nl_header(nh, RTM_NEWLINK, sizeof(*m));
    const struct nlattr *a[IFLA_MAX + 1];
    struct sw_devices *all = ctx;
    struct sw_device *d;
    void *more;

    if (!m)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*m), a, IFLA_MAX);
    more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*all->at));
    if (!more) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    all->at = more;
    d = &all->at[all->len++];
    *d = (struct sw_device){.ifindex = m->ifi_index, .master = sw_nl_u32(a[IFLA_MASTER])};
    if (!a[IFLA_LINK_NETNSID]) /* else the number is another namespace's, as a veth's other end */
        d->below = sw_nl_u32(a[IFLA_LINK]);
    d->ethernet =
        m->ifi_type == ARPHRD_ETHER && a[IFLA_ADDRESS] && mnl_attr_get_payload_len(a[IFLA_ADDRESS]) == MAC_BYTES;
    if (d->ethernet)
        memcpy(&d->mac, mnl_attr_get_payload(a[IFLA_ADDRESS]), MAC_BYTES);
    if (a[IFLA_IFNAME])
        snprintf(d->name, sizeof(d->name), "%s", mnl_attr_get_str(a[IFLA_IFNAME]));
    return MNL_CB_OK;
}

static int compare_devices(const void *a, const void *b)
{
    const struct sw_device *x = a, *y = b;

    return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

struct sw_device *sw_devices_find(const struct sw_devices *all, __u32 ifindex)
{
    const struct sw_device key = {.ifindex = ifindex};

    return ifindex && all->len ? bsearch(&key, all->at, all->len, sizeof(key), compare_devices) : NULL;
}

static int read_devices(struct sw_devices *all)
{
    struct sw_nl_request req;
    int err = -EINTR;

    sw_nl_begin(&req, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
    mnl_attr_put_u32(&req.nh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    for (int i = 0; i < TRIES && err == -EINTR; i++) {
        all->len = 0;
        err = sw_nl_ask(NETLINK_ROUTE, &req, add_device, all);
    }
    if (!err && all->len)
        qsort(all->at, all->len, sizeof(*all->at), compare_devices);
    return err;
}

/* Not a veth's other end in this namespace: each of the two says that it is on the other. */
static bool is_made_on(const struct sw_device *upper, const struct sw_device *lower)
{
    return lower && lower->below != upper->ifindex;
}

static bool connect_two(struct sw_device *upper, struct sw_device *lower)
{
    bool more = upper->ours != lower->ours || (lower->above && !upper->above);

    upper->ours = lower->ours = upper->ours || lower->ours;
    upper->above |= lower->above;
    return more;
}

/* One more step along what is made on what, and who is whose port. False: there is none. */
static bool connect_all(struct sw_devices *all)
{
    bool more = false;

    for (size_t i = 0; i < all->len; i++) {
        struct sw_device *d = &all->at[i], *below = sw_devices_find(all, d->below),
                         *master = sw_devices_find(all, d->master);

        if (is_made_on(d, below))
            more = connect_two(d, below) || more;
        if (master)
            more = connect_two(master, d) || more;
    }
    return more;
}

int sw_devices_read(const __u32 *ifindexes, size_t len, struct sw_devices *ret)
{
    int err;

    memset(ret, 0, sizeof(*ret));
    err = read_devices(ret);
    if (err)
        return err;
    for (size_t i = 0; i < len; i++) {
        struct sw_device *d = sw_devices_find(ret, ifindexes[i]);

        if (d)
            d->watched = d->above = d->ours = true;
    }
    for (int i = 0; i < DEPTH && connect_all(ret); i++)
        ;
    return 0;
}

void sw_devices_free(struct sw_devices *devices)
{
    free(devices->at);
    memset(devices, 0, sizeof(*devices));
}
