/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose connection it is: the socket that an end's own segments leave by, and the cgroup it was made in. Known at the
 * egress hook only, and only of sockets of this host.
 */
#ifndef SW_BPF_TRACK_OWNER_H
#define SW_BPF_TRACK_OWNER_H

#include "track/maps.h"

#define SW_AF_PACKET 17

/* Which socket of this host a segment comes from. NONE: a SYN-ACK that is a cookie of the kernel. REPLY: not one of the
 * four-tuple's own, as for a RST, or for TIME_WAIT's and a request's ACKs. ELSEWHERE: the port is another one's by NAT,
 * a container's whose socket is not seen, or another port of this host. */
enum sw_sender { SW_SENDER_NONE, SW_SENDER_REPLY, SW_SENDER_REQUEST, SW_SENDER_CONNECTION, SW_SENDER_ELSEWHERE };

static __always_inline __u32 sw_sender_of(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;

    if (skb->ingress_ifindex)
        return SW_SENDER_ELSEWHERE;
    if (!sk)
        return SW_SENDER_NONE;
    if (sk->family == SW_AF_PACKET)
        return SW_SENDER_REPLY;
    switch (sk->state) {
    case BPF_TCP_NEW_SYN_RECV:
    case BPF_TCP_SYN_RECV: return SW_SENDER_REQUEST;
    case BPF_TCP_LISTEN: /* answers for its requests, since 6.13 */
    case BPF_TCP_TIME_WAIT: return SW_SENDER_REPLY;
    case BPF_TCP_CLOSE: /* the kernel's raw socket for replies, numbered by its protocol; 0: BPF_PROG_TEST_RUN's */
        return sk->src_port ? SW_SENDER_REPLY : SW_SENDER_CONNECTION;
    default: return SW_SENDER_CONNECTION;
    }
}

/* Does the socket have the port that the segment in scratch comes from? Not with REDIRECT. BPF_PROG_TEST_RUN's has 0.
 */
static __always_inline int sw_has_its_port(const struct __sk_buff *skb, const struct sw_scratch *sc)
{
    const struct bpf_sock *sk = skb->sk;
    __u32 port = sc->seg.src_is_b ? sc->key.b_port : sc->key.a_port;

    return !sk || !sk->src_port || sk->src_port == bpf_ntohs(port);
}

/* Whose the segment in scratch is. A request's cookie is that of the socket it becomes; its cgroup is the listener's,
 * and so is that socket's. */
static __always_inline void sw_owner_read(struct __sk_buff *skb, const struct sw_scratch *sc, struct sw_owner *ret)
{
    __u32 sender = sw_sender_of(skb);

    ret->cookie = ret->cgroup = 0;
    if ((sender != SW_SENDER_REQUEST && sender != SW_SENDER_CONNECTION) || !sw_has_its_port(skb, sc))
        return;
    ret->cookie = bpf_get_socket_cookie(skb);
    if (ret->cookie && (sc->seg.flags & (SW_TCP_SYN | SW_TCP_ACK)) == (SW_TCP_SYN | SW_TCP_ACK))
        ret->cookie |= SW_OWNER_REQUEST;
    if (cfg.owners & SW_OWNERS_CGROUP)
        ret->cgroup = bpf_skb_cgroup_id(skb);
}

/* Before tracking: a SYN's is read, so that it is in every record. Other segments need it only if it is not known. */
static __always_inline void sw_owner_before(struct __sk_buff *skb, struct sw_scratch *sc)
{
    sc->owner.cookie = sc->owner.cgroup = 0;
    sc->owner_wanted = 0;
    if (sc->seg.local && sc->seg.flags & SW_TCP_SYN)
        sw_owner_read(skb, sc, &sc->owner);
}

/* A SYN on such a flow may begin another one, and is not its own. */
#define SW_OWNER_OLD (SW_F_ESTABLISHED | SW_F_MIDSTREAM | SW_F_ENDED | SW_F_PENDING_SYN)

static __always_inline int sw_owner_is_final(const struct sw_owner *o)
{
    return o->cookie && !(o->cookie & SW_OWNER_REQUEST);
}

/*
 * The flow takes it. A SYN that is sent again may be another socket's, by then, but one on a live connection only waits
 * for its answer. A SYN-ACK may be nobody's: a cookie of the kernel, after it has dropped the request of an earlier
 * one.
 */
static __always_inline void sw_owner_take(struct sw_scratch *sc, struct sw_flow *f)
{
    const struct sw_seg *s = &sc->seg;
    __u32 b = s->src_is_b;

    if (!cfg.owners || !s->sent || !s->local)
        return;
    sw_side_bound(b);
    if (!(s->flags & SW_TCP_SYN))
        sc->owner_wanted = !sw_owner_is_final(&f->owner[b]) && !(s->flags & SW_TCP_RST) && !s->reply;
    else if ((sc->owner.cookie || s->flags & SW_TCP_ACK) && !(f->flags & SW_OWNER_OLD))
        f->owner[b] = sc->owner;
}

/* As sw_owner_take, for the flow of the segment in scratch where it is now. */
SW_PART int sw_owner_give(__u64 cookie, __u64 cgroup)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_flow *f;
    __u32 b;

    if (!sc || !cookie)
        return 0;
    f = bpf_map_lookup_elem(&flows, &sc->key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, &sc->key);
    if (!f || sc->seg.flags & SW_TCP_RST)
        return 0;
    b = sc->seg.src_is_b;
    sw_side_bound(b);
    if (sc->seg.flags & SW_TCP_SYN ? f->flags & SW_OWNER_OLD : sw_owner_is_final(&f->owner[b]))
        return 0;
    f->owner[b].cookie = cookie;
    f->owner[b].cgroup = cgroup;
    return 0;
}

/* After tracking: the first segment of an end whose SYN was not seen here, or was a cookie. */
static __always_inline void sw_owner_after(struct __sk_buff *skb, struct sw_scratch *sc)
{
    struct sw_owner o;

    if (!sc->owner_wanted)
        return;
    sw_owner_read(skb, sc, &o);
    if (o.cookie)
        sw_owner_give(o.cookie, o.cgroup);
}

#endif
