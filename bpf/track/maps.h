/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps and globals. Sizes here are defaults; user space sets them before loading. */
#ifndef SW_BPF_TRACK_MAPS_H
#define SW_BPF_TRACK_MAPS_H

#include "packet/checksum.h"
#include "packet/parse.h"
#include "packet/tcp_options.h"
#include "synward.h"
#include "tcp/verdict.h"

#define SW_LOCKS 1024 /* striped by the key's hash: LRU values may not hold a lock themselves */
#define SW_SPINS 128

const volatile struct sw_config cfg = {0};

__u64 replay_now = 0; /* cfg.replay: the clock */
struct sw_sweep sweep = {0};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 131072);
    __type(key, struct sw_key);
    __type(value, struct sw_flow);
} embryos SEC(".maps");

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

/* ifindex -> flags: interfaces whose ingress we follow */
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

/* What is being told and where; one struct, because a BPF function takes five arguments at most. */
struct sw_where {
    struct sw_out out; /* what the state machine said */
    __u32 ifindex;
    __u32 kind;     /* enum sw_event_kind */
    __u8 hook;      /* enum sw_hook */
    __u8 main_ring; /* to `events`, else to `events_open` */
    __u8 opened;    /* for the guard's books: 1 + the responder is the key's b endpoint */
    __u8 completed; /* the same */
    __u8 aborted;   /* the same */
    __u8 pad[3];
};

/* Notes of handshakes that are not complete, by sw_note_id. Many more than embryos. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 524288);
    __type(key, __u64);
    __type(value, struct sw_handshake);
} handshakes SEC(".maps");

/*
 * What is at hand, beside the 512-byte stack: functions that are checked by themselves find it here, because before
 * 6.2 no map takes a key or a value that a function was given. One room is for packets, with bottom halves off and one
 * at a time a CPU; the other is for the sweep, which packets may interrupt.
 */
enum { SW_ROOM_PACKET, SW_ROOM_SWEEP, SW_ROOMS };

struct sw_scratch {
    struct sw_key key;
    struct sw_seg seg;
    struct sw_place at;
    struct sw_flow flow;
    struct sw_where where;
    struct sw_handshake note;
    struct sw_seg then;
    struct sw_tcpopt opt;
    struct sw_inner inner;
    struct sw_flow telling; /* what a record is made of, when its flow may go meanwhile */
    __u32 born;             /* flow was built from a cookie, for the segment at hand */
    struct sw_chunk chunk;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SW_ROOMS);
    __type(key, __u32);
    __type(value, struct sw_scratch);
} scratch SEC(".maps");

static __always_inline struct sw_scratch *sw_room(__u32 room)
{
    return bpf_map_lookup_elem(&scratch, &room);
}

/* Plain adds: a slot is its CPU's own. */
static __always_inline void sw_count(enum sw_counter c)
{
    __u32 i = c;
    __u64 *n = bpf_map_lookup_elem(&counters, &i);

    if (n)
        *n += 1;
}

#endif
