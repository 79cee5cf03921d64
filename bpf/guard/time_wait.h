/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --accept: a client uses the port of a connection again that this host had closed, and an edge has answered its SYN,
 * for which the kernel would have ended its TIME_WAIT. It takes no cookie beside that, and keeps it for each segment
 * that comes. So what brings a fresh cookie becomes a RST with the number that the socket waits for, which ends it; the
 * next segment brings the cookie again. So it is with an orphan of FIN_WAIT_2, which the kernel keeps in the same way:
 * its client has begun anew, and will not close the old one.
 *
 * What follows without a cookie, in the same batch or while the client waits for its timeout, would find the old socket
 * gone, and the listener would reset the client. So it is spent as well, until what brings the cookie comes again.
 */
#ifndef SW_BPF_GUARD_TIME_WAIT_H
#define SW_BPF_GUARD_TIME_WAIT_H

#include "guard/answer.h"
#include "guard/used_cookies.h"

#ifndef SW_NO_KFUNC
#include <bpf/bpf_core_read.h>

struct sock_common {
    __u32 skc_tw_rcv_nxt;
} __attribute__((preserve_access_index));
struct inet_timewait_sock {
    struct sock_common __tw_common;
} __attribute__((preserve_access_index));
struct tcp_timewait_sock {
    struct inet_timewait_sock tw_sk;
} __attribute__((preserve_access_index));

/* Is there one on this four-tuple? Its next number. */
SW_STEP int sw_time_wait_find(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j,
                              __u32 *ret_next)
{
    struct tcp_timewait_sock *tw;
    struct bpf_sock_tuple t;
    struct bpf_sock *sk;
    int found = 0;

    if (!key || !s || !j || !ret_next)
        return 0;
    if (j->v6) {
        sw_tuple(&t, key, s->src_is_b, 1);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
    } else {
        sw_tuple(&t, key, s->src_is_b, 0);
        sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return 0;
    tw = sk->state == BPF_TCP_TIME_WAIT ? bpf_skc_to_tcp_timewait_sock(sk) : 0;
    if (tw && bpf_core_field_exists(tw->tw_sk.__tw_common.skc_tw_rcv_nxt)) {
        *ret_next = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
        found = 1;
    }
    bpf_sk_release(sk);
    return found;
}

SW_STEP int sw_is_time_wait(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    __u32 next = 0;

    if (!key || !s || !j)
        return 0;
    if (!sw_time_wait_find(ctx, key, s, j, &next))
        return 0;
    j->time_wait_next = next;
    return 1;
}
#else
static __always_inline int sw_is_time_wait(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s,
                                           struct sw_guard_ctx *j)
{
    (void)ctx;
    (void)key;
    (void)s;
    (void)j;
    return 0;
}
#endif

#define SW_AFTER_TIME_WAIT_S 5 /* longer than the first retransmission of nearly all */

/* Among the used cookies, as one of no numbers. */
static __always_inline void sw_time_wait_id(struct sw_cookie_id *id, const struct sw_key *key)
{
    id->tuple = ~sw_key_hash(key);
    id->client_isn = 0;
    id->isn = 0;
}

/* Has a socket on this four-tuple been ended just now? */
SW_STEP int sw_time_wait_was_ended(struct sw_key *key, __u64 now)
{
    struct sw_cookie_id id;
    __u32 *then;

    if (!key)
        return 0;
    sw_time_wait_id(&id, key);
    then = bpf_map_lookup_elem(&used_cookies, &id);
    return then && (__u32)(now / SW_SECOND) - *then < SW_AFTER_TIME_WAIT_S;
}

/* An ACK without a cookie, and what the kernel has found for it: is it of the client that was in the way? */
static __always_inline int sw_is_after_time_wait(struct sw_key *key, struct sw_guard_ctx *j, int sock)
{
    if (!cfg.accept || sock == SW_SOCK_FOUND || sock == SW_SOCK_COOKIE || !sw_time_wait_was_ended(key, j->now))
        return 0;
    j->time_wait_next = 0; /* whatever takes it has nothing to end */
    return 1;
}

/* The frame, whose checksums are right, becomes a reply to one that goes the other way: what is left is from the same
 * sender. */
SW_STEP int sw_time_wait_end(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j)
{
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_guard *g = sw_guard_config();
    struct sw_svc_counters *t;
    struct sw_seg back = {0};
    struct sw_cookie_id id;
    __u32 second;
    void *data;

    if (!key || !s || !j)
        return 0;
    if (!g)
        return 0;
    if (!at)
        return 0;
    t = sw_svc_counters_of(j->service);
    if (!t)
        return 0;
    back.src_is_b = !s->src_is_b;
    sw_reply_to(&at->reply, key, &back, j, g);
    at->reply.seq = j->time_wait_next;
    at->reply.ack = 0;
    at->reply.flags = SW_TCP_RST;
    at->reply.win = 0;
    if (!(j->v6 ? sw_reply6(ctx, &at->reply) : sw_reply4(ctx, &at->reply)))
        return 0;
    data = (void *)(long)ctx->data;
    if (SW_HAS(data, 14, (void *)(long)ctx->data_end))
        sw_swap_macs(data);
    if (!j->time_wait_next)
        return 1;
    t->item[SW_T_TIME_WAITS_ENDED]++;
    sw_time_wait_id(&id, key);
    second = (__u32)(j->now / SW_SECOND);
    bpf_map_update_elem(&used_cookies, &id, &second, BPF_ANY);
    return 1;
}

#endif
