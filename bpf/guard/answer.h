/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Replies: SYN-ACKs with our cookie or the kernel's, and probes. */
#ifndef SW_BPF_GUARD_ANSWER_H
#define SW_BPF_GUARD_ANSWER_H

#include "guard/backend.h"
#include "guard/sockets.h"
#include "guard/syncookie_keys.h"

enum sw_guard_action {
    SW_DO_PASS,
    SW_DO_REPLY,
    SW_DO_DROP,
    SW_DO_ACCEPT,
    SW_DO_ANSWER,
    SW_DO_PASS_SIGNED,
    SW_DO_PASS_ALONE,    /* and not followed */
    SW_DO_END_TIME_WAIT, /* as SW_DO_ACCEPT, but first the socket that is in the way is ended */
    SW_DO_ENGAGE
};

/* Addresses, ports and IP header offset of the reply. */
static __always_inline void sw_reply_to(struct sw_reply *r, const struct sw_key *k, const struct sw_seg *s,
                                        const struct sw_guard_ctx *j, const struct sw_guard *g)
{
    const __u32 *a = (const __u32 *)k->a_ip, *b = (const __u32 *)k->b_ip;

    for (int i = 0; i < 4; i++) {
        r->src[i] = s->src_is_b ? b[i] : a[i];
        r->dst[i] = s->src_is_b ? a[i] : b[i];
    }
    r->sport = s->src_is_b ? k->b_port : k->a_port;
    r->dport = s->src_is_b ? k->a_port : k->b_port;
    r->ip_off = j->ip_off;
    r->hops = j->v6 ? g->hop_limit : g->ttl;
    r->words = 0;
}

/* The option words of the SYN-ACK: options that the SYN offered, this host grants and the cookie can encode. */
static __always_inline void sw_synack_options(struct sw_reply *r, const struct sw_service *sv, const struct sw_opts *o,
                                              const struct sw_cookie_opts *c, __u32 v6, __u32 tsval)
{
    __u32 n = 0;

    if (o->opts & SW_OPT_MSS)
        r->word[n++] = bpf_htonl(0x02040000u | sv->mss[v6 & 1]);
    if (c->ts) {
        r->word[n] = bpf_htonl(c->sack ? 0x0402080au : 0x0101080au);
        r->word[n + 1] = bpf_htonl(tsval);
        r->word[n + 2] = bpf_htonl(o->tsval);
        n += 3;
    } else if (c->sack) {
        r->word[n++] = bpf_htonl(0x01010402u);
    }
    if (c->wscale != SW_WSCALE_NONE)
        r->word[n++] = bpf_htonl(0x01030300u | sv->wscale);
    r->words = n;
}

/* ECN as in RFC 3168 section 6.1.1: requested by ECE and CWR, in a packet that is not ECT itself. */
static __always_inline int sw_syn_ecn(struct xdp_md *ctx, const struct sw_seg *s, const struct sw_guard_ctx *j)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 off = j->ip_off;
    __u8 *p;

    if ((s->flags & (SW_TCP_ECE | SW_TCP_CWR)) != (SW_TCP_ECE | SW_TCP_CWR))
        return 0;
    sw_opaque(off);
    if (off > 64)
        return 0;
    p = data + off;
    if (!SW_HAS(p, 2, end))
        return 0;
    return j->v6 ? !(p[1] & 0x30) : !(p[1] & 3);
}

static __always_inline void sw_cookie_grant(struct sw_cookie_opts *c, const struct sw_opts *o, const struct sw_guard *g,
                                            __u32 v6, int ecn)
{
    c->mss = o->opts & SW_OPT_MSS && o->mss ? o->mss : v6 ? 1220 : 536;
    c->sack = o->opts & SW_OPT_SACK && g->flags & SW_G_SACK;
    c->ts = o->opts & SW_OPT_TS && g->flags & SW_G_TS;
    c->wscale = SW_WSCALE_NONE;
    if (o->opts & SW_OPT_WSCALE && g->flags & SW_G_WSCALE)
        c->wscale = o->wscale > 14 ? 14 : o->wscale; /* RFC 7323 section 2.3 */
    c->ecn = ecn && g->flags & SW_G_ECN;
}

/*
 * Signed (RFC 2385, RFC 5925), as routers' BGP sessions are: the client would reject our unsigned SYN-ACK. A kernel
 * that supports the option checks the signature before it allocates state for the SYN.
 */
static __always_inline int sw_syn_is_signed(const struct sw_opts *o, const struct sw_guard *g)
{
    return (o->sig & SW_SIG_MD5 && g->flags & SW_G_MD5) || (o->sig & SW_SIG_AO && g->flags & SW_G_AO);
}

/* The options that the SYN-ACK may offer with the kernel's cookie: without plain timestamps it encodes an MSS only. */
static __always_inline void sw_kernel_grant(struct sw_cookie_opts *c, const struct sw_guard *g)
{
    if (!(g->flags & SW_G_TS_PLAIN))
        c->ts = 0;
    if (!c->ts) {
        c->sack = c->ecn = 0;
        c->wscale = SW_WSCALE_NONE;
    }
}

/* Our cookie for at->cookie_opts. False: there is no key. */
static __always_inline int sw_own_cookie(struct sw_guard_scratch *at, const struct sw_guard *g,
                                         const struct sw_service *sv, const struct sw_key *key, const struct sw_seg *s,
                                         const struct sw_guard_ctx *j)
{
    struct sw_keys *k = sw_keys_now(g);

    if (!k)
        return 0;
    sw_cookie_tuple(&at->tuple, key, s, sv, j->v6, s->seq);
    sw_cookie_generate(k, at, j->now + g->clock_offset);
    return 1;
}

/* The kernel's cookie. False: it makes none now, because the listener's queue is not full. */
static __always_inline int sw_listener_cookie(struct xdp_md *ctx, struct sw_guard_scratch *at, const struct sw_guard *g,
                                              struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    __s64 isn = sw_kernel_cookie(ctx, key, s, j);

    if (isn < 0)
        return 0;
    sw_kernel_grant(&at->cookie_opts, g);
    at->cookie.isn = (__u32)isn;
    at->cookie.tsval = sw_kernel_tsval(&at->cookie_opts, bpf_ktime_get_ns());
    return 1;
}

/* The SYN-ACK with a cookie of the service's backend. SW_DO_PASS: the backend makes none, or the SYN is signed. */
SW_STEP int sw_answer_syn(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_service *sv;
    __u32 index, mss = 65535;
    int made;

    if (!key || !s || !j)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    if (sv->backend != SW_BK_REQSK && sv->backend != SW_BK_LISTENER)
        return SW_DO_PASS;
    sw_opts_xdp(ctx, j, &at->opts);
    if (at->opts.bad) {
        j->reason = SW_DROP_BAD_OPTION;
        return SW_DO_DROP;
    }
    if (sw_syn_is_signed(&at->opts, g))
        return SW_DO_PASS_SIGNED;
    if (j->dry_run)
        return SW_DO_REPLY;
    sw_cookie_grant(&at->cookie_opts, &at->opts, g, j->v6, sw_syn_ecn(ctx, s, j));
    if (SW_TRANSLATES) {
        mss = (__u32)sw_backend_limits(at, j->now);
        if (!mss)
            return SW_DO_PASS;
    }
    made = sv->backend == SW_BK_REQSK ? sw_own_cookie(at, g, sv, key, s, j) : sw_listener_cookie(ctx, at, g, key, s, j);
    if (!made)
        return SW_DO_PASS;
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = at->cookie.isn;
    at->reply.ack = s->seq + 1;
    at->reply.flags = SW_TCP_SYN | SW_TCP_ACK | (at->cookie_opts.ecn ? SW_TCP_ECE : 0);
    at->reply.win = sv->win;
    sw_synack_options(&at->reply, sv, &at->opts, &at->cookie_opts, j->v6, at->cookie.tsval);
    if (SW_TRANSLATES)
        sw_backend_mss(&at->reply, &at->opts, mss, sv, j->v6);
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

/*
 * A keepalive or zero-window probe (RFC 9293 section 3.8.4, 3.8.6.1) sent before any data has the ISN as its sequence
 * number. The kernel would take it for the third packet of another handshake. So the reply is a segment just below the
 * client's window; the client acknowledges it, and that ACK is the third packet.
 */
SW_STEP int sw_answer_probe(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_service *sv;
    __u32 index;

    if (!key || !s || !j)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    if (s->len > 1 || s->flags & (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG))
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    if (!sw_cookie_ok(key, s, j, s->seq, &at->cookie_opts))
        return SW_DO_PASS;
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = s->ack - 1;
    at->reply.ack = s->seq + 1;
    at->reply.flags = SW_TCP_ACK;
    at->reply.win = at->cookie_opts.wscale != SW_WSCALE_NONE ? sv->win >> (sv->wscale & 15) : sv->win;
    if (at->cookie_opts.ts) {
        at->reply.word[0] = bpf_htonl(0x0101080au);
        at->reply.word[1] = bpf_htonl(at->opts.tsecr);
        at->reply.word[2] = bpf_htonl(at->opts.tsval);
        at->reply.words = 3;
    }
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

/* An ACK that belongs to nothing: the RST of a closed port (RFC 9293 section 3.10.7.1). */
SW_STEP int sw_answer_stray(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_guard_scratch *at = sw_guard_scratch_get();

    if (!key || !s || !j)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = s->ack;
    at->reply.ack = 0;
    at->reply.flags = SW_TCP_RST;
    at->reply.win = 0;
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

#endif
