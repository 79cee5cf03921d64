/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a valid cookie to a request socket (kernel 6.9): sw_xdp_guard sets the packet's metadata. At tc ingress, where
 * there is a socket buffer, the listener gets a request socket with the options of the cookie. The cookie is verified
 * again here; only the metadata is trusted.
 */
#ifndef SW_BPF_GUARD_TC_ACCEPT_H
#define SW_BPF_GUARD_TC_ACCEPT_H

#include "guard/policy.h"
#include "track/clock.h"

#define SW_BYPASS_NS SW_SECOND   /* after a cookie without a listener */
#define SW_META_MAGIC 0x53594e57 /* "SYNW" */

struct sw_meta {
    __u32 magic;
    __u32 zero;
};

#ifndef SW_NO_KFUNC
struct sock {
    __u32 sk_ack_backlog;
    __u32 sk_max_ack_backlog;
} __attribute__((preserve_access_index));
struct bpf_tcp_req_attrs {
    __u32 rcv_tsval;
    __u32 rcv_tsecr;
    __u16 mss;
    __u8 rcv_wscale;
    __u8 snd_wscale;
    __u8 ecn_ok;
    __u8 wscale_ok;
    __u8 sack_ok;
    __u8 tstamp_ok;
    __u8 usec_ts_ok;
    __u8 reserved[3];
};

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk, struct bpf_tcp_req_attrs *attrs,
                                   int attrs__sz) __ksym __weak;

#endif

/* Sets the metadata for sw_accept. If the driver has no room for it, sw_accept checks every packet instead. */
static __always_inline void sw_meta_set(struct xdp_md *ctx)
{
    struct sw_guard *g;
    struct sw_meta *m;

    if (!bpf_xdp_adjust_meta(ctx, -(int)sizeof(*m))) {
        m = (void *)(long)ctx->data_meta;
        if (!SW_HAS(m, sizeof(*m), (void *)(long)ctx->data))
            return;
        m->magic = SW_META_MAGIC;
        m->zero = 0;
        return;
    }
    g = sw_guard_config();
    if (g && !(g->flags & SW_G_NO_META))
        __sync_fetch_and_or(&g->flags, SW_G_NO_META);
}

/*
 * Generic XDP of kernels from 6.9 on copies a packet for a program with frags and loses the length of its link header:
 * at tc ingress the packet then begins with its IP header, and data_meta points into the link header.
 */
static __always_inline int sw_link_header_lost(struct __sk_buff *skb)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    __u32 *first = data, net[4];

    return SW_HAS(first, sizeof(net), end) &&
           !bpf_skb_load_bytes_relative(skb, 0, net, sizeof(net), BPF_HDR_START_NET) && net[0] == first[0] &&
           net[1] == first[1] && net[2] == first[2] && net[3] == first[3];
}

/* If the link header was lost, only the length of the metadata is known; the cookie is verified again anyway. */
static __always_inline int sw_meta_is_there(struct __sk_buff *skb)
{
    struct sw_meta *m = (void *)(long)skb->data_meta;

    return SW_HAS(m, sizeof(*m), (void *)(long)skb->data) && (m->magic == SW_META_MAGIC || sw_link_header_lost(skb));
}

#ifndef SW_NO_KFUNC
static __always_inline int sw_meta_is_set(struct __sk_buff *skb)
{
    struct sw_guard *g;

    if (sw_meta_is_there(skb))
        return 1;
    g = sw_guard_config();
    return g && g->flags & SW_G_NO_META && (g->active || cfg.accept);
}

#define SW_QUEUE_FULL (-1)

/* Is the accept queue full, so that the stack would drop the packet? Then later segments must not reach the listener
 * either. */
static __always_inline int sw_queue_is_full(struct sw_key *key, struct sock *listener)
{
    struct sw_flow *f;

    if (listener->sk_ack_backlog <= listener->sk_max_ack_backlog)
        return 0;
    f = bpf_map_lookup_elem(&flows, key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, key); /* held */
    if (f)
        __sync_fetch_and_or(&f->flags, SW_F_ACCEPTQ_FULL);
    return 1;
}

/* Assigns a request socket of the listener. 0, or why not. */
SW_STEP int sw_assign_reqsk(struct __sk_buff *skb, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j,
                            struct bpf_tcp_req_attrs *attrs)
{
    struct bpf_sock_tuple t;
    struct tcp_sock *tp;
    struct bpf_sock *sk;
    int err = -1;

    if (!key || !s || !j || !attrs)
        return 0;
    if (j->v6) {
        sw_tuple(&t, key, s->src_is_b, 1);
        sk = bpf_skc_lookup_tcp(skb, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
    } else {
        sw_tuple(&t, key, s->src_is_b, 0);
        sk = bpf_skc_lookup_tcp(skb, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return SW_T_COOKIE_NO_LISTENER;
    if (sk->state != SW_TCP_LISTEN_STATE) { /* there is a socket already: a retransmission */
        bpf_sk_release(sk);
        return 0;
    }
    tp = bpf_skc_to_tcp_sock(sk);
    if (tp && sw_queue_is_full(key, (struct sock *)tp)) {
        bpf_sk_release(sk);
        return SW_QUEUE_FULL;
    }
    if (tp)
        err = bpf_sk_assign_tcp_reqsk(skb, (struct sock *)tp, attrs, sizeof(*attrs));
    bpf_sk_release(sk);
    return err ? SW_T_COOKIE_REFUSED : 0;
}

/* False: drop the packet; its sender retransmits it. */
static __always_inline int sw_accept_cookie(struct __sk_buff *skb, struct sw_key *key, struct sw_seg *s,
                                            struct sw_guard_ctx *j)
{
    struct bpf_tcp_req_attrs attrs = {0};
    struct sw_cookie_opts c = {0};
    struct sw_service *sv;
    struct sw_svc_counters *t;
    struct sw_guard_scratch *at;
    __u32 index;
    int why;

    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return 1;
    t = sw_svc_counters_of(index);
    if (!t)
        return 1;
    at = sw_guard_scratch_get();
    if (!at)
        return 1;
    j->now = sw_now();
    sw_opts_skb(skb, j, &at->opts);
    if (!sw_cookie_ok(key, s, j, s->seq - 1, &c))
        return 1;
    attrs.mss = c.mss;
    attrs.sack_ok = c.sack;
    attrs.ecn_ok = c.ecn;
    attrs.tstamp_ok = c.ts;
    if (c.ts) {
        attrs.rcv_tsval = at->opts.tsval;
        attrs.rcv_tsecr = at->opts.tsecr;
    }
    if (c.wscale != SW_WSCALE_NONE) {
        attrs.wscale_ok = 1;
        attrs.snd_wscale = c.wscale;
        attrs.rcv_wscale = sv->wscale;
    }
    why = sw_assign_reqsk(skb, key, s, j, &attrs);
    if (why == SW_T_COOKIE_REFUSED)
        t->item[SW_T_COOKIE_REFUSED]++;
    if (why == SW_T_COOKIE_NO_LISTENER) {
        t->item[SW_T_COOKIE_NO_LISTENER]++;
        if (!(sv->flags & SW_SV_BOUND)) /* it may listen on another device */
            sv->bypass_until = sw_now() + SW_BYPASS_NS;
    }
    return why != SW_QUEUE_FULL;
}

#endif

#endif
