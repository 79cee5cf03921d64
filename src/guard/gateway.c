/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/gateway.h"
#include "base/array.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_gateway_set_make(const struct sw_guard_opts *opts, struct sw_service_spec **ret, size_t *ret_len)
{
    struct sw_service_spec *all = calloc(opts->protect_len ? opts->protect_len : 1, sizeof(*all));

    *ret = all;
    *ret_len = all ? opts->protect_len : 0;
    for (size_t i = 0; i < *ret_len; i++) {
        const struct sw_protect *p = &opts->protect[i];

        all[i] =
            (struct sw_service_spec){.port = p->port, .any = p->any, .flags = SW_SV_NAMED, .class = SW_SHARE_NAMED};
        memcpy(all[i].ip, p->ip, sizeof(all[i].ip));
    }
    return all ? 0 : -ENOMEM;
}

struct nets {
    struct sw_net_entry *at;
    size_t len, room;
};

static int add(struct nets *all, const __u8 ip[16], __u32 bits, __u16 port, __u32 service)
{
    struct sw_net_entry *more = sw_array_room(all->at, &all->room, all->len + 1, sizeof(*more)), *e;

    if (!more)
        return -ENOMEM;
    all->at = more;
    e = &all->at[all->len++];
    *e = (struct sw_net_entry){.net = {.prefixlen = SW_NET_PORT_BITS + bits, .port = port}, .service = service};
    memcpy(e->net.ip, ip, 16);
    return 0;
}

static __u32 bits_of(const struct sw_service *sv)
{
    return sv->any > SW_NET ? sv->any - SW_NET : 128;
}

static bool covers(const __u8 outer[16], __u32 bits, const __u8 inner[16], __u32 inner_bits)
{
    __u32 bytes = bits / 8, rest = bits % 8;

    if (bits > inner_bits || memcmp(outer, inner, bytes))
        return false;
    return !rest || !((outer[bytes] ^ inner[bytes]) & (0xff00 >> rest & 0xff));
}

/* By key, and for equal ones: what is no service comes first. */
static int compare(const void *a, const void *b)
{
    const struct sw_net_entry *x = a, *y = b;
    int order = memcmp(&x->net, &y->net, sizeof(x->net));

    return order ? order : x->service < y->service ? -1 : x->service > y->service;
}

/* Of equal keys the first one stays. */
static void merge(struct nets *all)
{
    size_t n = 0;

    if (!all->len)
        return;
    qsort(all->at, all->len, sizeof(*all->at), compare);
    for (size_t i = 1; i < all->len; i++)
        if (memcmp(&all->at[n].net, &all->at[i].net, sizeof(all->at[i].net)))
            all->at[++n] = all->at[i];
    all->len = n + 1;
}

/* A prefix of IPv6 that has the v4-mapped addresses in it does not mean those of IPv4. */
static int leave_out_v4(struct nets *all, const struct sw_service *sv)
{
    static const __u8 v4[16] = SW_V4_MAPPED;
    __u32 bits = bits_of(sv);

    return bits < 96 && covers(sv->ip, bits, v4, 96) ? add(all, v4, 96, ntohs(sv->port), 0) : 0;
}

static int add_service(struct nets *all, const struct sw_service *sv, __u32 index, const struct sw_cidr *own,
                       size_t own_len, size_t *ret_own)
{
    __u32 bits = bits_of(sv);
    int err = add(all, sv->ip, bits, ntohs(sv->port), index);

    if (!err)
        err = leave_out_v4(all, sv);
    for (size_t i = 0; i < own_len && !err; i++) {
        bool within = covers(sv->ip, bits, own[i].ip, own[i].prefixlen);

        if (!within && !covers(own[i].ip, own[i].prefixlen, sv->ip, bits))
            continue;
        *ret_own += sv->any <= SW_NET;
        err = add(all, within ? own[i].ip : sv->ip, within ? own[i].prefixlen : bits, ntohs(sv->port), 0);
    }
    return err;
}

int sw_gateway_nets_make(const struct sw_chains *chains, const struct sw_cidr *own, size_t own_len,
                         struct sw_net_entry **ret, size_t *ret_len, size_t *ret_own)
{
    struct nets all = {0};
    int err = 0;

    *ret_own = 0;
    for (__u32 i = 1; i < SW_SERVICES && !err; i++) {
        const struct sw_service *sv = &chains->slot[i];

        if (sv->port && !(sv->flags & SW_SV_NO_LISTENER))
            err = add_service(&all, sv, i, own, own_len, ret_own);
    }
    if (!err)
        merge(&all);
    if (all.len > SW_SERVICE_NETS)
        err = -E2BIG;
    if (err)
        free(all.at);
    *ret = err ? NULL : all.at;
    *ret_len = err ? 0 : all.len;
    return err;
}

static int compare_net(const void *net, const void *entry)
{
    return memcmp(net, &((const struct sw_net_entry *)entry)->net, sizeof(struct sw_service_net));
}

static bool is_wanted(const struct sw_service_net *net, const struct sw_net_entry *want, size_t len)
{
    return len && bsearch(net, want, len, sizeof(*want), compare_net);
}

/* The next key is asked for before one is deleted: from a key that is not there the walk would begin anew. */
static int remove_others(int fd, const struct sw_net_entry *want, size_t len)
{
    struct sw_service_net net, next;
    int more = bpf_map_get_next_key(fd, NULL, &net);

    while (!more) {
        more = bpf_map_get_next_key(fd, &net, &next);
        if (more && errno != ENOENT)
            return -errno;
        if (!is_wanted(&net, want, len) && bpf_map_delete_elem(fd, &net) && errno != ENOENT)
            return -errno;
        net = next;
    }
    return 0;
}

/* What is no service first: between the two this host's own port would be answered for. */
int sw_gateway_nets_apply(int map_fd, const struct sw_net_entry *want, size_t len)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < len; i++)
            if (pass == (want[i].service > 0) && bpf_map_update_elem(map_fd, &want[i].net, &want[i].service, BPF_ANY))
                return -errno;
    return remove_others(map_fd, want, len);
}
