/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps and globals. Sizes here are defaults; user space sets them before loading. */
#ifndef SW_BPF_TRACK_MAPS_H
#define SW_BPF_TRACK_MAPS_H

#include "packet/checksum.h"
#include "packet/parse.h"
#include "packet/tcp_options.h"
#include "synward.h"
#include "synward_hash.h"
#include "synward_ladder.h"
#include "tcp/verdict.h"

#define SW_LOCKS 1024 /* striped by the key's hash: LRU values may not hold a lock themselves */
#define SW_SPINS 128

SW_CONSTANT struct sw_config cfg = {0};

__u64 replay_now = 0;      /* cfg.replay: the clock */
__u32 replay_wire = 0;     /* cfg.replay: the frame's length on the wire, 0: that of the test run */
__u32 replay_captured = 0; /* and how much of it was captured, 0: the same */
struct sw_sweep sweep = {0};
struct sw_share shares[SW_SHARES] = {0};
__u32 reader_sleeps = 0;  /* 1: nothing wakes the reader but the first record, which takes this back (emit.h) */
__s64 half_open_room = 0; /* about how many half-open flows more there is a place for; each sweep puts it right */

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 131072);
    __type(key, struct sw_key);
    __type(value, struct sw_flow);
} half_open SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct sw_key);
    __type(value, struct sw_flow);
} flows SEC(".maps");

struct sw_lock {
#ifdef SW_OLD
    struct bpf_spin_lock spin;
#endif
    __u32 taken;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SW_LOCKS);
    __type(key, __u32);
    __type(value, struct sw_lock);
} locks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_RDONLY_PROG);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_hash_key);
} hash_key SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_C_MAX);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 16 << 20);
} events SEC(".maps");

/* Records of flows that were never established, so that a flood cannot crowd out the others. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20);
} events_open SEC(".maps");

/* Anomalies. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20);
} events_anomaly SEC(".maps");

/* ifindex -> flags: interfaces whose ingress is tracked */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u32);
} watched SEC(".maps");

/* bitmap of ports */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, __u64);
} server_ports SEC(".maps");

/* What the SYN cache has restored. DUE: of a SYN that waited on a live flow, which the segment has answered or is. */
enum { SW_RESTORED = 1, SW_RESTORED_DUE };

/* What is emitted, and where it happened; one struct, because a BPF function takes at most five arguments. */
struct sw_emit_ctx {
    struct sw_out out; /* result of the state machine */
    __u32 ifindex;
    __u32 kind;    /* enum sw_event_kind */
    __u8 hook;     /* enum sw_hook */
    __u8 ring;     /* enum sw_ring */
    __u8 resolved; /* SW_L_*: what became of the listener's handshake by this segment */
    __u8 listener; /* of a flow that another one follows */
    __u32 listener_isn;
    __u8 waits; /* the segment is the SYN that waits, sent again */
    __u8 late;  /* the segment has no flow, and is of a connection that has ended */
    __u8 claim; /* it has established a connection of which this host has sent nothing, and both ends came in one way */
    __u8 restored; /* SW_RESTORED*: the flow is of the SYN cache's entry, which is in scratch; DUE: with this segment */
};

/* Handshakes that are not complete, in compact form: many more of them than in half_open. That it can be mapped puts it
 * at the beginning of a page, and so each note into one cache line. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_syn_set);
} syn_cache SEC(".maps");

/* Connections that have ended. Their slots are where their hashes say: an LRU table would cost three times as much. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 131072);
    __type(key, __u32);
    __type(value, struct sw_ended);
} ended SEC(".maps");

/*
 * Per-CPU scratch memory beside the 512-byte stack. Functions that are verified separately take their input from here,
 * because before 6.2 a map key or value may not be a pointer argument of a function. One element is for packets, with
 * bottom halves off and one at a time on a CPU; the other is for the sweep, which packets may interrupt.
 */
enum { SW_CTX_PACKET, SW_CTX_SWEEP, SW_CTX_MAX };

/* What a walk of the sweep counts. Not on the stack: the verifier would follow each count by its value. */
struct sw_sweep_ctx {
    __u64 now;
    __u64 flush;
    __u64 seen;
    __u64 live;
    __u64 held_back;
    __u64 deferred;
    __u64 next;
    __u64 unconfirmed;
    __u64 share[SW_SHARES];
};

struct sw_scratch {
    struct sw_key key;
    struct sw_seg seg;
    struct sw_place at;
    struct sw_flow flow;
    struct sw_emit_ctx emit;
    struct sw_cached_handshake cached;
    struct sw_cached_handshake renewed; /* the same, with the segment in it */
    struct sw_seg rebuilt;
    struct sw_tcpopt opt;
    struct sw_inner inner;
    struct sw_flow snapshot; /* copy of a flow that may be freed before its record is made */
    __u64 hash;              /* of the key, while its segment is tracked */
    __u32 from_cookie;       /* flow was built from a cookie, for the current segment */
    __u32 early; /* SW_OUT_*: what the filter said before parsing; here so that its paths end for the verifier */
    struct sw_chunk chunk;
    struct sw_sweep_ctx sweep;
    struct sw_owner owner;   /* of the segment's sender */
    __u32 owner_wanted;      /* its flow does not know it */
    __u32 bucket;            /* of a value; here for the same reason */
    struct sw_ladder ladder; /* one that begins */
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_CTX_MAX);
    __type(key, __u32);
    __type(value, struct sw_scratch);
} scratch SEC(".maps");

static __always_inline struct sw_scratch *sw_scratch_of(__u32 context)
{
    return bpf_map_lookup_elem(&scratch, &context);
}

static __always_inline struct sw_hash_key *sw_hash_key_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&hash_key, &zero);
}

static __always_inline __u64 sw_key_hash(const struct sw_key *k)
{
    const struct sw_hash_key *h = sw_hash_key_get();

    return h ? sw_tuple_hash(h, (const __u32 *)k->a_ip, (const __u32 *)k->b_ip, k->a_port | (__u32)k->b_port << 16) : 0;
}

/*
 * Each CPU has its own slot, so a packet's add is a plain one. The sweep's is one instruction, for a packet may
 * interrupt it.
 */
static __always_inline void sw_count_in(__u32 context, __u32 c)
{
    __u64 *n = bpf_map_lookup_elem(&counters, &c);

    if (!n)
        return;
    if (context == SW_CTX_SWEEP)
        __sync_fetch_and_add(n, 1);
    else
        *n += 1;
}

static __always_inline void sw_count(enum sw_counter c)
{
    sw_count_in(SW_CTX_PACKET, c);
}

static __always_inline void sw_half_open_gives(__s64 n)
{
    __sync_fetch_and_add(&half_open_room, n);
}

#endif
