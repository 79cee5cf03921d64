/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Histograms, filled when a handshake completes and when the record of a connection is made, whatever --events says.
 * By role each CPU has its own, exact; by server all share one, added to atomically, for as many servers as have a
 * place.
 */
#ifndef SW_BPF_TRACK_HISTOGRAMS_H
#define SW_BPF_TRACK_HISTOGRAMS_H

#include "synward_histogram.h"
#include "tcp/conn_state.h"
#include "track/emit.h"
#include "track/filter.h"

/*
 * By enum sw_role, and again for the sweep: a packet may come between its load and its store. The last one is nobody's:
 * it stands in for a server without a place.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_HG_ROWS + 1);
    __type(key, __u32);
    __type(value, struct sw_histogram_set);
} histograms SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SW_HG_SERVERS);
    __type(key, struct sw_server_key);
    __type(value, struct sw_histogram_set);
} server_histograms SEC(".maps");

/* A set for a server that gets its place: zero. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_RDONLY_PROG);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_histogram_set);
} empty_histograms SEC(".maps");

/* A value that is not known: of a handshake only a part was seen. */
#define SW_HG_NOTHING (~0ULL)

/* Where three values go: one word, because a global function takes numbers only before 5.12. */
enum {
    SW_HG_ROLE = SW_ROLE_MAX - 1,
    SW_HG_OF_CONN = 1 << 8, /* with enum sw_reason, from bit SW_HG_WHY on */
    SW_HG_RESP_IS_A = 1 << 9,
    SW_HG_IN_SWEEP = 1 << 10,
    SW_HG_WHY = 16,
};
SW_ASSERT(!(SW_ROLE_MAX & SW_HG_ROLE), "the roles fill their bits");

/* A server gets a place when a handshake with it completes: a scan gets none. */
static __always_inline struct sw_histogram_set *sw_histograms_of_server(struct sw_scratch *sc, __u32 where, __u64 now)
{
    struct sw_server_key key = {.port = where & SW_HG_RESP_IS_A ? sc->key.a_port : sc->key.b_port,
                                .role = where & SW_HG_ROLE};
    struct sw_histogram_set *set;
    __u32 zero = 0;

    if (where & SW_HG_RESP_IS_A)
        __builtin_memcpy(key.ip, sc->key.a_ip, sizeof(key.ip));
    else
        __builtin_memcpy(key.ip, sc->key.b_ip, sizeof(key.ip));
    set = bpf_map_lookup_elem(&server_histograms, &key);
    if (set || where & SW_HG_OF_CONN)
        return set;
    set = bpf_map_lookup_elem(&empty_histograms, &zero);
    if (!set)
        return 0;
    bpf_map_update_elem(&server_histograms, &key, set, BPF_NOEXIST);
    set = bpf_map_lookup_elem(&server_histograms, &key);
    if (set)
        SW_WRITE_ONCE(set->since_ns, now);
    else
        sw_count(SW_C_SERVERS_FULL);
    return set;
}

/* Without a value it adds 0: a branch here would be followed many times. */
static __always_inline void sw_histogram_add(struct sw_histogram *mine, struct sw_histogram *shared, __u64 value,
                                             __u32 *room)
{
    __u64 n = sw_not_zero(value ^ SW_HG_NOTHING);
    __u32 bucket;

    /* through memory: else the verifier follows each of the 32 ways to a bucket by itself */
    SW_WRITE_ONCE(*room, sw_histogram_bucket(value));
    bucket = SW_READ_ONCE(*room);
    value &= -n;
    if (bucket >= SW_HG_BUCKETS)
        bucket = SW_HG_BUCKETS - 1;
    mine->sum += value;
    mine->bucket[bucket] += n;
    __sync_fetch_and_add(&shared->sum, value);
    __sync_fetch_and_add(&shared->bucket[bucket], n);
}

/* Adds to the three histograms of a handshake or of a connection; its four-tuple is in scratch. */
SW_PART int sw_histograms_fill(__u32 where, __u64 now, __u64 v0, __u64 v1, __u64 v2)
{
    struct sw_scratch *sc = sw_scratch_of(where & SW_HG_IN_SWEEP ? SW_CTX_SWEEP : SW_CTX_PACKET);
    __u32 row = (where & SW_HG_ROLE) + (where & SW_HG_IN_SWEEP ? SW_ROLE_MAX : 0), nobodys = SW_HG_ROWS;
    __u32 first = where & SW_HG_OF_CONN ? SW_HG_DURATION : SW_HG_HANDSHAKE, why = where >> SW_HG_WHY;
    struct sw_histogram_set *mine = bpf_map_lookup_elem(&histograms, &row), *shared;
    __u64 ended = first / SW_HG_DURATION, unmeasured = !ended & !sw_not_zero(v0 ^ SW_HG_NOTHING);

    sw_opaque(first);
    sw_opaque(why);
    if (!sc || !mine || first > SW_HG_DURATION || why >= SW_WHY_MAX)
        return 0;
    shared = sw_histograms_of_server(sc, where, now);
    if (!shared)
        shared = bpf_map_lookup_elem(&histograms, &nobodys);
    if (!shared)
        return 0;
    now -= SW_READ_ONCE(shared->last_ns); /* the sweep may come long after the end; without a branch */
    SW_WRITE_ONCE(shared->last_ns, shared->last_ns + (now & ((now >> 63) - 1)));
    mine->ended[why] += ended;
    mine->unmeasured += unmeasured;
    __sync_fetch_and_add(&shared->ended[why], ended);
    __sync_fetch_and_add(&shared->unmeasured, unmeasured);
    sw_histogram_add(&mine->of[first], &shared->of[first], v0, &sc->bucket);
    sw_histogram_add(&mine->of[first + 1], &shared->of[first + 1], v1, &sc->bucket);
    sw_histogram_add(&mine->of[first + 2], &shared->of[first + 2], v2, &sc->bucket);
    return 0;
}

/* A host that has sent nothing forwards, if both ends have; else it may be the server that does not answer. */
static __always_inline __u32 sw_role_of(const struct sw_flow *f)
{
    if (f->local >> !(f->orig_is_b & 1) & 1)
        return SW_ROLE_SERVER;
    if (f->local & (SW_LOCAL_A | SW_LOCAL_B))
        return SW_ROLE_CLIENT;
    if (cfg.replay || f->flags & SW_F_NO_EGRESS || !(f->end[SW_ORIG].did & f->end[SW_RESP].did & SW_E_SEEN))
        return SW_ROLE_UNKNOWN;
    return SW_ROLE_FORWARDER;
}

static __always_inline __u64 sw_histogram_span(__u64 from, __u64 to)
{
    return from && to >= from ? to - from : SW_HG_NOTHING;
}

/* A handshake has completed. */
static __always_inline void sw_histograms_handshake(const struct sw_flow *f)
{
    if (sw_is_silent(f))
        return;
    sw_count(SW_C_HANDSHAKES);
    sw_histograms_fill(sw_role_of(f) | (f->orig_is_b & 1 ? SW_HG_RESP_IS_A : 0), f->est_ns,
                       sw_histogram_span(f->syn_ns, f->est_ns), sw_histogram_span(f->syn_ns, f->synack_ns),
                       sw_histogram_span(f->synack_ns, f->est_ns));
}

/* A connection has ended. One that goes on without being followed has neither a duration nor all its bytes. */
static __always_inline void sw_histograms_conn(const struct sw_flow *f, __u32 context)
{
    __u64 end = f->last_ns > f->start_ns ? f->last_ns : f->start_ns;
    __u64 duration = SW_HG_NOTHING, orig = SW_HG_NOTHING, resp = SW_HG_NOTHING;

    if (sw_is_silent(f))
        return;
    if (f->est_ns && f->reason != SW_WHY_FILTERED && f->reason != SW_WHY_END_OF_INPUT) {
        duration = end - f->start_ns;
        orig = sw_stream_bytes(f, SW_ORIG);
        resp = sw_stream_bytes(f, SW_RESP);
    }
    sw_histograms_fill(sw_role_of(f) | (f->orig_is_b & 1 ? SW_HG_RESP_IS_A : 0) | SW_HG_OF_CONN |
                           (context == SW_CTX_SWEEP ? SW_HG_IN_SWEEP : 0) | (__u32)f->reason << SW_HG_WHY,
                       end, duration, orig, resp);
}

#endif
