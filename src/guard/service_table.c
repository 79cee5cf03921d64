/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/service_table.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_table_init(struct sw_table *t, struct sw_guard *guard, struct sw_service *slots, struct sw_port_slot *ports,
                  int counters_fd, int history_fd)
{
    *t = (struct sw_table){
        .guard = guard, .chain = {.slot = slots, .port = ports}, .counters_fd = counters_fd, .history_fd = history_fd};
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

static void set_flags(struct sw_table *t, __u32 index, __u8 flags)
{
    struct sw_service *sv = &t->chain.slot[index];
    bool moves = (sv->flags ^ flags) & SW_SV_NO_LISTENER;

    if (sv->flags != flags)
        __atomic_store_n(&sv->flags, flags, __ATOMIC_RELEASE);
    if (moves) {
        sw_chain_out(&t->chain, index);
        sw_chain_in(&t->chain, index);
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
    struct sw_service *sv = &t->chain.slot[index];
    struct sw_table_shadow *shadow = &t->shadow[index];
    __u8 flags = w->flags | (c->wscale >= 0 ? SW_SV_FIXED : 0);
    __u8 wscale = c->wscale >= 0 ? c->wscale : sw_tcp_wscale_of(c->sysctls, w->rcvbuf);
    __u16 win = c->no_window ? 0 : c->window ? c->window : sw_tcp_window_of(c->sysctls, w->rcvbuf, c->mss[0]);

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
    t->place[index].uid = w->uid;
    t->place[index].class = w->class;
}

static __u32 free_slot(const struct sw_table *t)
{
    for (__u32 i = 1; i < SW_SERVICES; i++)
        if (!t->chain.slot[i].port && t->shadow[i].freed != t->round)
            return i;
    return 0;
}

static int publish(struct sw_table *t, __u32 index, const struct sw_service_spec *w, const struct sw_table_common *c)
{
    struct sw_service *sv = &t->chain.slot[index];
    int err = clear_figures(t, index);

    if (err)
        return err;
    memset(sv, 0, sizeof(*sv));
    t->shadow[index] = (struct sw_table_shadow){.wanted = true};
    t->place[index].born = t->round;
    memcpy(sv->ip, w->ip, 16);
    sv->mode = c->mode;
    describe(t, index, w, c);
    __atomic_store_n(&sv->port, htons(w->port), __ATOMIC_RELEASE);
    sw_chain_in(&t->chain, index);
    return 0;
}

static int free_place(struct sw_table *t, __u32 index)
{
    sw_chain_out(&t->chain, index);
    __atomic_store_n(&t->chain.slot[index].port, 0, __ATOMIC_RELEASE);
    t->shadow[index].freed = t->round;
    t->place[index].class = SW_SHARE_FREE;
    return keep_figures(t, index);
}

/*
 * Another gets its place: at once, though it may be engaged. To have its lock keeps the CPUs from evaluating it, and it
 * is kept: a service that is made anew in this slot begins without. False: a CPU is at it.
 */
static bool displace(struct sw_table *t, __u32 index, int *ret_err)
{
    struct sw_service *sv = &t->chain.slot[index];
    __u32 nobody = 0;

    if (!__atomic_compare_exchange_n(&sv->evaluating, &nobody, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    if (sv->state != SW_GS_CALM)
        __atomic_fetch_sub(&t->guard->active, 1, __ATOMIC_RELAXED);
    if (sv->enforcing)
        __atomic_fetch_sub(&t->guard->engaged, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&sv->state, SW_GS_CALM, __ATOMIC_RELAXED);
    sv->enforcing = 0;
    *ret_err = free_place(t, index);
    return true;
}

/* The service is no longer needed. Its slot stays unused for a round at least, in which a CPU that still evaluates it
 * finishes, and until its cookies expired if it had any. */
static int retire(struct sw_table *t, __u32 index, const struct sw_table_common *c)
{
    struct sw_service *sv = &t->chain.slot[index];
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
    return free_place(t, index);
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

/* A round of those that have no place yet, in the order of their claims. */
struct adding {
    struct sw_table *t;
    const struct sw_table_common *c;
    struct sw_table_sum *sum;
    bool full;     /* no slot is free until the next round */
    bool hopeless; /* and nobody goes for those that still come, who have no better claim */
};

/* Makes room in the chain of a port. */
static bool displace_of_chain(struct sw_table *t, __u16 port, const struct sw_share_newcomer *newcomer, int *ret_err)
{
    struct sw_share_newcomer here = *newcomer;
    struct sw_share_place place[SW_CHAIN];
    __u32 index[SW_CHAIN];
    int n = 0, victim;

    for (__u32 at = t->chain.port[port].first; at && n < SW_CHAIN; at = t->chain.slot[at].next) {
        index[n] = at;
        place[n++] = t->place[at];
    }
    here.before = sw_share_held(place, n, here.uid);
    victim = sw_share_victim(place, n, &here);
    return victim >= 0 && displace(t, index[victim], ret_err);
}

/* Frees a slot, which can be taken in the next round. */
static void displace_any(struct adding *a, const struct sw_share_newcomer *newcomer, int *ret_err)
{
    int victim = a->hopeless ? -1 : sw_share_victim(a->t->place + 1, SW_SERVICES - 1, newcomer);

    a->hopeless = victim < 0;
    if (victim >= 0)
        displace(a->t, victim + 1, ret_err);
}

static int add(struct adding *a, const struct sw_service_spec *w, const struct sw_share_newcomer *newcomer)
{
    bool displaced = false;
    int err = 0;
    __u32 index;

    if (sw_chain_len(&a->t->chain, w->port) >= sw_chain_most(&a->t->chain)) {
        displaced = displace_of_chain(a->t, w->port, newcomer, &err);
        if (!displaced) {
            a->sum->no_chain++;
            a->sum->crowded = w->port;
            return 0;
        }
    }
    index = a->full ? 0 : free_slot(a->t);
    a->full = !index;
    if (index)
        return err ? err : publish(a->t, index, w, a->c);
    a->sum->no_slot++;
    if (!displaced)
        displace_any(a, newcomer, &err);
    return err;
}

/* Those that have no place yet. 0 or -errno, of the first failure. */
static int add_all(struct adding *a, const struct sw_service_spec *wanted, size_t len)
{
    struct sw_share_newcomer *newcomers = calloc(len ? len : 1, sizeof(*newcomers));
    int first = 0, err;
    size_t n = 0;

    if (!newcomers)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++)
        if (!sw_chain_find(&a->t->chain, &wanted[i]))
            newcomers[n++] = (struct sw_share_newcomer){i, wanted[i].uid, wanted[i].class, 0};
    sw_share_order(newcomers, n, a->t->place + 1, SW_SERVICES - 1);
    for (size_t i = 0; i < n; i++) {
        err = add(a, &wanted[newcomers[i].index], &newcomers[i]);
        first = first ? first : err;
    }
    free(newcomers);
    if (a->sum->no_slot)
        a->sum->most = sw_share_most(a->t->place + 1, SW_SERVICES - 1, SW_SHARE_USER, &a->sum->most_uid);
    return first;
}

bool sw_table_misses(const struct sw_table *t, const struct sw_service_spec *wanted, size_t len)
{
    size_t live = 0, have = 0;

    for (__u32 i = 1; i < SW_SERVICES; i++)
        live += t->chain.slot[i].port && !(t->chain.slot[i].flags & SW_SV_NO_LISTENER);
    for (size_t i = 0; i < len; i++) {
        __u32 index = sw_chain_find(&t->chain, &wanted[i]);

        have += index && !(wanted[i].flags & SW_SV_NO_LISTENER) && !(t->chain.slot[index].flags & SW_SV_NO_LISTENER);
    }
    return have < live;
}

int sw_table_apply(struct sw_table *t, const struct sw_service_spec *wanted, size_t len,
                   const struct sw_table_common *c, struct sw_table_sum *ret)
{
    struct adding adding = {.t = t, .c = c, .sum = ret};
    int err = 0, first = 0;

    memset(ret, 0, sizeof(*ret));
    t->round++;
    for (__u32 i = 1; i < SW_SERVICES; i++)
        t->shadow[i].wanted = false;
    for (size_t i = 0; i < len; i++) {
        __u32 index = sw_chain_find(&t->chain, &wanted[i]);

        if (!index)
            continue;
        t->shadow[index].wanted = true;
        describe(t, index, &wanted[i], c);
    }
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        if (!t->chain.slot[i].port || t->shadow[i].wanted)
            continue;
        t->place[i].class = SW_SHARE_GONE;
        err = retire(t, i, c);
        first = first ? first : err;
    }
    err = add_all(&adding, wanted, len);
    first = first ? first : err;
    for (__u32 i = 1; i < SW_SERVICES; i++)
        count(&t->chain.slot[i], ret);
    return first;
}
