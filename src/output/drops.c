/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/drops.h"

#include "base/ip.h"
#include "base/random.h"
#include "output/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A minute's. The port of a source is its service's index: they are counted for each service apart. */
struct minute {
    struct sw_top sources, services;
    struct sw_drops_sum all, of[SW_SERVICES]; /* by service */
};

struct sw_drops {
    __u64 at; /* number of the minute now[0] */
    struct minute now[2];
};

static void clear(struct minute *m)
{
    const __u64 seed[2] = {m->sources.seed, m->services.seed};

    memset(m, 0, sizeof(*m));
    m->sources.seed = seed[0];
    m->services.seed = seed[1];
}

int sw_drops_new(struct sw_drops **ret)
{
    struct sw_drops *d = calloc(1, sizeof(*d));
    int err = d ? sw_random(&d->now[0].sources.seed, sizeof(__u64)) : -ENOMEM;

    if (err) {
        free(d);
        return err;
    }
    d->now[0].services.seed = d->now[1].sources.seed = d->now[1].services.seed = d->now[0].sources.seed;
    *ret = d;
    return 0;
}

void sw_drops_free(struct sw_drops *d)
{
    free(d);
}

/* A record of another CPU may be a little late: it counts in the minute that has begun. */
static void turn(struct sw_drops *d, __u64 now)
{
    const __u64 at = now / SW_DROPS_SPAN;

    if (at <= d->at)
        return;
    if (at == d->at + 1)
        d->now[1] = d->now[0];
    else
        clear(&d->now[1]);
    clear(&d->now[0]);
    d->at = at;
}

__u8 sw_drops_net(const __u8 ip[16])
{
    return SW_NET + (sw_ip_is_v4(ip) ? 96 + SW_DROPS_NET4 : SW_DROPS_NET6);
}

static void count(struct sw_drops_sum *sum, const struct sw_guard_event *drop)
{
    sum->drops += drop->count;
    sum->samples++;
}

void sw_drops_add(struct sw_drops *d, const struct sw_guard_event *drop)
{
    __u8 net[16] = {0};
    bool new;

    if (drop->hook == SW_HOOK_SWEEP)
        return;
    turn(d, drop->ts);
    count(&d->now[0].all, drop);
    count(&d->now[0].of[drop->service % SW_SERVICES], drop);
    memcpy(net, drop->src_ip, (sw_drops_net(drop->src_ip) - SW_NET) / 8);
    sw_top_add(&d->now[0].sources, net, (__be16)drop->service, &new);
    if (drop->service)
        sw_top_add(&d->now[0].services, drop->dst_ip, drop->dst_port, &new);
}

void sw_drops_total(struct sw_drops *d, __u32 service, __u64 now, struct sw_drops_sum *ret)
{
    *ret = (struct sw_drops_sum){0};
    turn(d, now);
    for (int minute = 0; minute < 2; minute++) {
        const struct minute *m = &d->now[minute];
        const struct sw_drops_sum *sum = service ? &m->of[service % SW_SERVICES] : &m->all;

        ret->drops += sum->drops;
        ret->samples += sum->samples;
    }
}

/* So that of many that are alike not the smallest addresses are shown. */
static __u64 mixed(__u64 seed, const struct sw_drops_row *row)
{
    for (int i = 0; i < 16; i++)
        seed = (seed ^ row->ip[i]) * 0x100000001b3ull;
    seed = (seed ^ row->port) * 0x9e3779b97f4a7c15ull;
    return seed ^ seed >> 32;
}

static bool before(__u64 seed, const struct sw_drops_row *a, const struct sw_drops_row *b)
{
    __u64 mixed_a, mixed_b;

    if (a->least != b->least)
        return a->least > b->least;
    if (a->most != b->most)
        return a->most > b->most;
    mixed_a = mixed(seed, a);
    mixed_b = mixed(seed, b);
    return mixed_a != mixed_b ? mixed_a < mixed_b : memcmp(a->ip, b->ip, 16) < 0;
}

static size_t insert(__u64 seed, struct sw_drops_row *rows, size_t len, const struct sw_drops_row *row)
{
    size_t at = len;

    while (at && before(seed, row, &rows[at - 1]))
        at--;
    if (at == SW_DROPS_TOP)
        return len;
    if (len < SW_DROPS_TOP)
        len++;
    memmove(&rows[at + 1], &rows[at], (len - at - 1) * sizeof(*rows));
    rows[at] = *row;
    return len;
}

/* Those of the second minute that are in the first have been taken with it. port: if only, of those alone. */
static size_t best(const struct sw_top *tops[2], bool only, __be16 port, struct sw_drops_row *ret)
{
    __u64 least[2], most[2];
    size_t len = 0;

    for (int minute = 0; minute < 2; minute++)
        for (unsigned int i = 0; i < tops[minute]->len; i++) {
            const struct sw_top_slot *s = &tops[minute]->slot[i];
            struct sw_drops_row row = {.port = s->port};

            if (only && s->port != port)
                continue;
            for (int k = 0; k < 2; k++)
                sw_top_bounds(tops[k], s->ip, s->port, &least[k], &most[k]);
            row.least = least[0] + least[1];
            row.most = most[0] + most[1];
            memcpy(row.ip, s->ip, 16);
            if (row.least && !(minute && sw_top_has(tops[0], s->ip, s->port)))
                len = insert(tops[0]->seed, ret, len, &row);
        }
    return len;
}

size_t sw_drops_sources(struct sw_drops *d, __u32 service, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP])
{
    turn(d, now);
    return best((const struct sw_top *[]){&d->now[0].sources, &d->now[1].sources}, true, (__be16)service, ret);
}

size_t sw_drops_services(struct sw_drops *d, __u64 now, struct sw_drops_row ret[SW_DROPS_TOP])
{
    turn(d, now);
    return best((const struct sw_top *[]){&d->now[0].services, &d->now[1].services}, false, 0, ret);
}
