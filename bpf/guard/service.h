/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the service of a packet, and the tables that are searched for every SYN: arrays, indexed by hashes that user
 * space computes, too. Collisions cost time only.
 */
#ifndef SW_BPF_GUARD_SERVICE_H
#define SW_BPF_GUARD_SERVICE_H

#include "guard/maps.h"
#include "synward_hash.h"

static __always_inline struct sw_guard *sw_guard_config(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&guard, &zero);
}

static __always_inline int sw_ip_is_4(const struct sw_ip *ip)
{
    return !ip->word[0] && !ip->word[1] && ip->word[2] == bpf_htonl(0xffff);
}

/* The sender's address of a key, or the other one. */
static __always_inline void sw_key_ip(const struct sw_key *k, __u32 is_b, struct sw_ip *ret)
{
    const __u32 *w = (const __u32 *)(is_b ? k->b_ip : k->a_ip);

    for (int i = 0; i < 4; i++)
        ret->word[i] = w[i];
}

static __always_inline int sw_ip_is_local(const struct sw_ip *ip)
{
    __u32 slot = sw_local_hash(ip->word);

    for (int i = 0; i < SW_LOCAL_PROBES; i++) {
        struct sw_ip *have = bpf_map_lookup_elem(&local_ips, &slot);

        if (have && have->word[3] == ip->word[3] && have->word[0] == ip->word[0] && have->word[1] == ip->word[1] &&
            have->word[2] == ip->word[2])
            return 1;
        slot = (slot + 1) & (SW_LOCAL_IPS - 1);
    }
    return 0;
}

static __always_inline __u32 sw_net_search(const struct sw_ip *ip, __u32 port)
{
    struct sw_service_net net;
    __u32 *index;

    net.prefixlen = SW_NET_PORT_BITS + 128;
    net.port = port;
    for (int i = 0; i < 4; i++)
        ((__u32 *)net.ip)[i] = ip->word[i];
    index = bpf_map_lookup_elem(&service_nets, &net);
    return index ? *index : 0;
}

/* Where this CPU remembers what was found for an address and port. */
static __always_inline struct sw_net_found *sw_net_remembered(const struct sw_ip *ip, __u32 port)
{
    __u32 slot = ((ip->word[0] ^ ip->word[1] ^ ip->word[2] ^ ip->word[3] ^ port) * 0x9e3779b1u) >> 24;

    return bpf_map_lookup_elem(&net_cache, &slot);
}

static __always_inline int sw_net_is_of(const struct sw_net_found *at, const struct sw_ip *ip, __u32 port, __u64 gen)
{
    return at->port == port && at->gen == gen && at->ip.word[3] == ip->word[3] && at->ip.word[0] == ip->word[0] &&
           at->ip.word[1] == ip->word[1] && at->ip.word[2] == ip->word[2];
}

/* A gateway's service, 0: none. */
SW_STEP int sw_service_behind(struct sw_ip *ip, __u32 port)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_net_found *at;

    if (!ip || !g)
        return 0;
    at = sw_net_remembered(ip, port);
    if (!at)
        return sw_net_search(ip, port);
    if (!sw_net_is_of(at, ip, port, g->nets_gen)) {
        at->gen = g->nets_gen; /* before it is searched */
        at->read_ns = at->asked_ns = 0;
        at->service = sw_net_search(ip, port);
        at->port = port;
        for (int i = 0; i < 4; i++)
            at->ip.word[i] = ip->word[i];
    }
    return at->service;
}

/* This host's service, 0: none. at: the first one of its port. */
static __always_inline int sw_service_here(const struct sw_ip *ip, __u32 at)
{
    for (int i = 0; i < SW_CHAIN && at; i++) {
        struct sw_service *sv = bpf_map_lookup_elem(&services, &at);
        const __u32 *w;

        if (!sv)
            return 0;
        w = (const __u32 *)sv->ip;
        if (sv->any) { /* a wildcard is the last of its chain */
            if (sv->any & (sw_ip_is_4(ip) ? SW_ANY_4 : SW_ANY_6) && sw_ip_is_local(ip))
                return at;
        } else if (w[3] == ip->word[3] && w[0] == ip->word[0] && w[1] == ip->word[1] && w[2] == ip->word[2]) {
            return at;
        }
        at = sv->next;
    }
    return 0;
}

/* The service at one end of a key: its index, 0 for none. */
SW_STEP int sw_service_of(struct sw_key *key, __u32 is_b)
{
    __u32 port, *first;
    struct sw_ip ip;

    if (!key)
        return 0;
    port = bpf_ntohs(is_b ? key->b_port : key->a_port);
    first = bpf_map_lookup_elem(&svc_ports, &port);
    if (!first || !*first)
        return 0;
    sw_key_ip(key, is_b, &ip);
    return cfg.gateway ? sw_service_behind(&ip, port) : sw_service_here(&ip, *first);
}

/*
 * The same for a flow in a sweep. Programs that sleep may not use an LPM trie, so of a gateway's services any one of
 * that port will do.
 */
SW_STEP int sw_service_of_swept(struct sw_key *key, __u32 is_b)
{
    __u32 port, *first;
    struct sw_ip ip;

    if (!key)
        return 0;
    port = bpf_ntohs(is_b ? key->b_port : key->a_port);
    first = bpf_map_lookup_elem(&svc_ports, &port);
    if (!first || !*first)
        return 0;
    sw_key_ip(key, is_b, &ip);
    return cfg.gateway ? (int)*first : sw_service_here(&ip, *first);
}

static __always_inline __u64 *sw_known_word(__u32 bit, __u32 gen)
{
    __u32 word = (gen & 1) * SW_KNOWN_WORDS + bit / 64;

    return bpf_map_lookup_elem(&known_tuples, &word);
}

static __always_inline __u32 sw_known_of(const struct sw_key *k, __u32 src_is_b)
{
    const __u32 *a = (const __u32 *)k->a_ip, *b = (const __u32 *)k->b_ip;
    const struct sw_hash_key *h = sw_hash_key_get();

    if (!h)
        return 0;
    return src_is_b ? sw_known_bit(h, b, a, k->b_port, k->a_port) : sw_known_bit(h, a, b, k->a_port, k->b_port);
}

static __always_inline int sw_known_is(const struct sw_key *k, __u32 src_is_b, __u32 gen)
{
    __u32 bit = sw_known_of(k, src_is_b);
    __u64 *w = sw_known_word(bit, gen);

    return w && *w >> (bit & 63) & 1;
}

/* In both generations, because user space may be filling the other one. */
static __always_inline void sw_known_set(const struct sw_key *k, __u32 src_is_b)
{
    __u32 bit = sw_known_of(k, src_is_b);
    __u64 one = 1ull << (bit & 63);

    for (__u32 gen = 0; gen < 2; gen++) {
        __u64 *w = sw_known_word(bit, gen);

        if (w && !(*w & one))
            __sync_fetch_and_or(w, one);
    }
}
#endif
