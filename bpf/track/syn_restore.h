/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows that a flood has evicted, or left no room for: made again from their notes in the SYN cache. */
#ifndef SW_BPF_TRACK_SYN_RESTORE_H
#define SW_BPF_TRACK_SYN_RESTORE_H

#include "track/syn_cache.h"

/* The SYN of what is cached, or its SYN-ACK, as the segment that it was. Its own function for the stack of the old
 * form, as is sw_syn_cache_rebuild_rest. */
SW_PART int sw_syn_cache_rebuild_seg(__u32 synack)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    const struct sw_cached_handshake *n;
    const struct sw_cached_seg *h;
    struct sw_seg *s;

    if (!sc)
        return 0;
    n = &sc->cached;
    h = synack ? &n->synack : &n->syn;
    s = &sc->rebuilt;
    __builtin_memset(s, 0, sizeof(*s));
    s->now = h->ns;
    s->seq = h->seq;
    s->ack = synack ? n->synack_ack : 0;
    s->flags = h->flags;
    s->win = h->win;
    s->mss = h->mss;
    s->ip_bytes = h->ip_bytes;
    s->len = s->cap = h->len;
    s->wscale = h->wscale;
    s->opts = h->opts;
    s->pkts = 1;
    s->ifindex = n->ifindex;
    s->vlan[0] = n->vlan[0];
    s->vlan[1] = n->vlan[1];
    s->hook = n->hook;
    s->src_is_b = synack ? !n->src_is_b : n->src_is_b;
    s->one_sided = cfg.one_sided;
    s->local = n->local >> (s->src_is_b & 1) & 1;
    return 0;
}

/* Does the segment continue this handshake? */
static __always_inline int sw_cached_handshake_matches(const struct sw_cached_handshake *n, const struct sw_seg *s)
{
    __u32 past_syn = n->syn.seq + 1;
    __u16 kind = s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_FIN | SW_TCP_ACK);

    if (s->src_is_b == n->src_is_b) {
        if (kind & SW_TCP_SYN) /* again */
            return kind == SW_TCP_SYN && s->seq == n->syn.seq;
        if (kind & SW_TCP_RST) /* gave up, or never sent a SYN; no ACK then (RFC 9293 section 3.10.7.1) */
            return sw_seq_within(s->seq, past_syn, past_syn + n->syn.len);
        if (!n->synack.ns) /* one-sided: an endpoint that continues after its SYN received a SYN-ACK */
            return cfg.one_sided && kind & SW_TCP_ACK && s->seq == past_syn + n->syn.len;
        return kind & SW_TCP_ACK && sw_seq_within(s->seq, past_syn, past_syn + n->syn.len) &&
               (s->ack == n->synack.seq + 1 || (n->two_isns && s->ack == n->other_isn + 1));
    }
    /* from the responder: SYN-ACK, or RST, that acknowledges the SYN; or a RST right after its SYN-ACK; or its own SYN
     */
    if (kind == SW_TCP_SYN)
        return !n->synack.ns && !(n->opening & SW_CACHED_OPENING_DUE);
    if (kind == SW_TCP_RST)
        return n->synack.ns && s->seq == n->synack.seq + 1;
    return kind & SW_TCP_ACK && kind & (SW_TCP_SYN | SW_TCP_RST) &&
           sw_seq_within(s->ack, past_syn, past_syn + n->syn.len);
}

/* Retransmissions change counts only. */
static __always_inline void sw_cached_handshake_add_rexmits(struct sw_flow *f, const struct sw_cached_handshake *n)
{
    struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    a->pkts += n->syn_rexmit;
    a->ip_bytes += (__u32)n->syn_rexmit * n->syn.ip_bytes;
    f->syn_rexmit += n->syn_rexmit;
    if (n->syn.len) { /* its data is retransmitted, too */
        a->payload += (__u32)n->syn_rexmit * n->syn.len;
        a->rexmit += n->syn_rexmit;
        a->z_rexmit += n->syn_rexmit;
    }
    b->pkts += n->synack_rexmit;
    b->ip_bytes += (__u32)n->synack_rexmit * n->synack.ip_bytes;
    f->synack_rexmit += n->synack_rexmit;
}

/* Is there a note of the segment's handshake, which it continues? It is in scratch then; a SYN or SYN-ACK changes it,
 * too, because the flow may be evicted again. */
SW_PART int sw_syn_cache_find(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_cached_handshake *n;
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    const struct sw_seg *s;
    int found = 0;
    __u64 id;

    if (!sc)
        return 0;
    s = &sc->seg;
    if (s->bad_csum || !(s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST)))
        return 0;
    id = sc->hash;
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    n = &sc->cached;
    note = sw_syn_set_note(set, id);
    if (note) {
        sw_note_read(n, note);
        /* an older one has been reported lost */
        found = s->now <= n->syn.ns + SW_SYN_CACHE_NS && sw_cached_handshake_matches(n, s);
        if (found && s->flags & SW_TCP_SYN) {
            sc->renewed = *n;
            sw_cached_handshake_update(&sc->renewed, s);
            sw_note_write(note, &sc->renewed);
        }
    }
    sw_syn_set_drop(set, id);
    return found;
}

/* What the flow has beside what its segments say. */
SW_PART int sw_syn_cache_rebuild_rest(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    const struct sw_cached_handshake *n;
    struct sw_flow *f;

    if (!sc)
        return 0;
    n = &sc->cached;
    f = &sc->flow;
    if (n->two_isns) {
        f->other_isn = n->other_isn;
        f->end[SW_RESP].more |= SW_M_OTHER_ISN;
    }
    sw_cached_handshake_add_rexmits(f, n);
    if (cfg.guard)
        f->local |= n->local & (SW_LOCAL_SYN | SW_LOCAL_SYNACK);
    if (cfg.guard && n->listener) {
        f->flags |= SW_F_UNCONFIRMED;
        f->listener = n->listener;
        f->listener_isn = n->synack.seq;
    }
    if (n->opening & SW_CACHED_OPENING_EMITTED)
        f->flags |= SW_F_OPENING_EMITTED;
    if (n->opening & SW_CACHED_OPENING_DEFERRED)
        f->flags |= SW_F_OPENING_DEFERRED;
    return n->opening & SW_CACHED_OPENING_DUE ? SW_RESTORED_DUE : SW_RESTORED;
}

/* The flow of what was found. */
SW_PART int sw_syn_cache_rebuild(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_out unused = {0};
    struct sw_flow *f;

    if (!sc)
        return 0;
    f = &sc->flow;
    __builtin_memset(f, 0, sizeof(*f));
    sw_syn_cache_rebuild_seg(0);
    sw_flow_init(f, &sc->rebuilt);
    sw_fsm_step(f, &sc->rebuilt, &unused);
    if (sc->cached.synack.ns) {
        sw_syn_cache_rebuild_seg(1);
        sw_fsm_step(f, &sc->rebuilt, &unused);
    }
    return sw_syn_cache_rebuild_rest();
}

/* Restores an evicted flow in scratch. 0: there is no note that the segment continues; SW_RESTORED_DUE: its `opening`
 * has not been made yet. */
static __always_inline int sw_syn_cache_restore(void)
{
    return sw_syn_cache_find() ? sw_syn_cache_rebuild() : 0;
}

#endif
