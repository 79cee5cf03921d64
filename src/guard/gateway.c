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

static bool covers(const struct sw_service *sv, const __u8 ip[16])
{
    __u32 bits = bits_of(sv), bytes = bits / 8, rest = bits % 8;

    if (memcmp(sv->ip, ip, bytes))
        return false;
    return !rest || !((sv->ip[bytes] ^ ip[bytes]) & (0xff00 >> rest & 0xff));
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

static int add_service(struct nets *all, const struct sw_service *sv, __u32 index, const __u8 (*ips)[16],
                       size_t ips_len, size_t *ret_own)
{
    int err = add(all, sv->ip, bits_of(sv), ntohs(sv->port), index);

    for (size_t i = 0; i < ips_len && !err; i++) {
        if (!covers(sv, ips[i]))
            continue;
        *ret_own += sv->any <= SW_NET;
        err = add(all, ips[i], 128, ntohs(sv->port), 0);
    }
    return err;
}

int sw_gateway_nets_make(const struct sw_chains *chains, const __u8 (*ips)[16], size_t ips_len,
                         struct sw_net_entry **ret, size_t *ret_len, size_t *ret_own)
{
    struct nets all = {0};
    int err = 0;

    *ret_own = 0;
    for (__u32 i = 1; i < SW_SERVICES && !err; i++) {
        const struct sw_service *sv = &chains->slot[i];

        if (sv->port && !(sv->flags & SW_SV_NO_LISTENER))
            err = add_service(&all, sv, i, ips, ips_len, ret_own);
    }
    if (!err)
        merge(&all);
    else
        free(all.at);
    *ret = err ? NULL : all.at;
    *ret_len = err ? 0 : all.len;
    return err;
}

static bool is_wanted(const struct sw_service_net *net, const struct sw_net_entry *want, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!memcmp(net, &want[i].net, sizeof(*net)))
            return true;
    return false;
}

/* A deletion begins the walk anew: there are few, when options or addresses have changed. */
static int remove_others(int fd, const struct sw_net_entry *want, size_t len)
{
    struct sw_service_net net, last, *from = NULL;

    while (!bpf_map_get_next_key(fd, from, &net)) {
        if (is_wanted(&net, want, len)) {
            last = net;
            from = &last;
            continue;
        }
        if (bpf_map_delete_elem(fd, &net) && errno != ENOENT)
            return -errno;
        from = NULL;
    }
    return errno == ENOENT ? 0 : -errno;
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
