/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's sockets, and its own SYN cookies. */
#ifndef SW_BPF_GUARD_SOCKETS_H
#define SW_BPF_GUARD_SOCKETS_H

#include "guard/context.h"

/* REPLIES: of a request, or in TIME_WAIT. It takes segments, but says of no connection that it is there. */
enum sw_socket_kind { SW_SOCK_NONE, SW_SOCK_LISTEN, SW_SOCK_COOKIE, SW_SOCK_REPLIES, SW_SOCK_FOUND };

#define SW_TCP_LISTEN_STATE 10 /* BPF_TCP_LISTEN */

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

/* Copies both headers of the packet to memory that the kernel's cookie helpers may read. */
static __always_inline int sw_copy_headers(struct xdp_md *ctx, const struct sw_guard_ctx *j, struct sw_scratch *sc)
{
    if (bpf_xdp_load_bytes(ctx, j->ip_off, sc->chunk.bytes, j->v6 ? 40 : 20))
        return 0;
    return !bpf_xdp_load_bytes(ctx, j->tcp_off, sc->chunk.bytes + 64, sw_length(20 + j->opt_len, 64));
}

/* Looks up the socket of this packet. For an ACK that only matches a listener: is it the kernel's own cookie? */
SW_STEP int sw_socket_lookup(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    int found = SW_SOCK_NONE;
    struct bpf_sock_tuple t;
    struct bpf_sock *sk;

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
    switch (sk->state) {
    case SW_TCP_LISTEN_STATE: found = SW_SOCK_LISTEN; break;
    case BPF_TCP_NEW_SYN_RECV:
    case BPF_TCP_SYN_RECV:
    case BPF_TCP_TIME_WAIT: found = SW_SOCK_REPLIES; break;
    default: found = SW_SOCK_FOUND;
    }
    if (found == SW_SOCK_LISTEN && (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK) {
        struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

        if (sc && sw_copy_headers(ctx, j, sc) &&
            !bpf_tcp_check_syncookie(sk, sc->chunk.bytes, j->v6 ? 40 : 20, (struct tcphdr *)(sc->chunk.bytes + 64), 20))
            found = SW_SOCK_COOKIE;
    }
    bpf_sk_release(sk);
    return found;
}

#define SW_TS_OPT_SACK 0x10 /* the kernel's cookie in a TSval: window scale in 4 bits, SACK, ECN */
#define SW_TS_OPT_ECN 0x20

/* The kernel encodes options in the low bits of its TSval; a plain clock in ms (tcp_timestamps=2). */
static __always_inline __u32 sw_kernel_tsval(const struct sw_cookie_opts *c, __u64 now)
{
    __u32 ms = (__u32)(now / 1000000), bits = c->wscale & 0xf, ts;

    bits |= (c->sack ? SW_TS_OPT_SACK : 0) | (c->ecn ? SW_TS_OPT_ECN : 0);
    ts = (ms & ~0x3fu) | bits;
    return ts > ms ? ts - 0x40 : ts;
}

/* The kernel's cookie for a SYN; negative: it makes none now. */
SW_STEP __s64 sw_kernel_cookie(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct bpf_sock_tuple t;
    struct sw_scratch *sc;
    struct bpf_sock *sk;
    __s64 cookie = -1;
    __u32 len;

    if (!key || !s || !j)
        return -1;
    sc = sw_scratch_of(SW_CTX_PACKET);
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
    len = sw_length(20 + j->opt_len, 64);
    if (sk->state == SW_TCP_LISTEN_STATE)
        cookie =
            bpf_tcp_gen_syncookie(sk, sc->chunk.bytes, j->v6 ? 40 : 20, (struct tcphdr *)(sc->chunk.bytes + 64), len);
    bpf_sk_release(sk);
    return cookie;
}

/* The options that the kernel's own cookie encodes: only in timestamps. */
static __always_inline void sw_kernel_cookie_opts(struct sw_cookie_opts *c, const struct sw_opts *o)
{
    c->mss = 0;
    c->ts = !!(o->opts & SW_OPT_TS);
    c->sack = c->ts && o->tsecr & SW_TS_OPT_SACK;
    c->ecn = c->ts && o->tsecr & SW_TS_OPT_ECN;
    c->wscale = c->ts && (o->tsecr & 0xf) <= 14 ? o->tsecr & 0xf : SW_WSCALE_NONE;
}

#endif
