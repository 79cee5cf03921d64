/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/owners.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "owner/resolver.h"
#include "owner/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING 1024             /* ends that wait to be looked up */
#define PATIENCE (2 * SW_SECOND) /* for a server to accept a connection */
#define ASK_EVERY 20000000u      /* ns */
#define WAIT_MS 5                /* so long lines wait for an answer */

struct pending {
    struct sw_socket_ask ask;
    __u64 since;
};

struct sw_owners {
    enum sw_owner_mode mode;
    struct sw_cgroups *cgroups;
    struct sw_process *process; /* by cookie: cookies count up; NULL: none is looked up */
    size_t places;              /* of process, a power of two; 0: one look's, sorted */
    size_t looked;              /* of one look's */
    struct sw_resolver resolver;
    int sockets;                       /* sock_diag; -1: none */
    size_t pending_first, pending_len; /* a ring: the newest have the best chance */
    struct pending pending[PENDING];
    size_t asked_len; /* in the order that they were asked in; 0: there is no question */
    struct sw_process asked[SW_HOLDERS_MAX];
    __u64 asked_inode[SW_HOLDERS_MAX];
    __u64 next;
    __u64 found, unknown;
};

enum sw_owner_mode sw_owners_mode(const struct sw_owners *o)
{
    return o ? o->mode : SW_OWNER_OFF;
}

static int alloc(enum sw_owner_mode mode, size_t places, struct sw_owners **ret)
{
    struct sw_owners *o = calloc(1, sizeof(*o));

    *ret = o;
    if (!o)
        return -ENOMEM;
    o->mode = mode;
    o->sockets = o->resolver.fd = -1;
    o->places = places;
    o->process = places ? calloc(places, sizeof(*o->process)) : NULL;
    if (places && !o->process)
        return -ENOMEM;
    return sw_cgroups_new(sw_cgroups_open(), &o->cgroups);
}

int sw_owners_new(enum sw_owner_mode mode, size_t flows, bool sandbox, struct sw_owners **ret)
{
    size_t places = mode == SW_OWNER_PROCESS ? 1024 : 0;
    int err;

    *ret = NULL;
    if (mode == SW_OWNER_OFF)
        return 0;
    while (places && places < 2 * flows && places < 1u << 24) /* both ends may be here */
        places *= 2;
    err = alloc(mode, places, ret);
    if (!err && mode == SW_OWNER_PROCESS)
        err = sw_resolver_start(&(*ret)->resolver, sandbox);
    if (!err && mode == SW_OWNER_PROCESS) {
        (*ret)->sockets = sw_sockets_open();
        err = (*ret)->sockets < 0 ? (*ret)->sockets : 0;
    }
    if (!err)
        return 0;
    sw_owners_free(*ret);
    *ret = NULL;
    return err;
}

void sw_owners_free(struct sw_owners *o)
{
    if (!o)
        return;
    sw_resolver_stop(&o->resolver);
    if (o->sockets >= 0)
        close(o->sockets);
    sw_cgroups_free(o->cgroups);
    free(o->process);
    free(o);
}

bool sw_owner_is_local(const struct sw_flow *f, int side)
{
    return f->local >> (f->orig_is_b ^ side) & 1;
}

__u64 sw_owner_cookie(const struct sw_owner *of)
{
    return of->cookie & ~SW_OWNER_REQUEST;
}

const struct sw_owner *sw_owner_of(const struct sw_flow *f, int side)
{
    return &f->owner[(f->orig_is_b ^ side) & 1];
}

const struct sw_cgroup *sw_owners_cgroup(struct sw_owners *o, const struct sw_owner *of)
{
    return o ? sw_cgroups_find(o->cgroups, of->cgroup, sw_clock_now()) : NULL;
}

static int by_cookie(const void *a, const void *b)
{
    const struct sw_process *x = a, *y = b;

    return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

const struct sw_process *sw_owners_process(const struct sw_owners *o, const struct sw_owner *of)
{
    const __u64 cookie = sw_owner_cookie(of);
    const struct sw_process key = {.cookie = cookie}, *p = NULL;

    if (o && o->places)
        p = &o->process[cookie & (o->places - 1)];
    else if (o && o->looked)
        p = bsearch(&key, o->process, o->looked, sizeof(key), by_cookie);
    return p && cookie && p->cookie == cookie && p->pid ? p : NULL;
}

static void keep(struct sw_owners *o, const struct sw_process *p)
{
    o->process[p->cookie & (o->places - 1)] = *p;
}

static void add(struct sw_owners *o, const struct sw_event *ev, int side, __u64 now)
{
    const bool b = ev->flow.orig_is_b ^ side;
    struct pending *p = &o->pending[(o->pending_first + o->pending_len) % PENDING];

    if (o->pending_len == PENDING) { /* the oldest leaves */
        o->pending_first = (o->pending_first + 1) % PENDING;
        o->pending_len--;
        o->unknown++;
    }
    *p = (struct pending){.since = now,
                          .ask = {.ifindex = ev->flow.ifindex,
                                  .lport = b ? ev->key.b_port : ev->key.a_port,
                                  .rport = b ? ev->key.a_port : ev->key.b_port,
                                  .cookie = sw_owner_cookie(sw_owner_of(&ev->flow, side))}};
    memcpy(p->ask.local, b ? ev->key.b_ip : ev->key.a_ip, 16);
    memcpy(p->ask.remote, b ? ev->key.a_ip : ev->key.b_ip, 16);
    o->pending_len++;
}

/* What the resolver says; answers come sorted by inode. */
static void take_answer(struct sw_owners *o, const struct sw_holder *holder, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct sw_process *p = NULL;

        for (size_t k = 0; k < o->asked_len && !p; k++)
            if (o->asked_inode[k] == holder[i].inode && !o->asked[k].pid)
                p = &o->asked[k];
        if (!p || !holder[i].pid)
            continue;
        p->pid = holder[i].pid;
        p->pids = holder[i].pids;
        memcpy(p->comm, holder[i].comm, SW_COMM);
        keep(o, p);
        o->found++;
    }
    for (size_t k = 0; k < o->asked_len; k++)
        o->unknown += !o->asked[k].pid;
    o->asked_len = 0;
}

static void look_for_answer(struct sw_owners *o, int wait_ms)
{
    static struct sw_holder answer[SW_HOLDERS_MAX];
    int n = o->asked_len ? sw_resolver_answer(&o->resolver, wait_ms, answer) : 0;

    if (n > 0)
        take_answer(o, answer, n);
    if (n >= 0)
        return;
    sw_warn("the process that looks for the owners of sockets is gone: pid and comm are not known from now on");
    o->unknown += o->asked_len + o->pending_len;
    o->asked_len = o->pending_len = 0;
}

/* The newest first. */
static struct pending *pending_at(struct sw_owners *o, size_t i)
{
    return &o->pending[(o->pending_first + o->pending_len - 1 - i) % PENDING];
}

/* Those that have an inode are asked for; those that nobody has accepted yet wait, and the others are gone. */
static size_t sort_out(struct sw_owners *o, struct sw_holder *ret, __u64 now)
{
    static struct pending left[PENDING];
    size_t kept = PENDING, n = 0;

    for (size_t i = 0; i < o->pending_len; i++) {
        const struct pending *p = pending_at(o, i);

        if (p->ask.inode && n < SW_HOLDERS_MAX) {
            o->asked[n] = (struct sw_process){.cookie = p->ask.cookie};
            o->asked_inode[n] = p->ask.inode;
            ret[n++] = (struct sw_holder){.inode = p->ask.inode};
        } else if (p->ask.gone || now > p->since + PATIENCE) {
            o->unknown++;
        } else {
            left[--kept] = *p;
        }
    }
    o->pending_first = 0;
    o->pending_len = PENDING - kept;
    memcpy(o->pending, left + kept, o->pending_len * sizeof(*left));
    return n;
}

static void ask(struct sw_owners *o, __u64 now)
{
    static struct sw_holder question[SW_HOLDERS_MAX];
    static struct sw_socket_ask sockets[PENDING];

    for (size_t i = 0; i < o->pending_len; i++)
        sockets[i] = pending_at(o, i)->ask;
    sw_sockets_find(o->sockets, sockets, o->pending_len);
    for (size_t i = 0; i < o->pending_len; i++)
        pending_at(o, i)->ask = sockets[i];
    o->asked_len = sort_out(o, question, now);
    o->next = now + ASK_EVERY;
    if (!o->asked_len || !sw_resolver_ask(&o->resolver, question, o->asked_len))
        return;
    look_for_answer(o, 0); /* says it if it is gone */
    o->unknown += o->asked_len;
    o->asked_len = 0;
}

void sw_owners_see(struct sw_owners *o, const struct sw_event *ev, __u64 now_ns)
{
    if (!o || ev->kind != SW_EV_ESTABLISHED)
        return;
    for (int side = 0; side < 2; side++) {
        if (!sw_owner_is_local(&ev->flow, side))
            continue;
        sw_cgroups_find(o->cgroups, sw_owner_of(&ev->flow, side)->cgroup, now_ns);
        if (o->process && o->resolver.fd >= 0)
            add(o, ev, side, now_ns);
        else if (o->process)
            o->unknown++;
    }
}

void sw_owners_ask(struct sw_owners *o, __u64 now_ns)
{
    if (!o || !o->process || o->resolver.fd < 0)
        return;
    look_for_answer(o, 0);
    if (o->asked_len || !o->pending_len || now_ns < o->next)
        return;
    ask(o, now_ns);
    look_for_answer(o, WAIT_MS);
}

bool sw_owners_waits(const struct sw_owners *o)
{
    return o && (o->pending_len || o->asked_len);
}

void sw_owners_counts(const struct sw_owners *o, __u64 *ret_found, __u64 *ret_unknown)
{
    *ret_found = o ? o->found : 0;
    *ret_unknown = o ? o->unknown : 0;
}

/* All sockets of this network namespace, for one look. */
struct looked {
    struct sw_holder holder;
    __u64 cookie;
};

struct all {
    struct looked *at;
    size_t len, room;
    int err;
};

static void add_socket(__u64 cookie, __u64 inode, void *ctx)
{
    struct all *a = ctx;
    struct looked *more = inode && !a->err ? sw_array_room(a->at, &a->room, a->len + 1, sizeof(*more)) : NULL;

    if (inode && !more)
        a->err = -ENOMEM;
    if (!more)
        return;
    a->at = more;
    a->at[a->len++] = (struct looked){.holder = {.inode = inode}, .cookie = cookie};
}

static int by_inode(const void *a, const void *b)
{
    const struct looked *x = a, *y = b;

    return x->holder.inode < y->holder.inode ? -1 : x->holder.inode > y->holder.inode;
}

static int add_holder(int dir, __s32 pid, __u64 inode, void *ctx)
{
    const struct looked key = {.holder = {.inode = inode}};
    struct all *a = ctx;
    struct looked *found = inode ? bsearch(&key, a->at, a->len, sizeof(key), by_inode) : NULL;

    if (found)
        sw_holder_add(&found->holder, dir, pid);
    return 0;
}

/* What was found, by cookie. */
static int keep_all(struct sw_owners *o, const struct all *a)
{
    o->process = calloc(a->len + 1, sizeof(*o->process));
    if (!o->process)
        return -ENOMEM;
    for (size_t i = 0; i < a->len; i++) {
        const struct sw_holder *h = &a->at[i].holder;
        struct sw_process *p = &o->process[o->looked];

        if (!h->pid)
            continue;
        *p = (struct sw_process){.cookie = a->at[i].cookie, .pid = h->pid, .pids = h->pids};
        memcpy(p->comm, h->comm, sizeof(p->comm));
        o->looked++;
    }
    qsort(o->process, o->looked, sizeof(*o->process), by_cookie);
    return 0;
}

int sw_owners_look(struct sw_owners **ret)
{
    struct all a = {0};
    int err = alloc(SW_OWNER_PROCESS, 0, ret), proc;

    if (err)
        return err;
    if (sw_sockets_each_cookie(add_socket, &a) || a.err)
        a.len = 0; /* nothing is known of processes */
    if (a.len)
        qsort(a.at, a.len, sizeof(*a.at), by_inode);
    proc = a.len ? open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (proc >= 0) {
        sw_processes_each(proc, add_holder, &a);
        close(proc);
    }
    err = a.err ? a.err : keep_all(*ret, &a);
    free(a.at);
    return err;
}
