/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#define SW_NATIVE
#include "native/helpers.h"

/* The programs' variables are nobody else's; libc and ncurses have functions of these names. */
#define clock sw_native_clock
#define filter sw_native_filter
#pragma GCC visibility push(hidden)
#include "ingress.h"
#pragma GCC visibility pop
#undef clock
#undef filter

#include "native/tracker.h"

#include "base/random.h"
#include "loader/filter.h"
#include "loader/object.h"

#include <errno.h>

/* A map of the programs by its variable; 0: as large as it is declared. */
#define MAP(name, entries)                                                                                             \
    {                                                                                                                  \
        &(name),                                                                                                       \
        {                                                                                                              \
            .type = SW_NATIVE_TYPE(&(name)), .key_size = sizeof(*(name).key), .value_size = sizeof(*(name).value),     \
            .max_entries = (entries) ? (entries) : sizeof(*(name).max_entries) / sizeof(int)                           \
        }                                                                                                              \
    }
#define RING(name, bytes)                                                                                              \
    {                                                                                                                  \
        &(name),                                                                                                       \
        {                                                                                                              \
            .type = SW_NATIVE_TYPE(&(name)), .max_entries = (bytes)                                                    \
        }                                                                                                              \
    }

enum { MAPS = 20, RINGS_AT = MAPS - SW_RINGS, HASHES = 5 }; /* the hashes come first, the rings last */

static struct sw_native_map maps[MAPS];

/* Of the sweep that runs. */
static struct {
    sw_native_record_fn fn;
    void *arg;
    int err;
} reader;

static void sw_native_make_space(void)
{
    if (reader.fn && !reader.err)
        reader.err = sw_native_read(reader.fn, reader.arg);
}

/* Where a program looks for its map: in the first member of the variable that declares it. */
static void bind_map(void *variable, struct sw_native_map *map)
{
    memcpy(variable, &map, sizeof(map));
}

static int make_maps(const struct sw_object_opts *opts)
{
    const __u32 laddered = opts->cfg.ladder ? opts->max_flows : 1,
                laddered_open = opts->cfg.ladder ? opts->max_half_open : 1;
    const struct {
        void *variable;
        struct sw_native_map map;
    } wanted[MAPS] = {
        MAP(half_open, opts->max_half_open),
        MAP(flows, opts->max_flows),
        MAP(ladders_open, laddered_open),
        MAP(ladders, laddered),
        MAP(server_histograms, 0),
        MAP(syn_cache, sw_object_syn_sets(opts)),
        MAP(ended, 1u << sw_object_ended_bits(opts)),
        MAP(locks, 0),
        MAP(hash_key, 0),
        MAP(counters, 0),
        MAP(watched, 0),
        MAP(server_ports, 0),
        MAP(scratch, 0),
        MAP(sw_native_clock, 0),
        MAP(sw_native_filter, 0),
        MAP(histograms, 0),
        MAP(empty_histograms, 0),
        RING(events, opts->ring_bytes), /* enum sw_ring */
        RING(events_open, opts->ring_open_bytes),
        RING(events_anomaly, sw_object_anomaly_ring(opts)),
    };
    int err = 0;

    for (int i = 0; i < MAPS && !err; i++) {
        maps[i] = wanted[i].map;
        bind_map(wanted[i].variable, &maps[i]);
        err = sw_native_map_init(&maps[i]);
    }
    return err;
}

static int fill_maps(const struct sw_object_opts *opts)
{
    const __u32 zero = 0;
    struct sw_hash_key *key = bpf_map_lookup_elem(&hash_key, &zero);

    sw_object_server_ports(opts, bpf_map_lookup_elem(&server_ports, &zero));
    if (opts->filter)
        sw_filter_init(bpf_map_lookup_elem(&sw_native_filter, &zero), opts->filter);
    if (opts->hash_key)
        *key = *opts->hash_key;
    return opts->hash_key ? 0 : sw_random(key, sizeof(*key));
}

int sw_native_new(const struct sw_object_opts *opts)
{
    int err;

    cfg = opts->cfg;
    cfg.ended_bits = sw_object_ended_bits(opts);
    sw_object_size_shares(opts->max_flows, cfg.share);
    cfg.syn_sets = sw_object_syn_sets(opts);
    half_open_room = opts->max_half_open;
    err = make_maps(opts);
    if (!err)
        err = fill_maps(opts);
    if (err)
        sw_native_free();
    return err;
}

void sw_native_free(void)
{
    for (int i = 0; i < MAPS; i++)
        sw_native_map_free(&maps[i]);
}

int sw_native_frame(const struct sw_native_frame *frame, __u64 now)
{
    struct xdp_md ctx = {.data = (unsigned long)frame->data, .data_end = (unsigned long)frame->data + frame->len};
    bool failed = false;

    ctx.ingress_ifindex = 1; /* as BPF_PROG_TEST_RUN has it */
    replay_now = now;
    replay_wire = frame->wire;
    replay_captured = frame->len;
    sw_ingress_frame(&ctx, sw_scratch_of(SW_CTX_PACKET));
    for (int i = 0; i < HASHES; i++)
        failed |= maps[i].failed;
    return failed ? -ENOMEM : 0;
}

int sw_native_sweep(__u64 now, __u64 flush, struct sw_sweep *ret, sw_native_record_fn fn, void *arg)
{
    replay_now = now;
    sweep = (struct sw_sweep){.now = now, .flush = flush};
    reader.fn = fn;
    reader.arg = arg;
    reader.err = 0;
    sw_sweep_all();
    reader.fn = NULL;
    *ret = sweep;
    half_open_room = sw_half_open_room(sw_native_of(&half_open)->max_entries, sweep.half_open);
    return reader.err;
}

void sw_native_counters(__u64 ret[SW_C_MAX])
{
    const __u32 zero = 0;

    memcpy(ret, bpf_map_lookup_elem(&counters, &zero), SW_C_MAX * sizeof(ret[0]));
}

int sw_native_read(sw_native_record_fn fn, void *arg)
{
    int err = 0;

    for (int i = RINGS_AT; i < MAPS && !err; i++)
        err = sw_native_ring_read(&maps[i], fn, arg);
    return err;
}
