/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/service_table.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_table_init(struct sw_table *t, struct sw_service *slots, struct sw_port_slot *ports, int counters_fd,
                  int history_fd)
{
    *t = (struct sw_table){.slot = slots, .port = ports, .counters_fd = counters_fd, .history_fd = history_fd};
    t->cpus = libbpf_num_possible_cpus();
    if (t->cpus < 0)
        return t->cpus;
    for (__u32 i = 1; i < SW_SERVICES; i++)
        t->shadow[i].adopted = slots[i].port;
    t->tally = calloc(2 * (size_t)t->cpus, sizeof(*t->tally));
    return t->tally ? 0 : -ENOMEM;
}

void sw_table_free(struct sw_table *t)
{
    free(t->tally);
    t->tally = NULL;
}

static __u32 find(const struct sw_table *t, const struct sw_service_spec *w)
{
    __u32 at = t->port[w->port].first;

    for (int i = 0; i < SW_CHAIN && at; i++) {
        if (sw_service_set_same(w->ip, w->any, t->slot[at].ip, t->slot[at].any))
            return at;
        at = t->slot[at].next;
    }
    return 0;
}

__u32 sw_table_find(const struct sw_table *t, const __u8 ip[16], __u16 port)
{
    __u32 at = t->port[port].first;

    for (int i = 0; i < SW_CHAIN && at; i++) {
        const struct sw_service *sv = &t->slot[at];

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

static int chain_len(const struct sw_table *t, __u16 port)
{
    int n = 0;

    for (__u32 at = t->port[port].first; at && n < SW_SERVICES; at = t->slot[at].next)
        n++;
    return n;
}

/* Readers see the slot completely, or not at all. */
static void point(struct sw_table *t, __u16 port, __u32 from, __u32 to)
{
    if (from)
        __atomic_store_n(&t->slot[from].next, to, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&t->port[port].first, to, __ATOMIC_RELEASE);
}

static void chain_in(struct sw_table *t, __u32 index)
{
    __u16 port = ntohs(t->slot[index].port);
    __u32 prev = 0, at = t->port[port].first;

    while (at && rank(&t->slot[at]) <= rank(&t->slot[index])) {
        prev = at;
        at = t->slot[at].next;
    }
    __atomic_store_n(&t->slot[index].next, at, __ATOMIC_RELEASE);
    point(t, port, prev, index);
}

/* Its own next is kept, so that a concurrent reader can continue. */
static void chain_out(struct sw_table *t, __u32 index)
{
    __u16 port = ntohs(t->slot[index].port);
    __u32 prev = 0, at = t->port[port].first;

    while (at && at != index) {
        prev = at;
        at = t->slot[at].next;
    }
    if (at)
        point(t, port, prev, t->slot[index].next);
}

static void set_flags(struct sw_table *t, __u32 index, __u8 flags)
{
    struct sw_service *sv = &t->slot[index];
    bool moves = (sv->flags ^ flags) & SW_SV_NO_LISTENER;

    if (sv->flags != flags)
        __atomic_store_n(&sv->flags, flags, __ATOMIC_RELEASE);
    if (moves) {
        chain_out(t, index);
        chain_in(t, index);
    }
}

/* The counters, and the history for detection. */
static int clear_figures(struct sw_table *t, __u32 index)
{
    static const struct sw_svc_history nothing;

    memset(t->tally, 0, t->cpus * sizeof(*t->tally));
    if (bpf_map_update_elem(t->counters_fd, &index, t->tally, BPF_ANY) ||
        bpf_map_update_elem(t->history_fd, &index, &nothing, BPF_ANY))
        return -errno;
    return 0;
}

/* The counters of a freed service are added to slot 0, so that sums over all never decrease. */
static int keep_figures(struct sw_table *t, __u32 index)
{
    struct sw_svc_counters *all = t->tally + t->cpus;
    __u32 zero = 0;

    if (bpf_map_lookup_elem(t->counters_fd, &index, t->tally) || bpf_map_lookup_elem(t->counters_fd, &zero, all))
        return -errno;
    for (int cpu = 0; cpu < t->cpus; cpu++) {
        for (int i = 0; i < SW_T_MAX; i++)
            all->item[i] += t->tally[cpu].item[i];
        for (int i = 0; i < SW_DROP_MAX; i++)
            all->drop[i] += t->tally[cpu].drop[i];
    }
    if (bpf_map_update_elem(t->counters_fd, &zero, all, BPF_ANY))
        return -errno;
    return clear_figures(t, index);
}

static enum sw_backend backend_of(const struct sw_table_common *c, __u8 flags)
{
    return flags & SW_SV_MPTCP && c->backend == SW_BK_REQSK ? SW_BK_LISTENER : c->backend;
}

/* What it is, and only what is another than before. */
static void describe(struct sw_table *t, __u32 index, const struct sw_service_spec *w, const struct sw_table_common *c)
{
    struct sw_service *sv = &t->slot[index];
    struct sw_table_shadow *shadow = &t->shadow[index];
    __u8 flags = w->flags | (c->wscale >= 0 ? SW_SV_FIXED : 0);
    __u8 wscale = c->wscale >= 0 ? c->wscale : sw_tcp_wscale_of(c->sysctls, w->rcvbuf);
    __u16 win = sw_tcp_window_of(c->sysctls, w->rcvbuf, c->mss[0]);

    if (shadow->adopted && !(flags & SW_SV_FIXED)) {
        shadow->wscale = wscale;
        shadow->win = win;
    }
    shadow->adopted = false;
    shadow->backlog = w->backlog;

    for (int i = 0; i < 2; i++)
        if (sv->mss[i] != c->mss[i])
            __atomic_store_n(&sv->mss[i], c->mss[i], __ATOMIC_RELAXED);
    /* no listener: its last known properties are kept */
    if (!(flags & SW_SV_NO_LISTENER) || !shadow->win) {
        if (shadow->wscale != wscale || !shadow->win)
            __atomic_store_n(&sv->wscale, wscale, __ATOMIC_RELAXED);
        if (shadow->win != win)
            __atomic_store_n(&sv->win, win, __ATOMIC_RELAXED);
        shadow->wscale = wscale;
        shadow->win = win;
    } else {
        flags |= sv->flags & SW_SV_MPTCP;
    }
    if (sv->any != w->any)
        __atomic_store_n(&sv->any, w->any, __ATOMIC_RELAXED);
    if (sv->backend != backend_of(c, flags))
        __atomic_store_n(&sv->backend, backend_of(c, flags), __ATOMIC_RELAXED);
    if (sv->port)
        set_flags(t, index, flags);
    else
        sv->flags = flags;
    shadow->gone = flags & SW_SV_NO_LISTENER;
}

static __u32 free_slot(const struct sw_table *t)
{
    for (__u32 i = 1; i < SW_SERVICES; i++)
        if (!t->slot[i].port && t->shadow[i].freed != t->round)
            return i;
    return 0;
}

static int publish(struct sw_table *t, __u32 index, const struct sw_service_spec *w, const struct sw_table_common *c)
{
    struct sw_service *sv = &t->slot[index];
    int err = clear_figures(t, index);

    if (err)
        return err;
    memset(sv, 0, sizeof(*sv));
    t->shadow[index] = (struct sw_table_shadow){.wanted = true};
    memcpy(sv->ip, w->ip, 16);
    sv->mode = c->mode;
    describe(t, index, w, c);
    __atomic_store_n(&sv->port, htons(w->port), __ATOMIC_RELEASE);
    chain_in(t, index);
    return 0;
}

/* The service is no longer needed. Its slot stays unused for a round at least, in which a CPU that still evaluates it
 * finishes, and until its cookies expired if it had any. */
static int retire(struct sw_table *t, __u32 index, const struct sw_table_common *c)
{
    struct sw_service *sv = &t->slot[index];
    struct sw_table_shadow *shadow = &t->shadow[index];
    bool calm = __atomic_load_n(&sv->state, __ATOMIC_RELAXED) == SW_GS_CALM;
    __u64 gone_ns = c->now - shadow->gone_since;

    if (!shadow->gone) {
        shadow->gone = true;
        shadow->gone_since = c->now;
        shadow->was_calm = calm;
        set_flags(t, index, sv->flags | SW_SV_NO_LISTENER);
        return 0;
    }
    if (!calm || (!shadow->was_calm && gone_ns < c->grace)) {
        shadow->was_calm = false;
        if (gone_ns < 2 * c->grace)
            return 0;
    }
    chain_out(t, index);
    __atomic_store_n(&sv->port, 0, __ATOMIC_RELEASE);
    shadow->freed = t->round;
    return keep_figures(t, index);
}

static void count(const struct sw_service *sv, struct sw_table_sum *sum)
{
    if (!sv->port)
        return;
    if (sv->flags & SW_SV_NO_LISTENER) {
        sum->no_listener += !!(sv->flags & SW_SV_NAMED);
        return;
    }
    sum->live++;
    sum->listener += sv->backend == SW_BK_LISTENER;
    sum->mptcp += !!(sv->flags & SW_SV_MPTCP);
}

static int add(struct sw_table *t, const struct sw_service_spec *w, const struct sw_table_common *c,
               struct sw_table_sum *sum)
{
    __u32 index;

    if (chain_len(t, w->port) >= SW_CHAIN) {
        sum->no_chain++;
        sum->crowded = w->port;
        return 0;
    }
    index = free_slot(t);
    if (!index) {
        sum->no_slot++;
        return 0;
    }
    return publish(t, index, w, c);
}

bool sw_table_misses(const struct sw_table *t, const struct sw_service_spec *wanted, size_t len)
{
    size_t live = 0, have = 0;

    for (__u32 i = 1; i < SW_SERVICES; i++)
        live += t->slot[i].port && !(t->slot[i].flags & SW_SV_NO_LISTENER);
    for (size_t i = 0; i < len; i++) {
        __u32 index = find(t, &wanted[i]);

        have += index && !(wanted[i].flags & SW_SV_NO_LISTENER) && !(t->slot[index].flags & SW_SV_NO_LISTENER);
    }
    return have < live;
}

int sw_table_apply(struct sw_table *t, const struct sw_service_spec *wanted, size_t len,
                   const struct sw_table_common *c, struct sw_table_sum *ret)
{
    int err = 0, first = 0;

    memset(ret, 0, sizeof(*ret));
    t->round++;
    for (__u32 i = 1; i < SW_SERVICES; i++)
        t->shadow[i].wanted = false;
    for (size_t i = 0; i < len; i++) {
        __u32 index = find(t, &wanted[i]);

        if (!index)
            continue;
        t->shadow[index].wanted = true;
        describe(t, index, &wanted[i], c);
    }
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        if (t->slot[i].port && !t->shadow[i].wanted)
            err = retire(t, i, c);
        first = first ? first : err;
    }
    for (size_t i = 0; i < len; i++) {
        if (!find(t, &wanted[i]))
            err = add(t, &wanted[i], c, ret);
        first = first ? first : err;
    }
    for (__u32 i = 1; i < SW_SERVICES; i++)
        count(&t->slot[i], ret);
    return first;
}
