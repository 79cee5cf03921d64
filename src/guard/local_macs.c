/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/local_macs.h"
#include "base/array.h"
#include "base/netlink.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 3, MAC_BYTES = 6, DEPTH = 8 };

struct device {
    __u32 ifindex;
    __u32 below, master; /* 0: none here */
    bool ethernet, watched;
    bool ours; /* watched, or connected with one that is */
    __u64 mac;
};

struct devices {
    struct device *at;
    size_t len, room;
};

static int add_device(const struct nlmsghdr *nh, void *ctx)
{
    const struct ifinfomsg *m = sw_nl_header(nh, RTM_NEWLINK, sizeof(*m));
    const struct nlattr *a[IFLA_MAX + 1];
    struct devices *all = ctx;
    struct device *d;
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
    *d = (struct device){.ifindex = m->ifi_index, .master = sw_nl_u32(a[IFLA_MASTER])};
    if (!a[IFLA_LINK_NETNSID]) /* else the number is another namespace's, as a veth's other end */
        d->below = sw_nl_u32(a[IFLA_LINK]);
    d->ethernet =
        m->ifi_type == ARPHRD_ETHER && a[IFLA_ADDRESS] && mnl_attr_get_payload_len(a[IFLA_ADDRESS]) == MAC_BYTES;
    if (d->ethernet)
        memcpy(&d->mac, mnl_attr_get_payload(a[IFLA_ADDRESS]), MAC_BYTES);
    return MNL_CB_OK;
}

static int compare_devices(const void *a, const void *b)
{
    const struct device *x = a, *y = b;

    return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static struct device *find(const struct devices *all, __u32 ifindex)
{
    const struct device key = {.ifindex = ifindex};

    return ifindex && all->len ? bsearch(&key, all->at, all->len, sizeof(key), compare_devices) : NULL;
}

static int read_devices(struct devices *all)
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
static bool is_made_on(const struct device *upper, const struct device *lower)
{
    return lower && lower->below != upper->ifindex;
}

static bool connect_two(struct device *a, struct device *b)
{
    bool more = a->ours != b->ours;

    a->ours = b->ours = a->ours || b->ours;
    return more;
}

/* One more step along what is made on what, and who is whose port. False: there is none. */
static bool connect_all(struct devices *all)
{
    bool more = false;

    for (size_t i = 0; i < all->len; i++) {
        struct device *d = &all->at[i], *below = find(all, d->below), *master = find(all, d->master);

        if (is_made_on(d, below))
            more = connect_two(d, below) || more;
        if (master)
            more = connect_two(d, master) || more;
    }
    return more;
}

static bool collect(const struct devices *all, __u64 macs[SW_MACS], __u32 *count)
{
    for (size_t i = 0; i < all->len; i++) {
        const struct device *d = &all->at[i];
        __u32 k = 0;

        if (d->watched && !d->ethernet)
            return false;
        if (!d->ours || !d->ethernet)
            continue;
        while (k < *count && macs[k] != d->mac)
            k++;
        if (k == SW_MACS)
            return false;
        macs[k] = d->mac;
        *count += k == *count;
    }
    return true;
}

__u32 sw_local_macs_read(const __u32 *ifindexes, size_t len, __u64 macs[SW_MACS])
{
    struct devices all = {0};
    __u32 count = 0;
    bool known = !read_devices(&all);

    memset(macs, 0, SW_MACS * sizeof(*macs));
    for (size_t i = 0; known && i < len; i++) {
        struct device *d = find(&all, ifindexes[i]);

        if (d)
            d->watched = d->ours = true;
    }
    for (int i = 0; known && i < DEPTH && connect_all(&all); i++)
        ;
    known = known && collect(&all, macs, &count);
    free(all.at);
    return known ? count : 0;
}

void sw_local_macs_apply(struct sw_guard *guard, const __u64 macs[SW_MACS], __u32 count)
{
    if (guard->macs == count && !memcmp(guard->mac, macs, count * sizeof(*macs)))
        return;
    __atomic_store_n(&guard->macs, 0, __ATOMIC_SEQ_CST); /* while they change, each is taken */
    for (__u32 i = 0; i < count; i++)
        __atomic_store_n(&guard->mac[i], macs[i], __ATOMIC_RELAXED);
    __atomic_store_n(&guard->macs, count, __ATOMIC_RELEASE);
}
