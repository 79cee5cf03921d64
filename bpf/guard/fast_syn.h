/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fast path for the SYN of a flood: no VLAN tag, a plain IP header, an option list that is recognised by its words,
 * no payload, a service that is engaged, and no lists, limits or budget. The reply is byte for byte that of policy.h,
 * which handles all other SYNs; a test compares the two.
 */
#ifndef SW_BPF_GUARD_FAST_SYN_H
#define SW_BPF_GUARD_FAST_SYN_H

#include "guard/frame.h"
#include "guard/policy.h"

/* Addresses, v4-mapped for IPv4, from a header that has been checked. */
static __always_inline void sw_fast_ips(void *data, __u32 v6, struct sw_ip *src, struct sw_ip *dst)
{
    if (v6) {
        struct sw_ip6 *ip = data + 14;

        for (int i = 0; i < 4; i++) {
            src->word[i] = ip->src[i];
            dst->word[i] = ip->dst[i];
        }
    } else {
        struct sw_ip4 *ip = data + 14;

        src->word[0] = src->word[1] = dst->word[0] = dst->word[1] = 0;
        src->word[2] = dst->word[2] = bpf_htonl(0xffff);
        src->word[3] = ip->src;
        dst->word[3] = ip->dst;
    }
}

/* Is it a plain SYN without payload? Returns the length of its options, or -1. */
static __always_inline int sw_fast_plain(void *data, void *end, __u32 v6)
{
    struct sw_eth *eth = data;
    struct sw_tcp *t = data + 14 + (v6 ? 40 : 20);
    __u32 bits, opt_len, len, frame;

    if (!SW_HAS(t, sizeof(*t), end))
        return -1;
    bits = bpf_ntohs(t->bits);
    if ((bits & 0x3f) != SW_TCP_SYN || (eth->dst[0] | eth->src[0]) & 1)
        return -1;
    opt_len = (bits >> 12) * 4 - 20;
    if (v6) {
        struct sw_ip6 *ip = data + 14;

        if ((ip->ver_flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) || ip->next != SW_IP_TCP)
            return -1;
        len = 54 + bpf_ntohs(ip->len);
    } else {
        struct sw_ip4 *ip = data + 14;

        if (ip->ver_ihl != 0x45 || ip->proto != SW_IP_TCP || ip->frag & bpf_htons(0x3fff))
            return -1;
        len = 14 + bpf_ntohs(ip->len);
    }
    frame = (__u32)(end - data);
    if (len != 14 + (v6 ? 60 : 40) + opt_len || frame < len || (frame != len && frame > SW_MIN_FRAME))
        return -1;
    return opt_len <= 40 ? (int)opt_len : -1;
}

/* The first service of a port, 0: none. */
static __always_inline __u32 sw_fast_first(__u32 port)
{
    __u32 *first = bpf_map_lookup_elem(&svc_ports, &port);

    return first ? *first : 0;
}

/* A gateway's service, 0: none. That of the last SYN for this address needs no call, nor the port's first service. */
static __always_inline __u32 sw_fast_behind(const struct sw_guard *g, struct sw_ip *dst, __u32 port)
{
    struct sw_net_found *at = sw_net_remembered(dst, port);

    if (at && sw_net_is_of(at, dst, port, g->nets_gen))
        return at->service;
    return sw_fast_first(port) ? sw_service_behind(dst, port) : 0;
}

/* The first service of the port, if it matches and is engaged; else NULL, and the slow path looks it up. */
static __always_inline struct sw_service *sw_fast_service(const struct sw_guard *g, struct sw_ip *dst, __be16 port,
                                                          __u32 v6, __u32 *ret_index)
{
    __u32 number = bpf_ntohs(port), index = cfg.gateway ? sw_fast_behind(g, dst, number) : sw_fast_first(number);
    struct sw_service *sv;
    const __u32 *w;

    if (!index)
        return 0;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return 0;
    if (sv->state != SW_GS_ENGAGED || sv->mode < SW_GM_AUTO || sv->backend != SW_BK_REQSK)
        return 0;
    *ret_index = index;
    if (cfg.gateway)
        return sv;
    w = (const __u32 *)sv->ip;
    if (sv->any ? !(sv->any & (v6 ? SW_ANY_6 : SW_ANY_4)) || !sw_ip_is_local(dst)
                : w[3] != dst->word[3] || w[0] != dst->word[0] || w[1] != dst->word[1] || w[2] != dst->word[2])
        return 0;
    return sv;
}

/* A backend that may be answered for. NULL: the slow path decides. */
static __always_inline struct sw_net_found *sw_fast_backend(const struct sw_guard *g, const struct sw_ip *dst,
                                                            __be16 port, __u64 now)
{
    struct sw_net_found *at = sw_backend_of(g, dst, bpf_ntohs(port), now);

    return !at || at->closed || at->ask || sw_gateway_is_full(sw_gateway_state_get()) ? 0 : at;
}

/* An ordinary source address; the slow path checks the others. */
static __always_inline int sw_fast_source(const struct sw_ip *src, __u32 v6)
{
    __u32 first = bpf_ntohl(src->word[v6 ? 0 : 3]) >> 24;

    return v6 ? first && first != 0xff : first && first != 127 && first < 224;
}

/* Writes the SYN-ACK over the SYN. */
static __always_inline int sw_fast_reply(struct xdp_md *ctx, struct sw_reply *r, __u32 v6)
{
    return v6 ? sw_reply6_write(ctx, r) : sw_reply4_write(ctx, r);
}

static __always_inline int sw_fast_syn(struct xdp_md *ctx, __u32 v6)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_tcp *t = data + 14 + (v6 ? 40 : 20);
    struct sw_guard *g = sw_guard_config();
    struct sw_cookie_opts *c; /* in memory, of whose contents the verifier knows nothing: all paths are one */
    struct sw_cookie_tuple f;
    struct sw_cookie cookie;
    struct sw_service *sv;
    struct sw_ip src, dst;
    struct sw_svc_counters *tally;
    struct sw_hash_key *key;
    struct sw_keys *k;
    struct sw_guard_scratch *here;
    struct sw_net_found *at = 0;
    struct sw_reply *r;
    struct sw_opts *o;
    __u32 index, bit;
    __u64 now, *word;
    __u16 flags;
    int opt_len, ecn;

    if (!g)
        return 0;
    opt_len = sw_fast_plain(data, end, v6);
    if (opt_len < 0)
        return 0;
    if (g->allow_len | g->block_len | g->limit_source | g->limit_prefix | g->reply_budget | (g->flags & SW_G_STOPPING))
        return 0;
    sw_fast_ips(data, v6, &src, &dst);
    if (!sw_fast_source(&src, v6) || !sw_mac_is_ours(g, data))
        return 0;
    sv = sw_fast_service(g, &dst, t->dport, v6, &index);
    if (!sv)
        return 0;
    now = sw_now_coarse();
    if (now >= sv->due || now < sv->bypass_until || sv->flags & SW_SV_NO_LISTENER)
        return 0;
    if (SW_TRANSLATES) {
        at = sw_fast_backend(g, &dst, t->dport, now);
        if (!at)
            return 0;
    }
    if (sw_refuses_source(g, &src, v6, now))
        return 0;
    key = sw_hash_key_get();
    if (!key)
        return 0;
    bit = sw_known_bit(key, src.word, dst.word, t->sport, t->dport);
    word = sw_known_word(bit, g->known_gen);
    if (!word)
        return 0;
    if (*word >> (bit & 63) & 1)
        return 0;
    k = sw_keys_now(g);
    if (!k)
        return 0;
    tally = sw_svc_counters_of(index);
    if (!tally)
        return 0;
    here = sw_guard_scratch_get();
    if (!here)
        return 0;
    r = &here->reply;
    o = &here->opts;
    c = &here->cookie_opts;
    if (!sw_opts_linux((__be32 *)(t + 1), opt_len, end, o)) {
        here->pkt.tcp_off = 14 + (v6 ? 40 : 20);
        here->pkt.opt_len = opt_len;
        sw_opts_xdp(ctx, &here->pkt, o);
        if (o->bad || o->sig)
            return 0;
    }
    flags = bpf_ntohs(t->bits);
    ecn = (flags & (SW_TCP_ECE | SW_TCP_CWR)) == (SW_TCP_ECE | SW_TCP_CWR) && !(((__u8 *)data)[15] & (v6 ? 0x30 : 3));
    sw_cookie_grant(c, o, g, v6, ecn);
    if (at)
        sw_backend_limit(c, at);
    for (int i = 0; i < 4; i++) {
        f.src[i] = r->src[i] = src.word[i];
        f.dst[i] = r->dst[i] = dst.word[i];
    }
    if (!v6) {
        f.src[0] = src.word[3];
        f.dst[0] = dst.word[3];
    }
    f.sport = r->sport = t->sport;
    f.dport = r->dport = t->dport;
    f.isn = bpf_ntohl(t->seq);
    f.v6 = v6;
    f.wscale = sv->wscale;
    sw_cookie_make(k, &f, c, now + g->clock_offset, &cookie);
    r->ip_off = 14;
    r->hops = v6 ? g->hop_limit : g->ttl;
    r->seq = cookie.isn;
    r->ack = f.isn + 1;
    r->flags = SW_TCP_SYN | SW_TCP_ACK | (c->ecn ? SW_TCP_ECE : 0);
    r->win = sv->win;
    sw_synack_options(r, sv, o, c, v6, cookie.tsval);
    if (at && at->mss)
        sw_backend_mss(r, o, at->mss, sv, v6);
    if (!sw_fast_reply(ctx, r, v6))
        return 0;
    tally->item[SW_T_SYNS]++;
    tally->item[SW_T_COOKIES_SENT]++;
    sw_count(SW_C_PACKETS);
    sw_count(SW_C_TCP);
    return 1;
}

SW_STEP int sw_fast_syn4(struct xdp_md *ctx)
{
    return sw_fast_syn(ctx, 0);
}

SW_STEP int sw_fast_syn6(struct xdp_md *ctx)
{
    return sw_fast_syn(ctx, 1);
}

/* True: a SYN-ACK was written. The first tests use fixed offsets, because most packets are not SYNs. */
static __always_inline int sw_fast_answered(struct xdp_md *ctx, void *data, void *end)
{
    struct sw_eth *eth = data;
    struct sw_guard *g;

    if (!SW_HAS(eth, 54, end))
        return 0;
    g = sw_guard_config();
    if (!g || !g->engaged)
        return 0;
    if (eth->type == bpf_htons(SW_ETH_IP4))
        return ((__u8 *)data)[47] == SW_TCP_SYN && sw_fast_syn4(ctx);
    if (eth->type == bpf_htons(SW_ETH_IP6))
        return ((__u8 *)data)[20] == SW_IP_TCP && sw_fast_syn6(ctx);
    return 0;
}

#endif
