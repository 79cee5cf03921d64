/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole tracker, as `synward replay` has it: frames, whole or made of a few fields so that they belong together,
 * into tables that are large or hold next to nothing, with sweeps between them. No segment is in two records, of large
 * tables each is in one, and in the end the tables are empty.
 *
 * An input is two bytes of configuration and frames of a head of 4 bytes: what it is, the time since the last one, and
 * the length of the bytes that follow.
 */
#include "fuzz.h"

#include "loader/object.h"
#include "native/tracker.h"
#include "synward_ladder.h"

struct seen {
    __u64 kinds[SW_EV_MAX];
    __u64 pkts; /* of all conn records */
    __u64 conns;
};

static struct seen seen;

static int hear(void *arg, void *record, size_t size)
{
    const struct sw_event *ev = record;

    (void)arg;
    holds(size == sizeof(struct sw_event) || size == sizeof(struct sw_conn_event), "a record of %zu bytes", size);
    holds(ev->kind < SW_EV_MAX && ev->size == size, "kind %u, size %u of %zu", ev->kind, ev->size, size);
    seen.kinds[ev->kind]++;
    if (ev->kind != SW_EV_CONN)
        return 0;
    seen.conns++;
    seen.pkts += ev->flow.end[0].pkts + ev->flow.end[1].pkts;
    return 0;
}

static void put16(__u8 *p, __u32 v)
{
    p[0] = (__u8)(v >> 8);
    p[1] = (__u8)v;
}

static void put32(__u8 *p, __u32 v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* A segment between few hosts and ports, IPv4, with the numbers and as many bytes of options as the input says. */
static size_t segment(struct fuzz_in *in, __u8 *f)
{
    __u8 who = fuzz_u8(in), flags = fuzz_u8(in), opts = fuzz_u8(in) & 10, back = who & 1;
    __u16 payload = fuzz_u16(in) % 600, client = 1024 + (who >> 1 & 7), server = who & 16 ? 80 : 40000;
    __u8 *ip = f + 14, *tcp = ip + 20;
    __u32 total;

    opts *= 4;
    total = 40u + opts + payload;
    memset(f, 0, 14 + total);
    put16(f + 12, 0x800);
    ip[0] = 0x45;
    put16(ip + 2, total);
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, 0x0a000000 + (back ? 2 : 1) + (who >> 5 << 8));
    put32(ip + 16, 0x0a000000 + (back ? 1 : 2) + (who >> 5 << 8));
    put16(tcp, back ? server : client);
    put16(tcp + 2, back ? client : server);
    put32(tcp + 4, (back ? 0xfffffff0 : 1000) + (__u32)(__s32)(__s16)fuzz_u16(in));
    put32(tcp + 8, (back ? 1000 : 0xfffffff0) + (__u32)(__s32)(__s16)fuzz_u16(in));
    tcp[12] = (__u8)((20 + opts) / 4 << 4);
    tcp[13] = flags;
    put16(tcp + 14, fuzz_u16(in));
    fuzz_take(in, tcp + 20, opts);
    return 14 + total;
}

static void sweep(__u64 now, __u64 flush, struct sw_sweep *ret)
{
    holds(!sw_native_sweep(now, flush, ret, hear, NULL), "a sweep fails");
    holds(!sw_native_read(hear, NULL), "reading fails");
    holds(!ret->held_back, "%llu flows held back, and there was space", ret->held_back);
}

static void check(const struct sw_object_opts *o, __u64 frames)
{
    __u64 c[SW_C_MAX], lost = 0;

    sw_native_counters(c);
    holds(c[SW_C_PACKETS] == frames, "%llu packets of %llu", c[SW_C_PACKETS], frames);
    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        holds(seen.kinds[kind] == c[SW_C_EMITTED_OPENING + kind], "kind %d: %llu records, %llu emitted", kind,
              seen.kinds[kind], c[SW_C_EMITTED_OPENING + kind]);
        lost += c[SW_C_LOST_OPENING + kind];
    }
    holds(!c[SW_C_LOCK_TIMEOUT], "%llu locks were not to be had", c[SW_C_LOCK_TIMEOUT]);
    holds(seen.pkts + c[SW_C_LATE] <= c[SW_C_TCP], "%llu segments, %llu in records, %llu late", c[SW_C_TCP], seen.pkts,
          c[SW_C_LATE]);
    if (o->max_half_open < 100) /* what is evicted is the daemon's to count (events/loss.c) */
        return;
    holds(!lost, "%llu records lost", lost);
    holds(seen.pkts + c[SW_C_LATE] == c[SW_C_TCP], "%llu segments, %llu in records, %llu late", c[SW_C_TCP], seen.pkts,
          c[SW_C_LATE]);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    static const __u64 gaps[] = {0, 1000, 1000000, 500000000, 6000000000, 70000000000, 700000000000, 8000000000000};
    struct fuzz_in in = {data, data + size};
    const struct sw_hash_key key = {{1, 2, 3, 5, 7, 11, 13, 17, 19, 23}}; /* an input does the same each time */
    __u8 how = fuzz_u8(&in), frame[2048];
    struct sw_object_opts o;
    struct sw_sweep s = {0};
    __u64 now = 1000000000000ull, frames = 0;

    memset(&seen, 0, sizeof(seen));
    sw_object_defaults(&o);
    o.cfg.replay = 1;
    o.hash_key = &key;
    o.cfg.decap = how & 1;
    o.cfg.checksum = how >> 1 & 1;
    o.cfg.ladder = how >> 2 & 1;
    o.cfg.close_delay = how & 8 ? 0 : o.cfg.close_delay;
    o.cfg.one_sided = how >> 4 & 1;
    o.cfg.likely_server_ports = how >> 5 & 1;
    o.max_flows = how & 64 ? 2 : 1024;
    o.max_half_open = how & 128 ? 2 : 1024;
    o.syn_cache_max = how & 128 ? 4 : 1024;
    o.ring_bytes = o.ring_open_bytes = how & 64 ? 4096 : 1 << 20;
    holds(!sw_native_new(&o), "no memory");
    while (fuzz_left(&in) && frames < 300) {
        __u8 what = fuzz_u8(&in);
        size_t len;

        now += gaps[what >> 5];
        if (what & 1) {
            len = fuzz_u16(&in) % 400;
            fuzz_take(&in, frame, len);
        } else {
            len = segment(&in, frame);
        }
        if (what & 2)
            sweep(now, 0, &s);
        if (len < 14)
            continue;
        __u8 *copy = fuzz_copy(frame, len); /* of its length, so that reading beyond it is seen */
        struct sw_native_frame one = {copy, (__u32)len, (__u32)(len + (what & 4 ? 100 : 0))};

        holds(!sw_native_frame(&one, now), "no memory");
        free(copy);
        sw_native_read(hear, NULL);
        frames++;
    }
    sweep(now, 2, &s);
    sweep(now, 1, &s);
    holds(!s.flows && !s.half_open, "%llu flows and %llu half-open ones are left", s.flows, s.half_open);
    check(&o, frames);
    sw_native_free();
    return 0;
}
