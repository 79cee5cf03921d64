/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accounting of handshakes, for detection. What arrives are claims. A handshake of a service is begun by the SYN-ACK
 * that this host sends; that it is complete is claimed by the acknowledgement, taken back by the SYN-ACK if it is sent
 * again, and proven when the connection's socket sends.
 */
#ifndef SW_BPF_GUARD_ACCOUNT_H
#define SW_BPF_GUARD_ACCOUNT_H

#include "guard/detect.h"
#include "guard/rate_limit.h"
#include "track/clock.h"
#include "track/owner.h"

/* By a segment of the client, or a RST of the listener: a handshake was completed or aborted. */
SW_STEP int sw_account_resolved(struct sw_key *key, __u32 resp_is_b, __u32 how)
{
    struct sw_svc_counters *t;
    __u32 index;

    if (!key)
        return 0;
    index = sw_service_of(key, resp_is_b);
    t = index ? sw_svc_counters_of(index) : 0;
    if (!t)
        return 0;
    t->item[SW_T_RESOLVED]++;
    if (how == SW_L_COMPLETED)
        t->item[SW_T_COMPLETED]++;
    return 0;
}

/* A SYN-ACK: a handshake begins, unless it is the same again. Of the old one with another ISN nothing is left then. */
static __always_inline void sw_account_synack(struct sw_flow *f, const struct sw_seg *s, struct sw_svc_counters *t,
                                              __u32 sender)
{
    if (s->src_is_b != f->orig_is_b && s->ack == f->end[SW_ORIG].isn + 1)
        f->local |= SW_LOCAL_ISN; /* goes with the flow, if a SYN begins it anew */
    else
        f->local &= ~SW_LOCAL_ISN;
    if (f->listener && f->listener_isn == s->seq) {
        if (f->listener == SW_L_COMPLETED) {
            t->item[SW_T_REOPENED]++;
            f->listener = cfg.gateway ? SW_L_REOPENED : SW_L_OPENED;
        } else if (f->listener == SW_L_ABORTED) { /* the kernel did not take the RST */
            t->item[SW_T_RESET_UNDONE]++;
            f->listener = SW_L_RESET_UNDONE;
        }
        if (f->listener != SW_L_CONFIRMED) /* a SYN may have begun the flow anew */
            sw_flow_doubt(f);
        return;
    }
    t->item[SW_T_OPENED]++;
    if (sw_listener_waits(f->listener))
        t->item[SW_T_RESOLVED]++;
    f->listener = sender == SW_SENDER_NONE ? SW_L_COOKIE : SW_L_OPENED;
    f->listener_isn = s->seq;
    sw_flow_doubt(f);
}

/*
 * Of a segment that is only forwarded its sender's socket is not seen. Anybody can make a host answer for a request: a
 * segment beyond its window is enough (RFC 9293 section 3.10.7.4). Such an ACK has no data, and both numbers are those
 * of the SYN-ACK; the client's as the host said it, for a SYN may have begun the flow anew, and not the request.
 */
static __always_inline int sw_says_more(const struct sw_flow *f, const struct sw_seg *s)
{
    if (!f->listener || s->len || s->flags & SW_TCP_FIN || s->seq != f->listener_isn + 1)
        return 1;
    return f->local & SW_LOCAL_ISN && sw_seq_diff(s->ack, f->end[SW_ORIG].isn + 1) > 0;
}

/* The connection's socket sends: it is there, or behind a published port. */
static __always_inline void sw_account_confirmed(struct sw_flow *f, struct sw_key *key, const struct sw_seg *s,
                                                 struct sw_svc_counters *t)
{
    struct sw_ip client;

    if (sw_listener_waits(f->listener)) { /* the acknowledgement was not seen, or not believed */
        t->item[SW_T_RESOLVED]++;
        t->item[SW_T_COMPLETED]++;
    }
    if (f->listener == SW_L_ABORTED) /* its RST was not taken, and the acknowledgement was */
        t->item[SW_T_COMPLETED]++;
    if (sw_listener_waits(f->listener) || f->listener == SW_L_COMPLETED || f->listener == SW_L_ABORTED) {
        f->listener = SW_L_CONFIRMED;
        sw_key_ip(key, !s->src_is_b, &client);
        sw_limit_give(&client);
    }
    if (s->forwarded)
        sw_flow_goes_on(f);
    else
        sw_flow_confirm(f);
}

/*
 * What arrived has established a connection of which this host has sent nothing: both ends' words came from a tunnel,
 * or from the LAN. To or from a listener of this host it is only claimed, until a socket of this host sends on it.
 */
SW_STEP int sw_account_claimed(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_service *sv;
    struct sw_flow *f;
    __u32 index;

    if (!sc || cfg.gateway) /* no service is of a listener of this host */
        return 0;
    index = sw_service_of(&sc->key, 0);
    if (!index)
        index = sw_service_of(&sc->key, 1);
    sv = index ? bpf_map_lookup_elem(&services, &index) : 0;
    if (!sv || sv->flags & SW_SV_NO_LISTENER)
        return 0;
    f = bpf_map_lookup_elem(&flows, &sc->key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, &sc->key); /* held */
    if (f)
        sw_flow_doubt(f);
    return 0;
}

/* The kernel's count in this network namespace is not of this service's handshakes. */
static __always_inline void sw_account_elsewhere(__u32 index)
{
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);
    __u32 now = sw_now_coarse() / SW_SECOND;

    if (sv && sv->elsewhere != now)
        SW_WRITE_ONCE(sv->elsewhere, now);
}

/* Was anything of the other end seen? Else a segment that is only forwarded answers nothing, and may be forged: over
 * IPv6 the kernel forwards what claims to come from its own address. */
static __always_inline int sw_peer_was_seen(const struct sw_flow *f, const struct sw_seg *s)
{
    __u32 peer;

    if (!f)
        return 0;
    peer = sw_flow_side(f, s) ^ 1;
    sw_side_bound(peer);
    return f->end[peer].did & SW_E_SEEN;
}

/*
 * A segment that this host only forwards, in the name of one of its services: does it come from a published port? Not
 * on what this host's own listener has answered. Over IPv6 it may be forged: then not on what is claimed, either,
 * unless SYN-ACKs of the service were forwarded before.
 */
static __always_inline int sw_is_published(const struct sw_flow *f, const struct sw_scratch *sc, __u32 index)
{
    struct sw_service *sv;

    if (!f || !(f->local & SW_LOCAL_SYN || (f->flags & SW_F_CLAIMED && sc->at.v6)))
        return 1;
    sv = bpf_map_lookup_elem(&services, &index);
    return !(f->local & SW_LOCAL_SYN) && sv && sw_is_elsewhere(sv, sw_now_coarse());
}

/* The segment in scratch, which this host sends, has been tracked. In a tunnel only that its socket is there counts. */
SW_STEP int sw_account_sent(__u32 sender)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard *g = sw_guard_config();
    struct sw_svc_counters *t;
    struct sw_flow *f;
    struct sw_seg *s;
    __u32 index;
    __u16 kind;

    if (!sc || !g)
        return 0;
    s = &sc->seg;
    kind = s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST);
    if (kind != (SW_TCP_SYN | SW_TCP_ACK) && (kind & (SW_TCP_SYN | SW_TCP_RST) || sender < SW_SENDER_CONNECTION))
        return 0;
    if (sc->at.tunnel && (kind & SW_TCP_SYN || sender != SW_SENDER_CONNECTION))
        return 0;
    f = bpf_map_lookup_elem(&flows, &sc->key);
    if (!f)
        f = bpf_map_lookup_elem(&half_open, &sc->key);
    if (!(kind & SW_TCP_SYN) && !(f && f->flags & (s->forwarded ? SW_F_UNCONFIRMED : SW_F_UNCONFIRMED | SW_F_CLAIMED)))
        return 0;
    if (!cfg.gateway && sender == SW_SENDER_ELSEWHERE && !sw_peer_was_seen(f, s))
        return 0;
    index = sw_service_of(&sc->key, s->src_is_b);
    if (!cfg.gateway && s->forwarded && !sw_is_published(f, sc, index))
        return 0;
    t = index ? sw_svc_counters_of(index) : 0;
    if (!(kind & SW_TCP_SYN)) {
        if (s->forwarded && f && !sw_says_more(f, s))
            return 0;
        if (f && t)
            sw_account_confirmed(f, &sc->key, s, t);
        else if (f && !s->forwarded)
            sw_flow_confirm(f);
        return 0;
    }
    if (!t)
        return 0;
    if (sender == SW_SENDER_NONE && !(g->flags & SW_G_COOKIES_ALWAYS))
        t->item[SW_T_KERNEL_COOKIES]++;
    if (sender == SW_SENDER_ELSEWHERE)
        sw_account_elsewhere(index);
    if (f) {
        sw_account_synack(f, s, t, sender);
        if (f->listener == SW_L_COOKIE)
            sw_syn_cache_set_cookie(f->listener_isn);
    } else if (!sc->emit.late) {
        t->item[SW_T_OPENED]++;
    }
    sw_detect_service(index, sw_now_coarse()); /* its SYN may not have been seen */
    return 0;
}

static __always_inline void sw_account_egress(struct __sk_buff *skb, const struct sw_scratch *sc)
{
    __u32 sender = sw_sender_of(skb);

    if ((sender == SW_SENDER_REQUEST || sender == SW_SENDER_CONNECTION) && !sw_has_its_port(skb, sc))
        sender = SW_SENDER_ELSEWHERE;
    sw_account_sent(sender);
}

#define SW_ON_ITS_WAY_NS (5 * SW_SECOND)

/*
 * Established by what the client claims alone, and the kernel has no socket of it: it threw the third packet away. The
 * map of known four-tuples says so once both generations were filled after the flow's last segment, for its SYN has set
 * its bit. Not for a service whose sockets are in another network namespace.
 */
SW_STEP int sw_has_no_socket(struct sw_flow *f, struct sw_key *key)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_service *sv;
    __u32 index;

    if (!f || !key || !g)
        return 0;
    if (f->last_ns + SW_ON_ITS_WAY_NS > g->known_ns || sw_known_is(key, f->orig_is_b, 0) ||
        sw_known_is(key, f->orig_is_b, 1))
        return 0;
    index = sw_service_of_swept(key, !f->orig_is_b);
    sv = index ? bpf_map_lookup_elem(&services, &index) : 0;
    return sv && !sw_is_elsewhere(sv, sw_now_coarse());
}

static long sw_compare_one(void *map, struct sw_key *key, struct sw_flow *f, void *ctx)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_SWEEP);

    (void)map;
    (void)ctx;
    if (!sc || (f->flags & (SW_F_UNCONFIRMED | SW_F_ESTABLISHED | SW_F_ENDED)) != (SW_F_UNCONFIRMED | SW_F_ESTABLISHED))
        return 0;
    sc->key = *key;
    if (sw_has_no_socket(f, &sc->key))
        __sync_fetch_and_or(&f->flags, SW_F_NO_SOCKET);
    return 0;
}

/* The daemon has read the kernel's sockets: the next sweep ends the flows that have none. */
static __always_inline void sw_account_sockets(void)
{
    struct sw_guard *g = sw_guard_config();

    if (!g || g->compared_ns == g->known_ns)
        return;
    g->compared_ns = g->known_ns;
    bpf_for_each_map_elem(&half_open, sw_compare_one, 0, 0); /* those that are held */
    bpf_for_each_map_elem(&flows, sw_compare_one, 0, 0);
}

#endif
