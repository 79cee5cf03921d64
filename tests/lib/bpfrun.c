/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bpfrun.h"

#include "base/filter_rules.h"
#include "base/log.h"
#include "loader/features.h"
#include "loader/filter.h"
#include "loader/map_reader.h"
#include "loader/sweep.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synward.skel.h"

#define SEC_NS 1000000000ull

enum { EVENTS_MAX = 65536, START_S = 1000, PAGE = 4096, KEPT_MAX = 6 };

struct bpfrun {
    struct synward_bpf *obj;
    struct ring_buffer *rings[SW_RINGS];
    struct sw_event *events;
    size_t n_events;
    struct sw_ladder ladder; /* of the last conn record */
    bool has_ladder;
    size_t n_dropped; /* did not fit in our array: a fault of the test */
    struct sw_filter_map *filter;
    bool drain;
    __u64 now;
    struct sw_object_opts opts;
};

/* Those that nobody uses, the longest unused one first. */
static struct {
    bool on;
    size_t len;
    struct bpfrun *at[KEPT_MAX];
} kept;

bool bpfrun_old(void)
{
    static int old = -1; /* stories ask for every segment */

    if (old < 0)
        old = getenv("SW_TEST_OLD") || sw_kernel_is_old();
    return old;
}

void bpfrun_opts(struct sw_object_opts *opts)
{
    sw_object_defaults(opts);
    opts->old |= bpfrun_old();
    opts->cfg.close_delay = 5 * SEC_NS;
    opts->cfg.t_syn_sent = 20 * SEC_NS;
    opts->cfg.t_syn_received = 30 * SEC_NS;
    opts->cfg.t_established = 3600 * SEC_NS;
    opts->cfg.t_fin_wait = 120 * SEC_NS;
    opts->cfg.t_close_wait = 130 * SEC_NS;
    opts->cfg.t_last_ack = 40 * SEC_NS;
    opts->cfg.t_midstream = 300 * SEC_NS;
    opts->cfg.update_interval = 0;
    opts->cfg.event_mask = (1u << SW_EV_MAX) - 1;
    opts->cfg.replay = 1;
    opts->cfg.owners = 0; /* as in a replay */
    opts->cfg.checksum = !opts->old;
    opts->cfg.decap = 0;
    opts->cfg.likely_server_ports = 0;
    opts->syn_cache_max = 1u << 14;
    opts->max_flows = 1u << 12; /* resetting map `ended` takes time for each slot */
}

static int on_event(void *ctx, void *data, size_t size)
{
    struct bpfrun *run = ctx;

    if (size < sizeof(struct sw_event) || run->n_events == EVENTS_MAX) {
        run->n_dropped++;
        return 0;
    }
    memcpy(&run->events[run->n_events++], data, sizeof(struct sw_event));
    if (run->events[run->n_events - 1].kind != SW_EV_CONN)
        return 0;
    run->has_ladder = size == sizeof(struct sw_conn_event);
    if (run->has_ladder)
        run->ladder = ((const struct sw_conn_event *)data)->ladder;
    return 0;
}

/* Per-CPU maps and clocks are one to a test that stays where it is. */
static void stay_here(void)
{
    cpu_set_t here;
    int cpu = sched_getcpu();

    CPU_ZERO(&here);
    if (cpu < 0)
        return;
    CPU_SET(cpu, &here);
    sched_setaffinity(0, sizeof(here), &here);
}

static void end(struct bpfrun *run)
{
    if (!run)
        return;
    for (int i = 0; i < SW_RINGS; i++)
        ring_buffer__free(run->rings[i]);
    sw_filter_unmap(run->filter);
    sw_object_free(run->obj);
    free(run->events);
    free(run);
}

static struct bpfrun *take_kept(size_t i)
{
    struct bpfrun *run = kept.at[i];

    kept.len--;
    memmove(&kept.at[i], &kept.at[i + 1], (kept.len - i) * sizeof(*kept.at));
    return run;
}

static struct bpfrun *find_kept(const struct sw_object_opts *opts)
{
    for (size_t i = 0; i < kept.len; i++)
        if (!memcmp(&kept.at[i]->opts, opts, sizeof(*opts)))
            return take_kept(i);
    return NULL;
}

int bpfrun_new(const struct sw_object_opts *opts, struct bpfrun **ret_run)
{
    struct bpfrun *run = find_kept(opts);
    const char *why = NULL;
    int err = -ENOMEM;

    *ret_run = run;
    if (run) {
        err = bpfrun_reset(run);
        if (!err)
            return 0;
        *ret_run = NULL;
        goto fail;
    }
    run = calloc(1, sizeof(*run));
    if (!run)
        return -ENOMEM;
    memcpy(&run->opts, opts, sizeof(*opts)); /* padding, too: it is compared */
    sw_log_init(0);
    stay_here();
    run->events = calloc(EVENTS_MAX, sizeof(*run->events));
    if (!run->events)
        goto fail;
    err = sw_object_new(opts, &run->obj, &why);
    if (err) {
        fprintf(stderr, "loading the BPF object: %s: %s\n", why ? why : "no reason given", strerror(-err));
        goto fail;
    }
    run->rings[0] = ring_buffer__new(bpf_map__fd(run->obj->maps.events), on_event, run, NULL);
    run->rings[1] = ring_buffer__new(bpf_map__fd(run->obj->maps.events_open), on_event, run, NULL);
    run->rings[2] = ring_buffer__new(bpf_map__fd(run->obj->maps.events_anomaly), on_event, run, NULL);
    if (!run->rings[0] || !run->rings[1] || !run->rings[2]) {
        err = -errno;
        goto fail;
    }
    err = sw_filter_map(bpf_map__fd(run->obj->maps.filter), &run->filter);
    if (!err)
        err = bpfrun_reset(run);
    if (err)
        goto fail;
    *ret_run = run;
    return 0;
fail:
    end(run);
    return err;
}

void bpfrun_free(struct bpfrun *run)
{
    if (!run || !kept.on) {
        end(run);
        return;
    }
    if (kept.len == KEPT_MAX)
        end(take_kept(0));
    kept.at[kept.len++] = run;
}

void bpfrun_keep(bool on)
{
    kept.on = on;
    while (!on && kept.len)
        end(take_kept(0));
}

static int array_zero(struct bpf_map *map)
{
    const __u32 most = bpf_map__max_entries(map);
    __u32 *keys = calloc(most, sizeof(*keys)), n = most;
    void *values = calloc(most, bpf_map__value_size(map));
    int err = keys && values ? 0 : -ENOMEM;

    for (__u32 i = 0; !err && i < most; i++)
        keys[i] = i;
    if (!err && bpf_map_update_batch(bpf_map__fd(map), keys, values, &n, NULL))
        err = -errno;
    free(keys);
    free(values);
    return err;
}

static int map_empty(struct bpf_map *map)
{
    __u8 key[64], next[64];
    int fd = bpf_map__fd(map), more;
    size_t left = (size_t)bpf_map__max_entries(map) + 1;

    more = !bpf_map_get_next_key(fd, NULL, next);
    while (left-- && more) {
        memcpy(key, next, bpf_map__key_size(map));
        more = !bpf_map_get_next_key(fd, key, next); /* before the deletion: from there, not from the start */
        if (bpf_map_delete_elem(fd, key) && errno != ENOENT)
            return -errno;
    }
    return 0;
}

static int counters_zero(struct bpfrun *run)
{
    int cpus = libbpf_num_possible_cpus();
    __u64 *zeros = cpus > 0 ? calloc(cpus, sizeof(__u64)) : NULL;
    int err = zeros ? 0 : -ENOMEM;

    for (__u32 i = 0; !err && i < SW_C_MAX; i++)
        if (bpf_map_update_elem(bpf_map__fd(run->obj->maps.counters), &i, zeros, BPF_ANY))
            err = -errno;
    free(zeros);
    return err;
}

int bpfrun_reset(struct bpfrun *run)
{
    int err;

    err = map_empty(run->obj->maps.flows);
    if (!err)
        err = map_empty(run->obj->maps.half_open);
    if (!err)
        err = map_empty(run->obj->maps.ladders);
    if (!err)
        err = map_empty(run->obj->maps.ladders_open);
    if (!err)
        err = array_zero(run->obj->maps.syn_cache);
    if (!err)
        err = array_zero(run->obj->maps.ended);
    if (!err)
        err = map_empty(run->obj->maps.watched);
    if (!err)
        err = counters_zero(run);
    for (int i = 0; i < SW_RINGS; i++)
        ring_buffer__consume(run->rings[i]);
    run->n_events = run->n_dropped = 0;
    run->has_ladder = false;
    run->drain = true;
    run->filter->active = run->filter->passes = 0;
    run->filter->swept = run->filter->generation;
    memset(run->obj->bss->shares, 0, sizeof(run->obj->bss->shares));
    bpfrun_set_room(run, bpf_map__max_entries(run->obj->maps.half_open));
    bpfrun_set_now(run, START_S * SEC_NS);
    return err;
}

__u64 bpfrun_now(const struct bpfrun *run)
{
    return run->now;
}

void bpfrun_set_now(struct bpfrun *run, __u64 ns)
{
    run->now = ns;
    run->obj->bss->replay_now = ns;
}

static int finish(struct bpfrun *run)
{
    int n;

    if (!run->drain)
        return 0;
    for (int i = 0; i < SW_RINGS; i++) {
        n = ring_buffer__consume(run->rings[i]);
        if (n < 0)
            return n;
    }
    return run->n_dropped ? -ENOBUFS : 0;
}

int bpfrun_ingress(struct bpfrun *run, const __u8 *frame, size_t len, int *ret_verdict)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .repeat = 1);

    if (bpf_prog_test_run_opts(bpf_program__fd(sw_object_ingress(run->obj)), &opts))
        return -errno;
    *ret_verdict = (int)opts.retval;
    return finish(run);
}

int bpfrun_xdp(struct bpfrun *run, const __u8 *frame, size_t len, struct bpfrun_out *ret_out)
{
    static __u8 out[PAGE + sizeof(ret_out->frame)];
    struct xdp_md in = {.data_end = len}, md = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
                .data_size_out = sizeof(out), .ctx_in = &in, .ctx_size_in = sizeof(in), .ctx_out = &md,
                .ctx_size_out = sizeof(md), .repeat = 1);
    __u32 meta, kept;

    if (bpf_prog_test_run_opts(bpf_program__fd(sw_object_ingress(run->obj)), &opts) && errno != ENOSPC)
        return -errno;
    /* what comes out begins with the metadata; offsets are from there */
    meta = md.data - md.data_meta;
    if (opts.data_size_out < meta || meta > sizeof(ret_out->meta))
        return -EPROTO;
    memset(ret_out, 0, sizeof(*ret_out));
    ret_out->verdict = (int)opts.retval;
    ret_out->meta_len = meta;
    ret_out->len = opts.data_size_out - meta;
    kept = ret_out->len < sizeof(ret_out->frame) ? ret_out->len : sizeof(ret_out->frame);
    memcpy(ret_out->meta, out, meta);
    memcpy(ret_out->frame, out + meta, kept);
    return finish(run);
}

int bpfrun_egress(struct bpfrun *run, const __u8 *frame, size_t len, const struct bpfrun_skb *skb, int *ret_verdict)
{
    struct __sk_buff ctx = {.ifindex = 1};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .repeat = 1, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));

    if (skb) {
        ctx.ingress_ifindex = skb->ingress_ifindex;
        ctx.gso_size = skb->gso_size;
        ctx.gso_segs = skb->gso_segs;
    }
    if (bpf_prog_test_run_opts(bpf_program__fd(run->obj->progs.sw_egress), &opts))
        return -errno;
    *ret_verdict = (int)opts.retval;
    return finish(run);
}

int bpfrun_sweep(struct bpfrun *run, __u64 flush, struct sw_sweep *ret_sweep)
{
    struct sw_sweep sweep;
    int err = sw_object_sweep(run->obj, run->now, flush, &sweep);

    if (err)
        return err;
    if (ret_sweep)
        *ret_sweep = sweep;
    return finish(run);
}

size_t bpfrun_events(const struct bpfrun *run, const struct sw_event **ret_events)
{
    if (ret_events)
        *ret_events = run->events;
    return run->n_events;
}

const struct sw_ladder *bpfrun_ladder(const struct bpfrun *run)
{
    return run->has_ladder ? &run->ladder : NULL;
}

void bpfrun_clear_events(struct bpfrun *run)
{
    run->n_events = 0;
    run->has_ladder = false;
}

void bpfrun_drain(struct bpfrun *run, bool on)
{
    run->drain = on;
    finish(run);
}

enum bpfrun_where bpfrun_lookup(struct bpfrun *run, const struct sw_key *key, struct sw_flow *ret_flow)
{
    if (!bpf_map_lookup_elem(bpf_map__fd(run->obj->maps.flows), key, ret_flow))
        return BPFRUN_FLOWS;
    if (!bpf_map_lookup_elem(bpf_map__fd(run->obj->maps.half_open), key, ret_flow))
        return BPFRUN_HALF_OPEN;
    return BPFRUN_NOWHERE;
}

static size_t map_count(struct bpf_map *map)
{
    __u8 key[64], next[64];
    size_t n = 0, limit = (size_t)bpf_map__max_entries(map) + 1;
    const void *from = NULL;

    while (n < limit && !bpf_map_get_next_key(bpf_map__fd(map), from, next)) {
        memcpy(key, next, bpf_map__key_size(map));
        from = key;
        n++;
    }
    return n;
}

size_t bpfrun_count(struct bpfrun *run, enum bpfrun_where where)
{
    return map_count(where == BPFRUN_FLOWS ? run->obj->maps.flows : run->obj->maps.half_open);
}

size_t bpfrun_syn_cache_entries(struct bpfrun *run)
{
    const int fd = bpf_map__fd(run->obj->maps.syn_cache);
    struct sw_syn_set set;
    size_t n = 0;

    for (__u32 i = 0; !bpf_map_lookup_elem(fd, &i, &set); i++)
        for (int at = 0; at < SW_SYN_WAYS; at++)
            n += !!set.tag[at];
    return n;
}

__s64 bpfrun_room(const struct bpfrun *run)
{
    return run->obj->bss->half_open_room;
}

void bpfrun_set_room(struct bpfrun *run, __s64 room)
{
    run->obj->bss->half_open_room = room;
}

__u64 bpfrun_counter(struct bpfrun *run, enum sw_counter which)
{
    __u64 all[SW_C_MAX];

    return sw_counters_read(bpf_map__fd(run->obj->maps.counters), all) ? ~0ull : all[which];
}

static int list_of(const char *name)
{
    int list = 0;

    while (list < SW_FL_MAX && strcmp(name, sw_filter_list_names[list]))
        list++;
    return list < SW_FL_MAX ? list : -EINVAL;
}

int bpfrun_filter(struct bpfrun *run, const char *words)
{
    struct sw_filter_rules rules = {0};
    char copy[4096], why[160], *save, *name;
    int list, err = 0;

    snprintf(copy, sizeof(copy), "%s", words);
    for (name = strtok_r(copy, " ", &save); name && !err; name = strtok_r(NULL, " ", &save)) {
        list = list_of(name);
        err = list < 0 ? list : sw_filter_add(&rules, list, strtok_r(NULL, " ", &save), why, sizeof(why));
    }
    if (!err)
        sw_filter_init(run->filter, &rules);
    return err;
}

int bpfrun_watch(struct bpfrun *run, __u32 ifindex)
{
    __u32 flags = 1;

    return bpf_map_update_elem(bpf_map__fd(run->obj->maps.watched), &ifindex, &flags, BPF_ANY) ? -errno : 0;
}

struct synward_bpf *bpfrun_object(struct bpfrun *run)
{
    return run->obj;
}

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

static const char *name_of(const char *const names[], unsigned n, unsigned i)
{
    return i < n && names[i] ? names[i] : "?";
}

const char *bpfrun_state_name(unsigned state)
{
    static const char *const names[] = {SW_STATES(NAME_ITEM)};

    return name_of(names, SW_ST_MAX, state);
}

void bpfrun_event_word(const struct sw_event *ev, char *buf, size_t size)
{
    static const char *const kinds[] = {SW_EVENTS(NAME_ITEM)};
    static const char *const anomalies[] = {SW_ANOMALIES(NAME_ITEM)};

    if (ev->kind == SW_EV_ANOMALY)
        snprintf(buf, size, "anomaly:%s", name_of(anomalies, SW_AN_MAX, ev->anomaly));
    else
        snprintf(buf, size, "%s", name_of(kinds, SW_EV_MAX, ev->kind));
}
