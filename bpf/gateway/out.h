/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc egress of the outer device, before the tracker's hook: what backends send. Netfilter is through with it, so that a
 * NAT of this host is undone. What answers them goes in again at the same device, as if the client had sent it.
 */
#ifndef SW_BPF_GATEWAY_OUT_H
#define SW_BPF_GATEWAY_OUT_H

#include "gateway/in.h"

#define SW_LEARN_NS SW_SECOND /* unless something is new */

/* What is known of the backend of the packet in scratch, which is written where it is: several CPUs may. NULL: there is
 * no memory for another one. */
static __always_inline struct sw_backend_facts *sw_gate_backend(const struct sw_gate *w)
{
    struct sw_backend_facts *f, fresh = {0};
    struct sw_backend_key key = {0};

    __builtin_memcpy(key.ip, w->key.server, 16);
    key.port = w->key.sport;
    f = bpf_map_lookup_elem(&backends, &key);
    if (f)
        return f;
    bpf_map_update_elem(&backends, &key, &fresh, BPF_NOEXIST);
    return bpf_map_lookup_elem(&backends, &key);
}

/*
 * What it grants. What is not there the client may not have offered, so that what was known stays; but who offers
 * timestamps or window scale offers SACK, and who offers timestamps window scale.
 */
static __always_inline __u8 sw_gate_flags(__u8 opts, __u8 before)
{
    __u8 flags = before;

    if (opts & (SW_OPT_TS | SW_OPT_WSCALE))
        flags &= ~SW_BE_SACK;
    if (opts & SW_OPT_TS)
        flags &= ~SW_BE_WSCALE;
    return flags | (opts & SW_OPT_TS ? SW_BE_TS : 0) | (opts & SW_OPT_SACK ? SW_BE_SACK : 0) |
           (opts & SW_OPT_WSCALE ? SW_BE_WSCALE : 0);
}

static __always_inline void sw_gate_report_grants(struct sw_gate *w, __u32 grants)
{
    w->place.grants = grants;
    sw_gate_report(w, SW_GC_CHANGED);
    w->place.grants = 0;
}

/* The backend's SYN-ACK in scratch, with its options in the guard's: what clients may be granted from now on. */
SW_STEP int sw_gate_learn(__u64 now)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_gate *w = sw_gate_get();
    struct sw_backend_facts *f, granted = {0};
    const struct sw_opts *o;
    __u32 before, changed;

    if (!sc || !at || !w)
        return 0;
    o = &at->opts;
    f = sw_gate_backend(w);
    if (!f)
        return 0;
    before = granted.grants = SW_READ_ONCE(f->grants);
    granted.flags = sw_gate_flags(o->opts, f->synack_ns ? granted.flags : SW_BE_SACK | SW_BE_WSCALE);
    if (sc->seg.flags & SW_TCP_ECE)
        granted.flags |= SW_BE_ECN;
    if (o->opts & SW_OPT_MSS && o->mss)
        granted.mss = o->mss;
    if (o->opts & SW_OPT_WSCALE)
        granted.wscale = o->wscale;
    if (granted.grants == before && !f->silent_ns && !f->refused_ns && sw_is_within(f->synack_ns, SW_LEARN_NS, now))
        return 0;
    changed = f->synack_ns && granted.grants != before;
    SW_WRITE_ONCE(f->grants, granted.grants);
    SW_WRITE_ONCE(f->synack_ns, now);
    f->silent_ns = f->refused_ns = 0;
    if (changed)
        sw_gate_report_grants(w, granted.grants);
    return 0;
}

/* It has not granted what its client was granted: no client is again. Or it has refused. */
SW_STEP int sw_gate_unlearn(__u32 lost, __u64 refused_ns)
{
    struct sw_backend_facts *f, none = {0};
    struct sw_gate *w = sw_gate_get();
    __u32 before;

    f = w ? sw_gate_backend(w) : 0;
    if (!f)
        return 0;
    none.flags = lost;
    before = __sync_fetch_and_and(&f->grants, ~none.grants);
    if (before & none.grants)
        sw_gate_report_grants(w, before & ~none.grants);
    if (refused_ns) {
        SW_WRITE_ONCE(f->refused_ns, refused_ns);
        __sync_fetch_and_add(&f->refused, 1);
    }
    return 0;
}

/* The frame, turned and with the header in scratch, comes in at the device. The frame itself stays turned. */
static __always_inline int sw_gate_inject(struct __sk_buff *skb, struct sw_gate *w)
{
    sw_head_turn(&w->head);
    if (sw_gate_turn(skb) || sw_gate_put(skb))
        return -1;
    return bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS) ? -1 : 0;
}

/*
 * The SYN-ACK becomes two packets: the client's acknowledgement, which goes in and is translated there as any, and the
 * window, which goes on to the client.
 */
SW_STEP int sw_gate_two(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();
    struct sw_xlate *x;

    if (!st || !sc || !w)
        return TC_ACT_SHOT;
    x = bpf_map_lookup_elem(&xlate, &w->key);
    if (!x || sw_gate_load(skb, w, 20 + sc->at.opt_len))
        return TC_ACT_SHOT;
    sw_head_client_ack(&w->head, x);
    if (sw_gate_inject(skb, w))
        return sw_gate_failed(w);
    sw_head_window(&w->head, x, sc->seg.win);
    sw_head_turn(&w->head);
    if (sw_gate_turn(skb) || sw_gate_put(skb))
        return sw_gate_failed(w);
    return TC_ACT_UNSPEC;
}

/* A RST to the backend, in the place of what it has sent. `drop`: nothing goes on to the client. */
SW_STEP int sw_gate_reset_backend(struct __sk_buff *skb, __u32 seq, __u32 drop)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();

    if (!st || !sc || !w || sw_gate_load(skb, w, 20 + sc->at.opt_len))
        return TC_ACT_SHOT;
    sw_head_reset(&w->head, seq);
    if (sw_gate_inject(skb, w))
        return sw_gate_failed(w);
    if (drop || sw_gate_turn(skb))
        return TC_ACT_SHOT;
    sw_head_turn(&w->head);
    return TC_ACT_UNSPEC;
}

/* To the client: the backend has refused, or cannot do what the client was granted. The entry goes. */
SW_STEP int sw_gate_refuse(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();
    struct sw_xlate *x;

    if (!st || !sc || !w)
        return TC_ACT_SHOT;
    x = bpf_map_lookup_elem(&xlate, &w->key);
    if (!x)
        return TC_ACT_SHOT;
    w->head.half[0] = w->key.sport;
    w->head.half[1] = w->key.cport;
    sw_head_refused(&w->head, x);
    sw_gate_forget(x->share);
    if (sw_gate_put(skb))
        return sw_gate_failed(w);
    return TC_ACT_UNSPEC;
}

/* The backend answers: both spaces are known. */
SW_STEP int sw_gate_open(struct __sk_buff *skb, struct sw_xlate *x, __u64 now)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_gate *w = sw_gate_get();
    const struct sw_opts *o;
    __u32 lost = 0;

    if (!x || !st || !sc || !at || !w)
        return TC_ACT_SHOT;
    o = &at->opts;
    if (x->flags & SW_XF_ECN && !(sc->seg.flags & SW_TCP_ECE))
        lost |= SW_BE_ECN;
    if (x->flags & SW_XF_SACK && !(o->opts & SW_OPT_SACK))
        lost |= SW_BE_SACK;
    if (x->flags & SW_XF_WSCALE && !(o->opts & SW_OPT_WSCALE))
        lost |= SW_BE_WSCALE;
    if (x->flags & SW_XF_TS && !(o->opts & SW_OPT_TS)) {
        sw_gate_unlearn(lost | SW_BE_TS, 0);
        sw_gate_report(w, SW_GC_NO_TIMESTAMPS);
        if (sw_gate_reset_backend(skb, x->client_isn + 1, 0) != TC_ACT_UNSPEC)
            return TC_ACT_SHOT;
        return sw_gate_refuse(skb);
    }
    if (lost)
        sw_gate_unlearn(lost, 0);
    if (__sync_val_compare_and_swap(&x->state, SW_X_PENDING, SW_X_OPENING) != SW_X_PENDING)
        return TC_ACT_SHOT;
    x->server_isn = sc->seg.seq;
    x->delta = x->cookie_isn - sc->seg.seq;
    x->dts = x->flags & SW_XF_TS ? x->cookie_ts - o->tsval : 0;
    sw_xlate_scale(x, o->opts & SW_OPT_WSCALE ? o->wscale : SW_WSCALE_NONE);
    x->last_ns = x->since_ns = now;
    __sync_lock_test_and_set(&x->state, SW_X_ESTABLISHED);
    sw_gateway_count(st, SW_GC_OPENED);
    return sw_gate_two(skb);
}

SW_STEP int sw_gate_to_client(struct __sk_buff *skb, struct sw_xlate *x, __u64 now)
{
    return sw_gate_translate(skb, x, now, 1);
}

static __always_inline int sw_gate_out_entry(struct __sk_buff *skb, struct sw_xlate *x, struct sw_seg *s,
                                             struct sw_gate *w)
{
    __u64 now = sw_now_coarse();

    switch (sw_xlate_out(x, s)) {
    case SW_XD_TRANSLATE: return sw_gate_to_client(skb, x, now);
    case SW_XD_PASS: /* a RST of ours, which has come in nowhere */ skb->cb[0] = SW_GATE_MARK; return TC_ACT_UNSPEC;
    case SW_XD_OPEN: return sw_gate_open(skb, x, now);
    case SW_XD_OPEN_AGAIN: sw_gate_report(w, SW_GC_ANSWERED_AGAIN); return sw_gate_two(skb);
    case SW_XD_REFUSED:
        sw_gate_report(w, SW_GC_REFUSED);
        sw_gate_unlearn(0, now);
        return sw_gate_refuse(skb);
    case SW_XD_CHALLENGE:
        sw_gate_report(w, SW_GC_CHALLENGED);
        x->rst_seq = s->ack;
        x->flags |= SW_XF_OWN_RST;
        x->syn_ns = 0; /* the next segment of the client, or the daemon, makes the SYN again */
        x->tries = 0;
        return sw_gate_reset_backend(skb, s->ack, 1);
    case SW_XD_FORGET: sw_gate_forget(x->share); return TC_ACT_UNSPEC;
    default: return TC_ACT_SHOT;
    }
}

/* The options of a SYN-ACK, into the guard's scratch. */
static __always_inline void sw_gate_synack(struct __sk_buff *skb, struct sw_scratch *sc)
{
    struct sw_guard_scratch *at = sw_guard_scratch_get();

    if (!at)
        return;
    at->pkt.tcp_off = sc->at.tcp;
    at->pkt.opt_len = sc->at.opt_len;
    sw_opts_skb(skb, &at->pkt, &at->opts);
    if (sw_service_of(&sc->key, sc->seg.src_is_b))
        sw_gate_learn(sw_now_coarse());
}

static __always_inline int sw_gate_out(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();
    struct sw_xlate *x;
    __u32 entries;

    if (!st || !sc || !w)
        return TC_ACT_UNSPEC;
    entries = !!SW_READ_ONCE(st->entries);
    if (sw_gate_is_foreign((void *)(long)skb->data, (void *)(long)skb->data_end, 1, entries))
        return TC_ACT_UNSPEC;
    if (sw_gate_parse(skb, sc, w, 1) != SW_FOUND_TCP)
        return TC_ACT_UNSPEC;
    if ((sc->seg.flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST)) == (SW_TCP_SYN | SW_TCP_ACK))
        sw_gate_synack(skb, sc);
    x = entries ? bpf_map_lookup_elem(&xlate, &w->key) : 0;
    return x ? sw_gate_out_entry(skb, x, &sc->seg, w) : TC_ACT_UNSPEC;
}

#endif
