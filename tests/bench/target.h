/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What syn.c measures: synward, with a service and lists put into its maps as user space does it, or another object. */
#ifndef SW_BENCH_TARGET_H
#define SW_BENCH_TARGET_H

#include <sys/mman.h>
#include <sys/socket.h>

#include "lanes.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "synward_hash.h"
#include "synward.skel.h"

enum { PORT = 443, BLOCKED = 100000 };
enum { SVC_DROP = 1000 }; /* added to a drop's reason */

static int view_open(struct view *v, struct bpf_map *map)
{
    size_t stride = (bpf_map__value_size(map) + 7) & ~7u, page = sysconf(_SC_PAGESIZE);

    v->size = (bpf_map__max_entries(map) * stride + page - 1) & ~(page - 1);
    v->at = mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return v->at == MAP_FAILED ? -errno : 0;
}

static const __u8 server4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 99, 0, 1};
static const __u8 server6[16] = {0xfd, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

static void put_local(struct bench *b, const __u8 ip[16])
{
    __u32 words[4];

    memcpy(words, ip, 16);
    memcpy((__u8 *)b->locals.at + 16 * sw_local_hash(words), ip, 16);
}

static int listener_open(int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    const void *at = family == AF_INET ? (const void *)&four : &six;

    if (fd < 0)
        return -errno;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, at, family == AF_INET ? sizeof(four) : sizeof(six)) || listen(fd, 128)) {
        close(fd);
        return -errno;
    }
    return fd;
}

static int fill_prefixes(const struct bpf_map *trie, __u32 n)
{
    __u32 value = 1;

    for (__u32 i = 0; i < n; i++) { /* /24s and /64s, none of them of the senders */
        struct sw_cidr c = {.prefixlen = i & 1 ? 120 : 64};
        __u32 net = htonl(0x20000000 + (i * 2654435761u >> 6 << 8 & 0x1fffff00));

        if (i & 1) {
            memcpy(c.ip, server4, 12);
            memcpy(c.ip + 12, &net, 4);
        } else {
            c.ip[0] = 0x20;
            c.ip[1] = 1;
            memcpy(c.ip + 4, &i, 4);
        }
        if (bpf_map_update_elem(bpf_map__fd(trie), &c, &value, BPF_ANY))
            return -errno;
    }
    return 0;
}

/* The first is IPv4's default route. */
static int fill_routes(struct bench *b, __u32 n)
{
    struct sw_cidr c = {.prefixlen = 96};
    __u32 value = 1;

    memcpy(c.ip, server4, 12);
    if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.reverse_path), &c, &value, BPF_ANY))
        return -errno;
    return fill_prefixes(b->sw->maps.reverse_path, n - 1);
}

/* The generator's sources, 198.18.0.0/15. */
static int block_senders(struct bench *b)
{
    struct sw_cidr c = {.prefixlen = 96 + 15};
    __u32 value = SW_LIST_FILE;

    memcpy(c.ip, server4, 12);
    memcpy(c.ip + 12, "\xc6\x12\0\0", 4);
    return bpf_map_update_elem(bpf_map__fd(b->sw->maps.block), &c, &value, BPF_ANY) ? -errno : 0;
}

/* Of a gateway: the servers' prefixes, as service 1, and a hundred more of that port. */
static int fill_nets(const struct bench *b)
{
    const int fd = bpf_map__fd(b->sw->maps.service_nets);

    for (__u32 i = 0; i < 102; i++) {
        const __u32 index = i < 2 ? 1 : 2;
        struct sw_service_net net = {.prefixlen = SW_NET_PORT_BITS + (i == 1 ? 64 : 120), .port = PORT};

        memcpy(net.ip, i == 1 ? server6 : server4, i == 1 ? 8 : 15);
        if (i > 1)
            net.ip[13] = (__u8)(i + 100); /* 10.102.0.0/24 and so on */
        if (bpf_map_update_elem(fd, &net, &index, BPF_ANY))
            return -errno;
    }
    return 0;
}

/* What a gateway that translates knows of the backends: all that a cookie can carry. */
static int fill_backends(const struct bench *b)
{
    const struct sw_gateway_state state = {.max = SW_GATEWAY_FLOWS, .share = SW_GATEWAY_FLOWS};
    const struct sw_backend_facts facts = {
        .synack_ns = 1, .mss = 1460, .wscale = 7, .flags = SW_BE_TS | SW_BE_SACK | SW_BE_WSCALE | SW_BE_ECN};
    const __u32 zero = 0;

    if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.gateway_state), &zero, &state, BPF_ANY))
        return -errno;
    for (int i = 0; i < 2; i++) {
        struct sw_backend_key key = {.port = htons(PORT)};

        memcpy(key.ip, i ? server6 : server4, sizeof(key.ip));
        if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.backends), &key, &facts, BPF_ANY))
            return -errno;
    }
    return 0;
}

static enum sw_gateway form(void)
{
    const char *name = getenv("SW_BENCH_GATEWAY");

    return !name ? SW_GATEWAY_NONE : strcmp(name, "translate") ? SW_GATEWAY_EDGE : SW_GATEWAY_TRANSLATE;
}

static int synward_open(struct bench *b)
{
    struct sw_object_opts opts;
    const char *why = NULL;
    __u32 slot = 0;
    int err;

    sw_object_defaults(&opts);
    opts.cfg.guard = 1;
    opts.cfg.gateway = form();
    err = sw_object_new(&opts, &b->sw, &why);
    if (err) {
        fprintf(stderr, "bench: loading synward: %s\n", why ? why : "no reason given");
        return err;
    }
    for (int i = 0; i < 4; i++)
        b->keys.key[i / 2][i % 2] = 0x9e3779b97f4a7c15ull * (__u64)(i + getpid());
    if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.keys), &slot, &b->keys, BPF_ANY))
        return -errno;
    err = sw_rings_open(&b->rings, b->sw);
    if (!err)
        err = view_open(&b->guard, b->sw->maps.guard);
    if (!err)
        err = view_open(&b->services, b->sw->maps.services);
    if (!err)
        err = view_open(&b->ports, b->sw->maps.svc_ports);
    if (!err)
        err = view_open(&b->locals, b->sw->maps.local_ips);
    if (!err)
        err = fill_prefixes(b->sw->maps.block, BLOCKED);
    if (!err)
        err = fill_nets(b);
    if (!err)
        err = fill_backends(b);
    if (err)
        return err;
    put_local(b, server4);
    put_local(b, server6);
    for (int i = 0; i < 2; i++) {
        b->listener[i] = listener_open(i ? AF_INET6 : AF_INET);
        if (b->listener[i] < 0)
            return b->listener[i];
    }
    err = write_file("/proc/sys/net/ipv4/tcp_syncookies", "2");
    return err ? err : lane_set(b, 1, bpf_program__fd(sw_object_ingress(b->sw)));
}

/* "NAME:KEY=VALUE", both in hex, as bytes lie in memory; shorter ones are filled up with zeros. */
static int map_fill(struct bpf_object *obj, const char *text)
{
    __u8 bytes[2][256] = {{0}};
    char name[64];
    int at = 0;
    struct bpf_map *map;

    if (sscanf(text, "%63[^:]:%n", name, &at) != 1 || !at)
        return -EINVAL;
    map = bpf_object__find_map_by_name(obj, name);
    if (!map || bpf_map__key_size(map) > 256 || bpf_map__value_size(map) > 256)
        return -ENOENT;
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < 256 && sscanf(text + at, "%2hhx", &bytes[part][i]) == 1; i++, at += 2)
            if (!text[at] || !text[at + 1])
                return -EINVAL;
        if (!part && text[at++] != '=')
            return -EINVAL;
    }
    return bpf_map_update_elem(bpf_map__fd(map), bytes[0], bytes[1], BPF_ANY) ? -errno : 0;
}

static int other_open(struct bench *b, const char *object, const char *const *maps, size_t maps_len)
{
    char *file = strdup(object), *name = file ? strrchr(file, ':') : NULL;
    struct bpf_program *p, *chosen = NULL;
    int err = -EINVAL;

    if (!name)
        goto out;
    *name++ = 0;
    b->other = bpf_object__open(file);
    if (!b->other) {
        err = -errno;
        goto out;
    }
    bpf_object__for_each_program(p, b->other)
    {
        if (strcmp(bpf_program__name(p), name)) {
            bpf_program__set_autoload(p, false);
            continue;
        }
        chosen = p;
        bpf_program__set_type(p, BPF_PROG_TYPE_XDP);
    }
    err = chosen ? bpf_object__load(b->other) : -ENOENT;
    for (size_t i = 0; i < maps_len && !err; i++)
        err = map_fill(b->other, maps[i]);
    if (!err)
        err = lane_set(b, 1, bpf_program__fd(chosen));
out:
    if (err)
        fprintf(stderr, "bench: %s: %s\n", object, strerror(-err));
    free(file);
    return err;
}

static int counted(struct bench *b, __u32 what, __u64 *ret)
{
    struct sw_svc_counters each[256];
    int cpus = libbpf_num_possible_cpus();
    __u32 index = 1;

    *ret = 0;
    if (cpus > 256 || bpf_map_lookup_elem(bpf_map__fd(b->sw->maps.svc_counters), &index, each))
        return -EIO;
    for (int i = 0; i < cpus; i++)
        *ret += what >= SVC_DROP ? each[i].drop[what - SVC_DROP] : each[i].item[what];
    return 0;
}

static void drain(struct bench *b)
{
    for (int i = 0; i < SW_RINGS; i++)
        while (sw_rings_take(&b->rings, i))
            ;
}

/* Ends every flow and reads every record, so that the next round finds what this one found. */
static int clear(struct bench *b)
{
    struct sw_sweep sweep;
    int err, left = 64;

    do {
        drain(b);
        err = sw_object_sweep(b->sw, 0, 2, &sweep);
    } while (!err && sweep.held_back && left--);
    drain(b);
    return err;
}

#endif
