/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guardrun.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "synward.skel.h"
#include "synward_hash.h"

#define SECOND 1000000000ull

enum { EVENTS_MAX = 8192, CAPTURES_MAX = 4096, LISTED_MAX = 4096 };

/* A mapped array; elements lie a multiple of 8 bytes apart. */
struct view {
    void *at;
    size_t size, stride;
};

struct guardrun {
    struct bpfrun *run;
    struct synward_bpf *obj;
    struct view guard, services, ports, locals, known;
    struct ring_buffer *rings[2];
    struct sw_guard_event *emitted;
    struct sw_capture *captures;
    size_t emitted_len, captures_len, overflow;
    __u32 last; /* highest service in use */
    struct sw_keys keys[2];
    bool drain;
    struct sw_hash_key hash_key;
    struct sw_cidr listed[2][LISTED_MAX];
    size_t listed_len[2];
};

static int view_open(struct view *v, struct bpf_map *map)
{
    long page = sysconf(_SC_PAGESIZE);
    void *at;

    v->stride = (bpf_map__value_size(map) + 7) & ~7u;
    v->size = ((size_t)bpf_map__max_entries(map) * v->stride + page - 1) & ~(page - 1);
    at = mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (at == MAP_FAILED)
        return -errno;
    v->at = at;
    return 0;
}

static void view_close(struct view *v)
{
    if (v->at)
        munmap(v->at, v->size);
}

static void *view_at(const struct view *v, __u32 i)
{
    return (__u8 *)v->at + i * v->stride;
}

static int on_told(void *ctx, void *data, size_t size)
{
    struct guardrun *g = ctx;

    if (size < sizeof(struct sw_guard_event) || g->emitted_len == EVENTS_MAX)
        g->overflow++;
    else
        memcpy(&g->emitted[g->emitted_len++], data, sizeof(struct sw_guard_event));
    return 0;
}

static int on_capture(void *ctx, void *data, size_t size)
{
    struct guardrun *g = ctx;

    if (size < sizeof(struct sw_capture) || g->captures_len == CAPTURES_MAX)
        g->overflow++;
    else
        memcpy(&g->captures[g->captures_len++], data, sizeof(struct sw_capture));
    return 0;
}

int guardrun_new(struct bpfrun *run, struct guardrun **ret)
{
    struct guardrun *g = calloc(1, sizeof(*g));
    const __u32 zero = 0;
    int err = -ENOMEM;

    *ret = NULL;
    if (!g)
        return -ENOMEM;
    g->run = run;
    g->obj = bpfrun_object(run);
    g->emitted = calloc(EVENTS_MAX, sizeof(*g->emitted));
    g->captures = calloc(CAPTURES_MAX, sizeof(*g->captures));
    if (!g->emitted || !g->captures)
        goto fail;
    err = view_open(&g->guard, g->obj->maps.guard);
    if (!err)
        err = view_open(&g->services, g->obj->maps.services);
    if (!err)
        err = view_open(&g->ports, g->obj->maps.svc_ports);
    if (!err)
        err = view_open(&g->locals, g->obj->maps.local_ips);
    if (!err)
        err = view_open(&g->known, g->obj->maps.known_tuples);
    if (!err && bpf_map_lookup_elem(bpf_map__fd(g->obj->maps.hash_key), &zero, &g->hash_key))
        err = -errno;
    if (err)
        goto fail;
    g->rings[0] = ring_buffer__new(bpf_map__fd(g->obj->maps.guard_events), on_told, g, NULL);
    g->rings[1] = ring_buffer__new(bpf_map__fd(g->obj->maps.captures), on_capture, g, NULL);
    if (!g->rings[0] || !g->rings[1]) {
        err = -errno;
        goto fail;
    }
    g->last = SW_SERVICES - 1; /* the first reset empties all of it */
    *ret = g;
    return 0;
fail:
    guardrun_free(g);
    return err;
}

void guardrun_free(struct guardrun *g)
{
    if (!g)
        return;
    view_close(&g->guard);
    view_close(&g->services);
    view_close(&g->ports);
    view_close(&g->locals);
    view_close(&g->known);
    ring_buffer__free(g->rings[0]);
    ring_buffer__free(g->rings[1]);
    free(g->emitted);
    free(g->captures);
    free(g);
}

static int zero(struct bpf_map *map, __u32 from, __u32 to, bool per_cpu)
{
    size_t size = ((bpf_map__value_size(map) + 7) & ~7u) * (per_cpu ? libbpf_num_possible_cpus() : 1);
    void *zeros = calloc(1, size);
    int err = zeros ? 0 : -ENOMEM;

    for (; !err && from <= to; from++)
        if (bpf_map_update_elem(bpf_map__fd(map), &from, zeros, BPF_ANY))
            err = -errno;
    free(zeros);
    return err;
}

static int empty_hash(struct bpf_map *map)
{
    __u8 key[64];

    for (__u32 i = 0; i <= bpf_map__max_entries(map); i++)
        if (bpf_map_get_next_key(bpf_map__fd(map), NULL, key) || bpf_map_delete_elem(bpf_map__fd(map), key))
            return 0;
    return -ELOOP;
}

static int empty_lists(struct guardrun *g)
{
    struct bpf_map *maps[] = {g->obj->maps.block, g->obj->maps.allow};

    for (int which = 0; which < 2; which++) {
        for (size_t i = 0; i < g->listed_len[which]; i++)
            if (bpf_map_delete_elem(bpf_map__fd(maps[which]), &g->listed[which][i]) && errno != ENOENT)
                return -errno;
        g->listed_len[which] = 0;
    }
    return 0;
}

static int collect(struct guardrun *g)
{
    int n = 0;

    for (int i = 0; i < 2 && n >= 0; i++)
        n = ring_buffer__consume(g->rings[i]);
    return n < 0 ? n : (g->overflow ? -ENOBUFS : 0);
}

int guardrun_reset(struct guardrun *g)
{
    static const struct sw_keys keys = {
        .key = {{0x736f6d65206f6c64, 0x206b6579}, {0x6120766572792073, 0x6563726574206b65}},
    };
    const __u64 gen = guardrun_conf(g)->nets_gen + 1; /* what the programs remember is void */
    int err;

    memset(g->guard.at, 0, g->guard.stride);
    memset(g->services.at, 0, g->services.size);
    memset(g->ports.at, 0, g->ports.size);
    memset(g->locals.at, 0, g->locals.size);
    memset(g->known.at, 0, g->known.size);
    err = zero(g->obj->maps.svc_counters, 0, g->last, true);
    if (!err)
        err = zero(g->obj->maps.svc_history, 0, g->last, false);
    if (!err)
        err = zero(g->obj->maps.drop_log, 0, 2 * SW_DROP_MAX - 1, true);
    if (!err)
        err = empty_hash(g->obj->maps.used_cookies);
    if (!err)
        err = empty_hash(g->obj->maps.limit_source);
    if (!err)
        err = empty_hash(g->obj->maps.limit_prefix);
    if (!err)
        err = empty_hash(g->obj->maps.reverse_path);
    if (!err)
        err = empty_hash(g->obj->maps.service_nets);
    if (!err)
        err = empty_lists(g);
    g->last = 0;
    *guardrun_conf(g) = (struct sw_guard){
        .nets_gen = gen,
        .half_open = 1024,
        .syn_rate = 4000,
        .hold = 10 * SECOND,
        .grace = 140 * SECOND,
        .flags = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN,
        .ttl = 64,
        .hop_limit = 63,
    };
    if (!err)
        err = guardrun_install(g, &keys);
    g->drain = true;
    collect(g);
    guardrun_clear(g);
    return err;
}

struct sw_guard *guardrun_conf(struct guardrun *g)
{
    return g->guard.at;
}

struct sw_service *guardrun_at(struct guardrun *g, __u32 index)
{
    return view_at(&g->services, index);
}

const struct sw_keys *guardrun_keys(const struct guardrun *g)
{
    return &g->keys[((const struct sw_guard *)g->guard.at)->key_slot];
}

int guardrun_install(struct guardrun *g, const struct sw_keys *keys)
{
    struct sw_guard *conf = guardrun_conf(g);
    __u32 slot = !conf->key_slot;

    if (bpf_map_update_elem(bpf_map__fd(g->obj->maps.keys), &slot, keys, BPF_ANY))
        return -errno;
    g->keys[slot] = *keys;
    conf->key_slot = slot;
    return 0;
}

__u32 guardrun_service(struct guardrun *g, const __u8 ip[16], __u16 port)
{
    __u32 index = ++g->last, *first = view_at(&g->ports, port);
    struct sw_service *sv = guardrun_at(g, index), *last;

    *sv = (struct sw_service){
        .port = htons(port),
        .any = ip ? 0 : SW_ANY_4 | SW_ANY_6,
        .mode = SW_GM_AUTO,
        .backend = SW_BK_REQSK,
        .wscale = 10,
        .mss = {1460, 1440},
        .win = 65160,
    };
    if (ip) {
        memcpy(sv->ip, ip, 16);
        sv->next = *first;
        *first = index;
    } else if (!*first) {
        *first = index;
    } else {
        for (last = guardrun_at(g, *first); last->next; last = guardrun_at(g, last->next))
            ;
        last->next = index;
    }
    return index;
}

static int put_net(struct guardrun *g, const __u8 ip[16], __u32 bits, __u16 port, __u32 index)
{
    struct sw_service_net net = {.prefixlen = SW_NET_PORT_BITS + bits, .port = port};

    memcpy(net.ip, ip, 16);
    guardrun_conf(g)->nets_gen++;
    return bpf_map_update_elem(bpf_map__fd(g->obj->maps.service_nets), &net, &index, BPF_ANY) ? -errno : 0;
}

__u32 guardrun_net(struct guardrun *g, const __u8 ip[16], __u32 bits, __u16 port)
{
    __u32 index = guardrun_service(g, ip, port);

    guardrun_at(g, index)->any = bits < 128 ? SW_NET + bits : 0;
    return put_net(g, ip, bits, port, index) ? 0 : index;
}

int guardrun_not(struct guardrun *g, const __u8 ip[16], __u16 port)
{
    return put_net(g, ip, 128, port, 0);
}

void guardrun_local(struct guardrun *g, const __u8 ip[16])
{
    static const __u8 none[16];
    __u32 words[4], slot;

    memcpy(words, ip, 16);
    slot = sw_local_hash(words);
    for (int i = 0; i < SW_LOCAL_PROBES; i++, slot = (slot + 1) & (SW_LOCAL_IPS - 1))
        if (!memcmp(view_at(&g->locals, slot), none, 16)) {
            memcpy(view_at(&g->locals, slot), ip, 16);
            return;
        }
}

static __u64 *known_word(struct guardrun *g, __u32 generation, const struct pkt *p, __u64 *ret_bit)
{
    __u32 remote[4], local[4], bit;

    memcpy(remote, p->src, 16);
    memcpy(local, p->dst, 16);
    bit = sw_known_bit(&g->hash_key, remote, local, htons(p->sport), htons(p->dport));
    *ret_bit = 1ull << bit % 64;
    return view_at(&g->known, generation * SW_KNOWN_WORDS + bit / 64);
}

bool guardrun_is_known(struct guardrun *g, __u32 generation, const struct pkt *p)
{
    __u64 bit, *word = known_word(g, generation, p, &bit);

    return *word & bit;
}

bool guardrun_known(struct guardrun *g, __u32 generation, const struct pkt *p, bool on)
{
    __u64 bit, *word = known_word(g, generation, p, &bit);
    bool was = *word & bit;

    *word = on ? *word | bit : *word & ~bit;
    return was;
}

int guardrun_list(struct guardrun *g, bool allow, const __u8 ip[16], __u32 prefix_len, __u32 value)
{
    struct sw_guard *conf = guardrun_conf(g);
    struct sw_cidr cidr = {.prefixlen = prefix_len};

    memcpy(cidr.ip, ip, 16);
    if (g->listed_len[allow] == LISTED_MAX)
        return -E2BIG;
    if (bpf_map_update_elem(bpf_map__fd(allow ? g->obj->maps.allow : g->obj->maps.block), &cidr, &value, BPF_ANY))
        return -errno;
    g->listed[allow][g->listed_len[allow]++] = cidr;
    if (allow)
        conf->allow_len++;
    else
        conf->block_len++;
    return 0;
}

int guardrun_route(struct guardrun *g, const __u8 ip[16], __u32 prefix_len, bool reached)
{
    struct sw_cidr cidr = {.prefixlen = prefix_len};
    __u32 value = reached;

    memcpy(cidr.ip, ip, 16);
    return bpf_map_update_elem(bpf_map__fd(g->obj->maps.reverse_path), &cidr, &value, BPF_ANY) ? -errno : 0;
}

int guardrun_detect(struct guardrun *g)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts);

    if (bpf_prog_test_run_opts(bpf_program__fd(g->obj->progs.sw_detect), &opts))
        return -errno;
    return (int)opts.retval;
}

struct sw_svc_counters guardrun_counters(struct guardrun *g, __u32 index)
{
    int cpus = libbpf_num_possible_cpus();
    struct sw_svc_counters *each = cpus > 0 ? calloc(cpus, sizeof(*each)) : NULL, sum = {0};

    if (!each || bpf_map_lookup_elem(bpf_map__fd(g->obj->maps.svc_counters), &index, each)) {
        memset(&sum, 0xff, sizeof(sum)); /* no test expects that */
        free(each);
        return sum;
    }
    for (int c = 0; c < cpus; c++) {
        for (int i = 0; i < SW_T_MAX; i++)
            sum.item[i] += each[c].item[i];
        for (int i = 0; i < SW_DROP_MAX; i++)
            sum.drop[i] += each[c].drop[i];
    }
    free(each);
    return sum;
}

__u64 guardrun_dropped(struct guardrun *g, __u32 index)
{
    struct sw_svc_counters t = guardrun_counters(g, index);
    __u64 n = 0;

    for (int i = 0; i < SW_DROP_MAX; i++)
        n += t.drop[i];
    return n;
}

size_t guardrun_events(struct guardrun *g, const struct sw_guard_event **ret)
{
    if (g->drain && collect(g))
        return ~(size_t)0;
    if (ret)
        *ret = g->emitted;
    return g->emitted_len;
}

size_t guardrun_captures(struct guardrun *g, const struct sw_capture **ret)
{
    if (g->drain && collect(g))
        return ~(size_t)0;
    if (ret)
        *ret = g->captures;
    return g->captures_len;
}

void guardrun_clear(struct guardrun *g)
{
    if (g->drain)
        collect(g);
    g->emitted_len = g->captures_len = g->overflow = 0;
}

void guardrun_drain(struct guardrun *g, bool on)
{
    g->drain = on;
}

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

const char *guardrun_drop_name(unsigned reason)
{
    static const char *const names[] = {SW_DROPS(NAME_ITEM)};

    return reason < SW_DROP_MAX ? names[reason] : "?";
}

const char *guardrun_state_name(unsigned state)
{
    static const char *const names[] = {SW_GUARD_STATES(NAME_ITEM)};

    return state < SW_GS_MAX ? names[state] : "?";
}

const char *guardrun_svc_counter_name(unsigned item)
{
    static const char *const names[] = {SW_SVC_COUNTERS(NAME_ITEM)};

    return item < SW_T_MAX ? names[item] : "?";
}
