/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tc ingress of the outer device: what clients send. sw_xdp_guard has seen it before. */
#ifndef SW_BPF_GATEWAY_IN_H
#define SW_BPF_GATEWAY_IN_H

#include "gateway/entry.h"
#include "gateway/icmp.h"

/* A SYN is not ECN-capable itself (RFC 3168 section 6.1.1), as what it is made of may be. */
static __always_inline int sw_gate_no_ect(struct __sk_buff *skb, const struct sw_gate *w)
{
    __u16 was, now;

    if (bpf_skb_load_bytes(skb, w->ip, &was, 2))
        return -1;
    now = was & bpf_htons(w->v6 ? 0xffcf : 0xfffc);
    if (was == now)
        return 0;
    if (!w->v6 && bpf_l3_csum_replace(skb, w->ip + 10, was, now, 2))
        return -1;
    return bpf_skb_store_bytes(skb, w->ip, &now, 2, 0) ? -1 : 0;
}

/* The segment becomes the SYN to the backend. */
SW_STEP int sw_gate_syn(struct __sk_buff *skb, __u64 now)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();
    struct sw_xlate *x;

    if (!st || !sc || !w)
        return TC_ACT_SHOT;
    x = bpf_map_lookup_elem(&xlate, &w->key);
    if (!x || x->state != SW_X_PENDING)
        return TC_ACT_SHOT;
    x->syn_ns = now;
    if (sw_gate_load(skb, w, 20 + sc->at.opt_len))
        return sw_gate_failed(w);
    sw_head_syn(&w->head, x);
    if (sw_gate_no_ect(skb, w) || sw_gate_put(skb))
        return sw_gate_failed(w);
    return TC_ACT_UNSPEC;
}

/* What the client sends on a connection that is dead: a RST goes back, to where it came from. */
SW_STEP int sw_gate_dead(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();

    if (!st || !sc || !w || sw_gate_turn(skb) || sw_gate_load(skb, w, 20 + sc->at.opt_len))
        return TC_ACT_SHOT;
    sw_head_reset(&w->head, sc->seg.ack);
    sw_head_turn(&w->head);
    if (sw_gate_put(skb))
        return TC_ACT_SHOT;
    sw_gate_report(w, SW_GC_DEAD_RESET);
    return (int)bpf_redirect(skb->ifindex, 0);
}

static __always_inline void sw_gate_note_end(struct sw_xlate *x, __u64 now)
{
    if (x->state == SW_X_ESTABLISHED && sw_xlate_has_ended(x) &&
        __sync_val_compare_and_swap(&x->state, SW_X_ESTABLISHED, SW_X_CLOSING) == SW_X_ESTABLISHED)
        x->since_ns = now;
}

/* The segment in scratch from one space to the other. */
static __always_inline int sw_gate_translate(struct __sk_buff *skb, struct sw_xlate *x, __u64 now, int to_client)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_gate *w = sw_gate_get();

    if (!x || !st || !sc || !w)
        return TC_ACT_SHOT;
    if (sw_gate_load(skb, w, 20 + sc->at.opt_len))
        return sw_gate_failed(w);
    if (to_client)
        sw_head_to_client(&w->head, x);
    else
        sw_head_to_backend(&w->head, x);
    if (sw_gate_store(skb, w))
        return sw_gate_failed(w);
    if (to_client)
        sw_xlate_backend_says(x, &sc->seg, now);
    else
        sw_xlate_client_says(x, &sc->seg, now);
    sw_gate_note_end(x, now);
    return TC_ACT_UNSPEC;
}

SW_STEP int sw_gate_to_backend(struct __sk_buff *skb, struct sw_xlate *x, __u64 now)
{
    return sw_gate_translate(skb, x, now, 0);
}

/* Of the client's segment in scratch, which has an entry. */
static __always_inline int sw_gate_in_entry(struct __sk_buff *skb, struct sw_xlate *x, struct sw_seg *s,
                                            struct sw_gateway_state *st, struct sw_gate *w)
{
    __u64 now = sw_now_coarse();
    enum sw_xlate_do what = sw_xlate_in(x, s, now);

    if (what == SW_XD_COOKIE) {
        if (sw_gate_cookie(skb)) {
            if (!sw_gate_begin(skb))
                return TC_ACT_SHOT;
            sw_gateway_count(st, SW_GC_BEGUN);
            return sw_gate_syn(skb, sw_now());
        }
        what = sw_xlate_in_old(x, s, now);
    }
    switch (what) {
    case SW_XD_TRANSLATE: return sw_gate_to_backend(skb, x, now);
    case SW_XD_PASS: return TC_ACT_UNSPEC;
    case SW_XD_SYN:
        if (x->tries < SW_GATEWAY_TRIES)
            x->tries++;
        sw_gate_report(w, SW_GC_AGAIN);
        return sw_gate_syn(skb, now);
    case SW_XD_FORGET:
        sw_gate_forget(x->share);
        sw_gate_report(w, SW_GC_ABORTED);
        return TC_ACT_UNSPEC;
    case SW_XD_RESET: return sw_gate_dead(skb);
    default: sw_gate_report(w, SW_GC_EARLY); return TC_ACT_SHOT;
    }
}

static __always_inline int sw_gate_in(struct __sk_buff *skb)
{
    struct sw_gateway_state *st = sw_gateway_state_get();
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_guard *g = sw_guard_config();
    struct sw_gate *w = sw_gate_get();
    enum sw_found found;
    struct sw_xlate *x;

    if (!st || !g || !sc || !w || (!SW_READ_ONCE(st->entries) && !g->active))
        return TC_ACT_UNSPEC;
    if (sw_gate_is_foreign((void *)(long)skb->data, (void *)(long)skb->data_end, 0, 1))
        return TC_ACT_UNSPEC;
    w->accepted = sw_meta_is_there(skb); /* before the frame changes */
    found = sw_gate_parse(skb, sc, w, 0);
    if (found == SW_FOUND_NOT_TCP && sc->at.ip)
        return sw_gate_icmp(skb);
    if (found != SW_FOUND_TCP)
        return TC_ACT_UNSPEC;
    x = bpf_map_lookup_elem(&xlate, &w->key);
    if (x)
        return sw_gate_in_entry(skb, x, &sc->seg, st, w);
    if (!g->active || !sw_gate_cookie(skb) || !sw_gate_begin(skb))
        return TC_ACT_UNSPEC;
    sw_gateway_count(st, SW_GC_BEGUN);
    return sw_gate_syn(skb, sw_now());
}

#endif
