/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet for a protected service for which there is no flow (or a SYN). The kernel's
 * own sockets have the last word: nothing that belongs to one is dropped. Whatever cannot be judged
 * passes (fail open).
 */
#ifndef SW_GUARD_H
#define SW_GUARD_H

#include "judge.h"
#include "limit.h"
#include "synack.h"

enum sw_does { SW_DO_PASS, SW_DO_REPLY, SW_DO_DROP, SW_DO_ACCEPT, SW_DO_ANSWER };

enum sw_sock { SW_SOCK_NONE, SW_SOCK_LISTEN, SW_SOCK_COOKIE, SW_SOCK_OWNED };

#define SW_TCP_LISTEN_STATE 10 /* BPF_TCP_LISTEN */

/* What a packet's options say, as far as the guard needs it. */
struct sw_opts {
    __u32 tsval, tsecr;
    __u16 mss;
    __u8 wscale;
    __u8 opts; /* SW_OPT_* */
    __u8 bad;
    __u8 sealed; /* SW_SEAL_* */
    __u8 pad[2];
};

/* What does not fit on the stack; bottom halves are off, so one packet at a time a CPU. */
struct sw_guarding {
    struct sw_reply reply;
    struct sw_cookie_for who;
    struct sw_cookie_opts carries;
    struct sw_cookie cookie;
    struct sw_opts opts;
    struct sw_cookie_opts accepted; /* what an accepted cookie remembers */
    __u8 pad[2];
    struct sw_judged judged;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_guarding);
} guarding SEC(".maps");

static __always_inline struct sw_guarding *sw_guarding_here(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&guarding, &zero);
}

/*
 * Options by words, as nearly all stacks align them, in any order. What is found is written to memory that
 * the verifier knows nothing about, so all ways to a word are one state to it. False: read them byte by byte.
 */
static __always_inline int sw_opts_words(const __be32 *w, __u32 len, void *end, struct sw_opts *o)
{
    __u32 at = 0;

    for (int n = 0; n < 10; n++) {
        const __be32 *p = w + at;
        __u32 x;

        if (at * 4 >= len)
            return 1;
        if (!SW_HAS(p, 4, end))
            return 0;
        x = bpf_ntohl(*p);
        if (x >> 16 == 0x0204) {
            o->mss = (__u16)x;
            o->opts |= SW_OPT_MSS;
        } else if (x >> 8 == 0x010303) { /* NOP, window scale */
            o->wscale = (__u8)x;
            o->opts |= SW_OPT_WSCALE;
        } else if ((x & 0xffff00ff) == 0x03030001 || (x & 0xffff00ff) == 0x03030000) {
            o->wscale = (__u8)(x >> 8);
            o->opts |= SW_OPT_WSCALE;
            if (!(x & 1))
                return 1;                                /* end of the list */
        } else if (x == 0x01010402 || x == 0x04020101) { /* SACK permitted, two NOPs */
            o->opts |= SW_OPT_SACK;
        } else if (x == 0x0101080a || x == 0x0402080a) { /* NOP NOP or SACK permitted, timestamps */
            if (at * 4 + 12 > len || !SW_HAS(p, 12, end))
                return 0;
            o->tsval = bpf_ntohl(p[1]);
            o->tsecr = bpf_ntohl(p[2]);
            o->opts |= x == 0x0402080a ? SW_OPT_TS | SW_OPT_SACK : SW_OPT_TS;
            at += 2;
        } else if (x == 0x04020000) {
            o->opts |= SW_OPT_SACK;
            return 1;
        } else if (!x) {
            return 1;
        } else if (x != 0x01010101) {
            return 0;
        }
        at++;
    }
    return 1;
}

static __always_inline void sw_opts_none(struct sw_opts *o)
{
    o->tsval = o->tsecr = 0;
    o->mss = 0;
    o->wscale = SW_WSCALE_NONE;
    o->opts = 0;
    o->bad = 0;
    o->sealed = 0;
}

/* Known at a glance: what Linux sends in a SYN. */
static __always_inline int sw_opts_linux(const __be32 *w, __u32 len, void *end, struct sw_opts *o)
{
    sw_opts_none(o);
    if (len == 20 && SW_HAS(w, 20, end) && (w[0] & bpf_htonl(0xffff0000)) == bpf_htonl(0x02040000) &&
        w[1] == bpf_htonl(0x0402080a) && (w[4] & bpf_htonl(0xffffff00)) == bpf_htonl(0x01030300)) {
        o->mss = (__u16)bpf_ntohl(w[0]);
        o->tsval = bpf_ntohl(w[2]);
        o->wscale = (__u8)bpf_ntohl(w[4]);
        o->opts = SW_OPT_MSS | SW_OPT_SACK | SW_OPT_TS | SW_OPT_WSCALE;
        return 1;
    }
    return !len;
}

static __always_inline void sw_opts_read(void *data, void *end, __u32 tcp_off, __u32 len, struct sw_opts *o)
{
    struct sw_scratch *sc;
    __u32 zero = 0, *p;

    sw_opts_none(o);
    sw_opaque(tcp_off);
    if (tcp_off > 4096)
        return;
    p = (__u32 *)((__u8 *)data + tcp_off + sizeof(struct sw_tcp));
    if (sw_opts_linux(p, len, end, o) || sw_opts_words(p, len, end, o))
        return;
    sc = bpf_map_lookup_elem(&scratch, &zero);
    if (!sc)
        return;
    sc->opt.len = 0;
    for (int i = 0; i < 10; i++) {
        if ((__u32)i * 4 >= len || !SW_HAS(p + i, 4, end))
            break;
        ((__u32 *)sc->opt.bytes)[i] = p[i];
        sc->opt.len = i * 4 + 4;
    }
    sc->opt.tsval = sc->opt.tsecr = 0;
    sw_tcpopt_parse(&sc->opt);
    o->tsval = sc->opt.tsval;
    o->tsecr = sc->opt.tsecr;
    o->mss = sc->opt.mss;
    o->wscale = sc->opt.wscale;
    o->opts = sc->opt.opts;
    o->bad = sc->opt.bad;
    o->sealed = sc->opt.sealed;
}

SW_STEP int sw_opts_xdp(struct xdp_md *ctx, struct sw_judged *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)ctx->data, (void *)(long)ctx->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

SW_STEP int sw_opts_skb(struct __sk_buff *skb, struct sw_judged *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)skb->data, (void *)(long)skb->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

/* The four-tuple as the kernel's lookups want it, the packet's sender first. Returns its size. */
static __always_inline __u32 sw_tuple(struct bpf_sock_tuple *t, const struct sw_key *k, __u32 src_is_b, __u32 v6)
{
    const __u32 *a = (const __u32 *)k->a_ip, *b = (const __u32 *)k->b_ip;

    if (!v6) {
        t->ipv4.saddr = src_is_b ? b[3] : a[3];
        t->ipv4.daddr = src_is_b ? a[3] : b[3];
        t->ipv4.sport = src_is_b ? k->b_port : k->a_port;
        t->ipv4.dport = src_is_b ? k->a_port : k->b_port;
        return sizeof(t->ipv4);
    }
    for (int i = 0; i < 4; i++) {
        t->ipv6.saddr[i] = src_is_b ? b[i] : a[i];
        t->ipv6.daddr[i] = src_is_b ? a[i] : b[i];
    }
    t->ipv6.sport = src_is_b ? k->b_port : k->a_port;
    t->ipv6.dport = src_is_b ? k->a_port : k->b_port;
    return sizeof(t->ipv6);
}

/* Both headers of the packet, copied to where the kernel's cookie helpers may read them. */
static __always_inline int sw_copy_headers(struct xdp_md *ctx, const struct sw_judged *j, struct sw_scratch *sc)
{
    __u32 len = 20 + j->opt_len;

    if (bpf_xdp_load_bytes(ctx, j->ip_off, sc->chunk, j->v6 ? 40 : 20))
        return 0;
    sw_opaque(len);
    if (len < 20 || len > 60)
        return 0;
    return !bpf_xdp_load_bytes(ctx, j->tcp_off, sc->chunk + 64, len);
}

/* Is there a socket for this packet, and whose? For an ACK that only a listener would take: is it the kernel's
 * own cookie? */
SW_STEP int sw_sock_of(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    int found = SW_SOCK_NONE;
    struct bpf_sock_tuple t;
    struct bpf_sock *sk;
    __u32 zero = 0;

    if (!key || !s || !j)
        return 0;
    if (j->v6) {
        sw_tuple(&t, key, s->src_is_b, 1);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
    } else {
        sw_tuple(&t, key, s->src_is_b, 0);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return SW_SOCK_NONE;
    found = sk->state == SW_TCP_LISTEN_STATE ? SW_SOCK_LISTEN : SW_SOCK_OWNED;
    if (found == SW_SOCK_LISTEN && (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK) {
        struct sw_scratch *sc = bpf_map_lookup_elem(&scratch, &zero);

        if (sc && sw_copy_headers(ctx, j, sc) &&
            !bpf_tcp_check_syncookie(sk, sc->chunk, j->v6 ? 40 : 20, (struct tcphdr *)(sc->chunk + 64), 20))
            found = SW_SOCK_COOKIE;
    }
    bpf_sk_release(sk);
    return found;
}

/* The option words of the SYN-ACK: of what the SYN offered, what this host grants and the cookie carries. */
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

/* ECN as RFC 3168 section 6.1.1 has it: asked for by ECE and CWR, in a packet that is not ECT itself. */
static __always_inline int sw_syn_ecn(struct xdp_md *ctx, const struct sw_seg *s, const struct sw_judged *j)
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

static __always_inline struct sw_keys *sw_keys_now(const struct sw_guard *g)
{
    __u32 slot = g->key_slot & 1;

    return bpf_map_lookup_elem(&keys, &slot);
}

SW_STEP int sw_make(struct sw_keys *k, struct sw_guarding *at, __u64 now)
{
    if (k && at)
        sw_cookie_make(k, &at->who, &at->carries, now, &at->cookie);
    return 0;
}

/* Does the acknowledgement `isn` + 1 prove the handshake in at->who? */
SW_STEP int sw_check(struct sw_keys *k, struct sw_guarding *at, __u32 isn, __u64 now, struct sw_cookie_opts *c)
{
    if (!k || !at || !c)
        return 0;
    return sw_cookie_alive(k, &at->who, isn, at->opts.opts & SW_OPT_TS, at->opts.tsecr, now, c);
}

/* Did it, some minutes ago? */
SW_STEP int sw_check_old(struct sw_guarding *at, __u32 isn, __u64 now)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_keys *k;

    if (!at)
        return 0;
    if (!g)
        return 0;
    k = sw_keys_now(g);
    return k ? sw_cookie_was(k, &at->who, isn, at->opts.opts & SW_OPT_TS, at->opts.tsecr, now + g->clock_offset) : 0;
}

/*
 * Signed (RFC 2385, RFC 5925), as routers' BGP sessions are: no answer of ours would be believed. The kernel checks
 * the signature before it keeps anything of the SYN, if it can at all.
 */
static __always_inline int sw_sealed(const struct sw_opts *o, const struct sw_guard *g)
{
    return (o->sealed & SW_SEAL_MD5 && g->flags & SW_G_MD5) || (o->sealed & SW_SEAL_AO && g->flags & SW_G_AO);
}

/* Our own cookie. */
SW_STEP int sw_answer_reqsk(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_guarding *at = sw_guarding_here();
    struct sw_service *sv;
    struct sw_keys *k;
    __u32 index;

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
    k = sw_keys_now(g);
    if (!k)
        return SW_DO_PASS;
    sw_opts_xdp(ctx, j, &at->opts);
    if (at->opts.bad) {
        j->reason = SW_DROP_BAD_OPTION;
        return SW_DO_DROP;
    }
    if (sw_sealed(&at->opts, g))
        return SW_DO_PASS;
    if (j->dry_run)
        return SW_DO_REPLY;
    sw_cookie_grant(&at->carries, &at->opts, g, j->v6, sw_syn_ecn(ctx, s, j));
    sw_cookie_for(&at->who, key, s, j->v6, s->seq);
    sw_make(k, at, j->now + g->clock_offset);
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = at->cookie.isn;
    at->reply.ack = s->seq + 1;
    at->reply.flags = SW_TCP_SYN | SW_TCP_ACK | (at->carries.ecn ? SW_TCP_ECE : 0);
    at->reply.win = sv->win;
    sw_synack_options(&at->reply, sv, &at->opts, &at->carries, j->v6, at->cookie.tsval);
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

#define SW_TS_OPT_SACK 0x10 /* the kernel's cookie in a TSval: window scale in 4 bits, SACK, ECN */
#define SW_TS_OPT_ECN 0x20

/* The kernel's cookie carries options in the low bits of its TSval; a plain clock in ms (tcp_timestamps=2). */
static __always_inline __u32 sw_kernel_tsval(const struct sw_cookie_opts *c, __u64 now)
{
    __u32 ms = (__u32)(now / 1000000), bits = c->wscale & 0xf, ts;

    bits |= (c->sack ? SW_TS_OPT_SACK : 0) | (c->ecn ? SW_TS_OPT_ECN : 0);
    ts = (ms & ~0x3fu) | bits;
    return ts > ms ? ts - 0x40 : ts;
}

/* The kernel's cookie for a SYN; negative: it makes none now. */
SW_STEP __s64 sw_kernel_cookie(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    struct bpf_sock_tuple t;
    struct sw_scratch *sc;
    struct bpf_sock *sk;
    __s64 cookie = -1;
    __u32 len = 0;

    if (!key || !s || !j)
        return -1;
    sc = bpf_map_lookup_elem(&scratch, &len);
    if (!sc)
        return -1;
    if (!sw_copy_headers(ctx, j, sc))
        return -1;
    if (j->v6) {
        sw_tuple(&t, key, s->src_is_b, 1);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
    } else {
        sw_tuple(&t, key, s->src_is_b, 0);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return -1;
    len = 20 + j->opt_len;
    sw_opaque(len);
    if (sk->state == SW_TCP_LISTEN_STATE && len >= 20 && len <= 60)
        cookie = bpf_tcp_gen_syncookie(sk, sc->chunk, j->v6 ? 40 : 20, (struct tcphdr *)(sc->chunk + 64), len);
    bpf_sk_release(sk);
    return cookie;
}

/* What the SYN-ACK may offer with the kernel's cookie: without plain timestamps nothing is remembered but an MSS. */
static __always_inline void sw_kernel_grant(struct sw_cookie_opts *c, const struct sw_guard *g)
{
    if (!(g->flags & SW_G_TS_PLAIN))
        c->ts = 0;
    if (!c->ts) {
        c->sack = c->ecn = 0;
        c->wscale = SW_WSCALE_NONE;
    }
}

/* SW_DO_PASS if the kernel makes no cookie now, for then the listener has room itself. */
SW_STEP int sw_answer_listener(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_guarding *at = sw_guarding_here();
    struct sw_service *sv;
    __s64 cookie;
    __u32 index;

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
    sw_opts_xdp(ctx, j, &at->opts);
    if (at->opts.bad) {
        j->reason = SW_DROP_BAD_OPTION;
        return SW_DO_DROP;
    }
    if (sw_sealed(&at->opts, g))
        return SW_DO_PASS;
    if (j->dry_run)
        return SW_DO_REPLY;
    cookie = sw_kernel_cookie(ctx, key, s, j);
    if (cookie < 0)
        return SW_DO_PASS;
    sw_cookie_grant(&at->carries, &at->opts, g, j->v6, sw_syn_ecn(ctx, s, j));
    sw_kernel_grant(&at->carries, g);
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = (__u32)cookie;
    at->reply.ack = s->seq + 1;
    at->reply.flags = SW_TCP_SYN | SW_TCP_ACK | (at->carries.ecn ? SW_TCP_ECE : 0);
    at->reply.win = sv->win;
    sw_synack_options(&at->reply, sv, &at->opts, &at->carries, j->v6,
                      sw_kernel_tsval(&at->carries, bpf_ktime_get_ns()));
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

/* Is there nobody to answer? Addresses that no sender has (RFC 1122 section 3.2.1.3, RFC 4291 section 2), or a group.
 */
static __always_inline int sw_no_sender(struct xdp_md *ctx, const struct sw_ip *src, __u32 v6)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 ip = bpf_ntohl(src->word[3]), first = ip >> 24;

    if (!SW_HAS(data, 14, end) || ((__u8 *)data)[6] & 1)
        return 1;
    if (!v6)
        return !ip || first == 127 || first >> 4 == 14 || ip == 0xffffffff;
    if ((src->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) || sw_ip_is_4(src))
        return 1;
    return !(src->word[0] | src->word[1] | src->word[2]) && ip <= 1;
}

/* A frame for a group of hosts: the kernel takes no SYN from it (RFC 9293 section 3.9.2.3). */
static __always_inline int sw_for_many(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

    return SW_HAS(data, 14, end) && *(__u8 *)data & 1;
}

/* Engaged, or limits are set: a SYN to the service. */
SW_STEP int sw_guard_syn(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_service *sv;
    struct sw_tally *t;
    struct sw_ip src;
    __u32 index, engaged;

    if (!key || !s || !j)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_tally_of(index);
    if (!t)
        return SW_DO_PASS;
    engaged = sv->state == SW_GS_ENGAGED && sv->mode != SW_GM_OFF && !(g->flags & SW_G_STOPPING);
    sw_key_ip(key, s->src_is_b, &src);
    if (g->allow_len && (engaged || g->limit_source || g->limit_prefix) && sw_allowed(&src)) {
        t->item[SW_T_PASSED_ALLOWED]++;
        return SW_DO_PASS;
    }
    if (engaged) {
        if (s->flags & (SW_TCP_FIN | SW_TCP_RST))
            j->reason = SW_DROP_BAD_FLAGS;
        else if (s->frag)
            j->reason = SW_DROP_FRAGMENT;
        if (j->reason)
            return SW_DO_DROP;
        if (sw_for_many(ctx) || bpf_xdp_get_buff_len(ctx) < (__u64)j->ip_off + s->ip_bytes)
            return SW_DO_PASS; /* or it is cut short: the kernel drops both */
        if (sw_no_sender(ctx, &src, j->v6)) {
            j->reason = SW_DROP_BAD_SOURCE;
            return SW_DO_DROP;
        }
        if (sw_known_is(key, s->src_is_b, g->known_gen) && sw_sock_of(ctx, key, s, j) == SW_SOCK_OWNED) {
            t->item[SW_T_PASSED_KNOWN]++;
            return SW_DO_PASS;
        }
    }
    if (g->limit_source || g->limit_prefix) {
        j->reason = sw_limit_take(&src, j->now);
        if (j->reason)
            return SW_DO_DROP;
    }
    if (!engaged)
        return SW_DO_PASS;
    if (!sw_budget_take(g, j->now)) {
        j->reason = SW_DROP_BUDGET;
        return SW_DO_DROP;
    }
    return SW_DO_ANSWER;
}

/* Is the acknowledgement a cookie of ours for a SYN with this ISN? j->now is exact. */
SW_STEP int sw_cookie_ok(struct sw_key *key, struct sw_seg *s, struct sw_judged *j, __u32 isn, struct sw_cookie_opts *c)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_guarding *at = sw_guarding_here();
    struct sw_keys *k;

    if (!key || !s || !j || !c)
        return 0;
    if (!g)
        return 0;
    if (!at)
        return 0;
    k = sw_keys_now(g);
    if (!k)
        return 0;
    sw_cookie_for(&at->who, key, s, j->v6, isn);
    return sw_check(k, at, s->ack - 1, j->now + g->clock_offset, c);
}

/*
 * A keepalive or zero-window probe (RFC 9293 section 3.8.4, 3.8.6.1) that comes first repeats the byte before: its
 * sequence number is the ISN. The kernel would take it for the third packet of another handshake, so it is answered
 * in kind, with a segment just below the client's window, and the client's answer to that is the third packet.
 */
SW_STEP int sw_answer_probe(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_guarding *at = sw_guarding_here();
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
    if (!sw_cookie_ok(key, s, j, s->seq, &at->carries))
        return SW_DO_PASS;
    sw_reply_to(&at->reply, key, s, j, g);
    at->reply.seq = s->ack - 1;
    at->reply.ack = s->seq + 1;
    at->reply.flags = SW_TCP_ACK;
    at->reply.win = at->carries.wscale != SW_WSCALE_NONE ? sv->win >> (sv->wscale & 15) : sv->win;
    if (at->carries.ts) {
        at->reply.word[0] = bpf_htonl(0x0101080au);
        at->reply.word[1] = bpf_htonl(at->opts.tsecr);
        at->reply.word[2] = bpf_htonl(at->opts.tsval);
        at->reply.words = 3;
    }
    return (j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)) ? SW_DO_REPLY : SW_DO_PASS;
}

/* The reason for which a segment is dropped if it belongs to nothing. */
static __always_inline __u32 sw_stray(const struct sw_seg *s)
{
    __u16 f = s->flags;

    if (f & SW_TCP_SYN)
        return f & (SW_TCP_FIN | SW_TCP_RST) ? SW_DROP_BAD_FLAGS : SW_DROP_SYNACK;
    if (f & SW_TCP_RST)
        return SW_DROP_RST;
    if ((f & (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG | SW_TCP_ACK)) == (SW_TCP_FIN | SW_TCP_PSH | SW_TCP_URG))
        return SW_DROP_XMAS;
    if (f & SW_TCP_FIN)
        return SW_DROP_FIN;
    if (f & SW_TCP_ACK)
        return SW_DROP_COOKIE_BAD;
    return f & 0x3f ? SW_DROP_NO_ACK : SW_DROP_NULL_FLAGS;
}

/* What the kernel's own cookie tells of a connection: of its options only timestamps do. */
static __always_inline void sw_kernel_carries(struct sw_cookie_opts *c, const struct sw_opts *o)
{
    c->mss = 0;
    c->ts = !!(o->opts & SW_OPT_TS);
    c->sack = c->ts && o->tsecr & SW_TS_OPT_SACK;
    c->ecn = c->ts && o->tsecr & SW_TS_OPT_ECN;
    c->wscale = c->ts && (o->tsecr & 0xf) <= 14 ? o->tsecr & 0xf : SW_WSCALE_NONE;
}

/* Engaged or grace: anything but a SYN, for which there is no flow. */
SW_STEP int sw_guard_other(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j,
                           struct sw_cookie_opts *c)
{
    struct sw_guarding *at = sw_guarding_here();
    int sock, is_ack;
    struct sw_service *sv;
    struct sw_tally *t;
    struct sw_ip src;
    __u32 index;

    if (!key || !s || !j || !c)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_tally_of(index);
    if (!t)
        return SW_DO_PASS;
    is_ack = (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK;
    if (is_ack) {
        sw_opts_xdp(ctx, j, &at->opts);
        if (sw_cookie_ok(key, s, j, s->seq - 1, c)) {
            if (j->has_flow && sw_sock_of(ctx, key, s, j) == SW_SOCK_OWNED)
                return SW_DO_PASS; /* the third packet of what is there, late */
            return SW_DO_ACCEPT;
        }
    }
    if (j->has_flow) /* of that connection, or late for it: the kernel will say */
        return SW_DO_PASS;
    sock = sw_sock_of(ctx, key, s, j);
    if (sock == SW_SOCK_OWNED) {
        t->item[SW_T_PASSED_SOCKET]++;
        return SW_DO_PASS;
    }
    if (sock == SW_SOCK_COOKIE) { /* the listener takes it itself */
        sw_kernel_carries(c, &at->opts);
        return SW_DO_ACCEPT;
    }
    if (is_ack && !j->dry_run && sw_answer_probe(ctx, key, s, j) == SW_DO_REPLY) {
        t->item[SW_T_PROBES_SENT]++;
        return SW_DO_REPLY;
    }
    if (sv->state != SW_GS_ENGAGED || sv->mode == SW_GM_OFF)
        return SW_DO_PASS;
    sw_key_ip(key, s->src_is_b, &src);
    if (sw_allowed(&src))
        return SW_DO_PASS;
    if (s->vlan[0] && (src.word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
        return SW_DO_PASS; /* link-local: its socket is bound to the VLAN's device, where we cannot look */
    j->reason = sw_stray(s);
    if (is_ack) {
        at->who.isn = s->seq - 1;
        if (sw_check_old(at, s->ack - 1, j->now))
            j->reason = SW_DROP_COOKIE_EXPIRED;
    }
    return SW_DO_DROP;
}

enum { SW_BOOK_OPENED, SW_BOOK_COMPLETED, SW_BOOK_ABORTED };

/* The guard's books: a handshake that the listener began, or that came to an end one way or the other. */
SW_STEP int sw_guard_book(struct sw_key *key, __u32 resp_is_b, __u32 what)
{
    struct sw_tally *t;
    struct sw_ip ip;
    __u32 index;

    if (!key)
        return 0;
    index = sw_service_of(key, resp_is_b);
    t = index ? sw_tally_of(index) : 0;
    if (!t)
        return 0;
    if (what == SW_BOOK_OPENED) {
        t->item[SW_T_OPENED]++;
        return 0;
    }
    t->item[SW_T_SETTLED]++;
    if (what != SW_BOOK_COMPLETED)
        return 0;
    t->item[SW_T_COMPLETED]++;
    sw_key_ip(key, !resp_is_b, &ip);
    sw_limit_give(&ip);
    return 0;
}

/* The way of a packet that the fast path did not take. */
SW_STEP int sw_guard_packet(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_judged *j,
                            struct sw_cookie_opts *c)
{
    struct sw_guard *g = sw_guard_conf();
    struct sw_service *sv;
    struct sw_tally *t;
    struct sw_flow *f;
    __u32 index;
    int does;

    if (!key || !s || !j || !c)
        return SW_DO_PASS;
    if (!g)
        return SW_DO_PASS;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return SW_DO_PASS;
    t = sw_tally_of(index);
    if (!t)
        return SW_DO_PASS;
    j->dry_run = sv->mode == SW_GM_MONITOR;
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN) {
        does = SW_DO_PASS;
        if (sv->state == SW_GS_ENGAGED || (sv->mode != SW_GM_OFF && (g->limit_source || g->limit_prefix)))
            does = sw_guard_syn(ctx, key, s, j);
        if (does == SW_DO_PASS)
            sw_known_set(key, s->src_is_b);
        return does;
    }
    if (sv->state == SW_GS_CALM)
        return SW_DO_PASS;
    f = bpf_map_lookup_elem(&flows, key);
    j->has_flow = f && !(f->flags & SW_F_UNPROVEN); /* even then a cookie may begin another connection */
    j->now = sw_now(); /* exact: a cookie may be younger than the CPU's last look at the clock */
    does = sw_guard_other(ctx, key, s, j, c);
    if (does == SW_DO_PASS && f)
        f->flags &= ~SW_F_UNPROVEN;
    return does;
}

/* What is no whole TCP header, while a service is engaged: not a way around the guard. */
static __always_inline __u32 sw_guard_odd(struct xdp_md *ctx, enum sw_found found, const struct sw_seg *s,
                                          const struct sw_place *at)
{
    __u64 here = ctx->data_end - ctx->data;

    if ((found == SW_FOUND_BAD_HEADER || found == SW_FOUND_TRUNCATED) && s->frag)
        return SW_DROP_FRAGMENT;
    if (found == SW_FOUND_EXT_LIMIT && (at->ip || !s->vlan[1])) /* the kernel takes off any number of priority tags */
        return SW_DROP_EXT_LIMIT;
    if (found == SW_FOUND_TRUNCATED && at->ip && here < bpf_xdp_get_buff_len(ctx))
        return SW_DROP_EXT_LIMIT; /* there is more of it, beyond what can be read */
    return SW_DROP_NONE;
}

#endif
