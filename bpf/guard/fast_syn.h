/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fast path for the SYN of a flood: no VLAN tag, a plain IP header, an option list that is recognised by its words,
 * no payload, a service that is engaged, and no lists, limits or budget. The reply is byte for byte that of policy.h,
 * which handles all other SYNs; a test compares the two.
 */
#ifndef SW_BPF_GUARD_FAST_SYN_H
#define SW_BPF_GUARD_FAST_SYN_H

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
    if (len != 14 + (v6 ? 60 : 40) + opt_len || (frame != len && frame > SW_MIN_FRAME))
        return -1;
    return opt_len <= 40 ? (int)opt_len : -1;
}

/* The first service of the port, if it matches and is engaged; else NULL, and the slow path looks it up. */
static __always_inline struct sw_service *sw_fast_service(const struct sw_ip *dst, __be16 port, __u32 v6,
                                                          __u32 *ret_index)
{
    __u32 number = bpf_ntohs(port), *first = bpf_map_lookup_elem(&svc_ports, &number), index;
    struct sw_service *sv;
    const __u32 *w;

    if (!first)
        return 0;
    index = *first;
    if (!index)
        return 0;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return 0;
    if (sv->state != SW_GS_ENGAGED || sv->mode < SW_GM_AUTO || sv->backend != SW_BK_REQSK)
        return 0;
    w = (const __u32 *)sv->ip;
    if (sv->any ? !(sv->any & (v6 ? SW_ANY_6 : SW_ANY_4)) || !sw_ip_is_local(dst)
                : w[3] != dst->word[3] || w[0] != dst->word[0] || w[1] != dst->word[1] || w[2] != dst->word[2])
        return 0;
    *ret_index = index;
    return sv;
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

/* What the answer needs. */
struct sw_fast {
    struct sw_ip src, dst;
    struct sw_guard *g;
    struct sw_service *sv;
    struct sw_svc_counters *tally;
    struct sw_keys *k;
    struct sw_guard_scratch *here;
    __u64 now;
    __u32 v6;
};

/* Has the four-tuple a socket, or cannot that be known? */
static __always_inline int sw_fast_is_known(const struct sw_fast *a, const struct sw_tcp *t)
{
    __u32 bit = sw_known_bit(a->src.word, a->dst.word, t->sport, t->dport);
    __u64 *word = sw_known_word(bit, a->g->known_gen);

    return !word || *word >> (bit & 63) & 1;
}

/* Fills all of it; false: the slow path decides. */
static __always_inline int sw_fast_look_up(struct sw_fast *a, void *data, const struct sw_tcp *t)
{
    struct sw_guard *g = a->g;
    __u32 index;

    if (g->allow_len | g->block_len | g->limit_source | g->limit_prefix | g->reply_budget | (g->flags & SW_G_STOPPING))
        return 0;
    sw_fast_ips(data, a->v6, &a->src, &a->dst);
    if (!sw_fast_source(&a->src, a->v6))
        return 0;
    a->sv = sw_fast_service(&a->dst, t->dport, a->v6, &index);
    if (!a->sv)
        return 0;
    a->now = sw_now_coarse();
    if (a->now >= a->sv->due || a->now < a->sv->bypass_until || a->sv->flags & SW_SV_NO_LISTENER)
        return 0;
    if (sw_fast_is_known(a, t))
        return 0;
    a->k = sw_keys_now(g);
    if (!a->k)
        return 0;
    a->tally = sw_svc_counters_of(index);
    if (!a->tally)
        return 0;
    a->here = sw_guard_scratch_get();
    return !!a->here;
}

/* Reads the options, by their words if they are a known list. False: malformed or signed. */
static __always_inline int sw_fast_options(struct xdp_md *ctx, struct sw_guard_scratch *here, const struct sw_tcp *t,
                                           int opt_len, void *end, __u32 v6)
{
    if (sw_opts_linux((__be32 *)(t + 1), opt_len, end, &here->opts))
        return 1;
    here->pkt.tcp_off = 14 + (v6 ? 40 : 20);
    here->pkt.opt_len = opt_len;
    sw_opts_xdp(ctx, &here->pkt, &here->opts);
    return !here->opts.bad && !here->opts.sig;
}

/* Makes the cookie and what the SYN-ACK says. */
static __always_inline void sw_fast_synack(struct sw_fast *a, const struct sw_tcp *t, __u32 ecn_bits)
{
    struct sw_reply *r = &a->here->reply;
    struct sw_cookie_opts c = {0};
    struct sw_cookie_tuple f;
    struct sw_cookie cookie;

    sw_cookie_grant(&c, &a->here->opts, a->g, a->v6,
                    (bpf_ntohs(t->bits) & (SW_TCP_ECE | SW_TCP_CWR)) == (SW_TCP_ECE | SW_TCP_CWR) && !ecn_bits);
    for (int i = 0; i < 4; i++) {
        f.src[i] = r->src[i] = a->src.word[i];
        f.dst[i] = r->dst[i] = a->dst.word[i];
    }
    if (!a->v6) {
        f.src[0] = a->src.word[3];
        f.dst[0] = a->dst.word[3];
    }
    f.sport = r->sport = t->sport;
    f.dport = r->dport = t->dport;
    f.isn = bpf_ntohl(t->seq);
    f.v6 = a->v6;
    sw_cookie_make(a->k, &f, &c, a->now + a->g->clock_offset, &cookie);
    r->ip_off = 14;
    r->hops = a->v6 ? a->g->hop_limit : a->g->ttl;
    r->seq = cookie.isn;
    r->ack = f.isn + 1;
    r->flags = SW_TCP_SYN | SW_TCP_ACK | (c.ecn ? SW_TCP_ECE : 0);
    r->win = a->sv->win;
    sw_synack_options(r, a->sv, &a->here->opts, &c, a->v6, cookie.tsval);
}

static __always_inline int sw_fast_syn(struct xdp_md *ctx, __u32 v6)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_fast a = {.g = sw_guard_config(), .v6 = v6};
    struct sw_tcp *t = data + 14 + (v6 ? 40 : 20);
    int opt_len;

    if (!a.g)
        return 0;
    opt_len = sw_fast_plain(data, end, v6);
    if (opt_len < 0)
        return 0;
    if (!sw_fast_look_up(&a, data, t))
        return 0;
    if (!sw_fast_options(ctx, a.here, t, opt_len, end, v6))
        return 0;
    sw_fast_synack(&a, t, ((__u8 *)data)[15] & (v6 ? 0x30 : 3));
    if (!sw_fast_reply(ctx, &a.here->reply, v6))
        return 0;
    a.tally->item[SW_T_SYNS]++;
    a.tally->item[SW_T_COOKIES_SENT]++;
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
