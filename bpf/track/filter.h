/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter: what it excludes is not tracked. The four-tuple of a packet is judged for both orders of its ends, so
 * that both directions of a connection are judged alike. What is excluded in either order touches no other map; where
 * it depends on who is the originator, a flow that is there goes on, and a new one is judged when it begins.
 */
#ifndef SW_BPF_TRACK_FILTER_H
#define SW_BPF_TRACK_FILTER_H

#include "synward_filter.h"
#include "track/maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_filter_map);
} filter SEC(".maps");

static __always_inline struct sw_filter_map *sw_filter_map_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&filter, &zero);
}

static __always_inline __u32 sw_filter_port(const struct sw_filter_rules *rules, __u32 list, __be16 port)
{
    __u32 number = sw_ntohs(port);

    sw_opaque(number);
    number &= 0xffff;
    return (__u32)(rules->ports[list][number >> 6] >> (number & 63) & 1) << list;
}

/* 1: not zero. Without a branch: the verifier would follow both ways, at each network. */
static __always_inline __u64 sw_not_zero(__u64 x)
{
    __u64 less = -x;

    sw_opaque(less);
    x = (x | less) >> 63;
    sw_opaque(x);
    return x;
}

/* All ones if the address is of the network, else 0. */
static __always_inline __u32 sw_filter_in(const __u64 *ip, __u64 v4, const struct sw_filter_net *net)
{
    return (__u32)sw_not_zero(((ip[0] ^ net->ip[0]) & net->mask[0]) | ((ip[1] ^ net->ip[1]) & net->mask[1]) |
                              (net->v4 ^ v4)) -
           1;
}

#define SW_FILTER_PORTS(list)                                                                                          \
    if (lists & SW_FL_BIT(list)) {                                                                                     \
        a |= sw_filter_port(rules, SW_FL_##list, key->a_port);                                                         \
        b |= sw_filter_port(rules, SW_FL_##list, key->b_port);                                                         \
    }

/* 1: a key of IPv4. */
static __always_inline __u64 sw_filter_is_v4(const struct sw_key *key)
{
    return sw_not_zero(*(const __u64 *)key->a_ip | (*(const __u32 *)(key->a_ip + 8) ^ bpf_htonl(0xffff))) ^ 1;
}

/* Judges a key: SW_OUT_*. What needs no roles comes first. v4: what sw_filter_is_v4 says of it. */
static __always_inline __u32 sw_filter_judge(const struct sw_filter_map *m, const struct sw_key *key, __u64 v4)
{
    const __u64 *ip_a = (const __u64 *)key->a_ip, *ip_b = (const __u64 *)key->b_ip;
    __u32 slot = SW_READ_ONCE(m->active), lists, a = 0, b = 0;
    const struct sw_filter_rules *rules;
    int admits;

    if (!slot)
        return 0;
    slot--;
    sw_opaque(slot);
    slot &= 1;
    rules = &m->slot[slot];
    lists = rules->lists;
    SW_FILTER_PORTS(PORT)
    SW_FILTER_PORTS(NOT_PORT)
    if (((a | b) & (SW_FL_BIT(PORT) | SW_FL_BIT(NOT_PORT))) != (lists & SW_FL_BIT(PORT)))
        return SW_OUT_ALWAYS;
    SW_ROLLED
    for (__u32 i = 0; i < SW_FILTER_NETS; i++) {
        const struct sw_filter_net *net = &rules->nets[i];

        if (i >= rules->nets_len)
            break;
        a |= net->lists & sw_filter_in(ip_a, v4, net);
        b |= net->lists & sw_filter_in(ip_b, v4, net);
    }
    if (((a | b) & SW_FL_EITHER) != (lists & SW_FL_EITHER & ~SW_FL_NEGATED))
        return SW_OUT_ALWAYS;
    if (!(lists & ~SW_FL_EITHER))
        return 0;
    SW_FILTER_PORTS(SERVER)
    SW_FILTER_PORTS(NOT_SERVER)
    if (sw_ntohs(key->a_port) < sw_ntohs(key->b_port))
        admits = sw_filter_admits_midstream(lists, a, b);
    else
        admits = sw_filter_admits_midstream(lists, b, a);
    return (sw_filter_admits(lists, a, b) ? 0 : SW_OUT_A) | (sw_filter_admits(lists, b, a) ? 0 : SW_OUT_B) |
           (admits ? 0 : SW_OUT_MIDSTREAM);
}

/* A SYN-ACK's receiver is the originator, also where its sender is taken for it, as Zeek does without likely ports. */
static __always_inline int sw_filter_is_out(__u32 out, const struct sw_flow *f)
{
    __u32 orig_is_b = f->orig_is_b;

    if (f->flags & SW_F_MIDSTREAM)
        return !!(out & SW_OUT_MIDSTREAM);
    if (f->direction_by == SW_BY_SYNACK && !(f->flags & SW_F_FLIPPED))
        orig_is_b ^= 1;
    return out >> (orig_is_b & 1) & 1;
}

/* Who the originator is has been decided: may the flow begin? */
static __always_inline int sw_filter_may_begin(struct sw_flow *f, const struct sw_seg *s)
{
    if (!sw_filter_is_out(s->out, f))
        return 1;
    sw_count(SW_C_FILTERED);
    if (!cfg.guard || !(s->out & SW_OUT_SILENT))
        return 0;
    if (f->flags & SW_F_OPENING_DEFERRED) { /* of a cookie */
        f->flags &= ~SW_F_OPENING_DEFERRED;
        sw_count(SW_C_OPENING_RESOLVED);
    }
    f->flags |= SW_F_FILTERED;
    return 1;
}

/* Another segment of a flow that is followed for the guard alone. */
static __always_inline void sw_filter_count(const struct sw_flow *f, const struct sw_seg *s)
{
    if (cfg.guard && s->out && f->flags & SW_F_FILTERED)
        sw_count(SW_C_FILTERED);
}

#endif
