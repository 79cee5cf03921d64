/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SYN cache: handshakes in compact form, so that a flood does not lose them. A half-open flow has 400 bytes, and a
 * flood evicts the oldest; a cache entry of 80 bytes, in a map of its own, survives longer. If a segment has no flow,
 * the SYN and SYN-ACK of its entry pass through the state machine again, with their own times: the flow is then the
 * same as without the eviction. Entries are found by a 64-bit hash; the sequence numbers must match, too, so of two
 * handshakes with the same one the older is forgotten, and no more.
 */
#ifndef SW_BPF_TRACK_SYN_CACHE_H
#define SW_BPF_TRACK_SYN_CACHE_H

#include "tcp/fsm.h"
#include "track/maps.h"

static __always_inline void sw_cached_seg_set(struct sw_cached_seg *h, const struct sw_seg *s)
{
    h->ns = s->now;
    h->seq = s->seq;
    h->flags = s->flags;
    h->win = s->win;
    h->mss = s->mss;
    h->ip_bytes = (__u16)s->ip_bytes;
    h->len = (__u16)s->len;
    h->wscale = s->wscale;
    h->opts = s->opts;
}

/* sw_cached_handshake.opening. 0 if `opening` is not enabled. Due: the SYN waits on a live flow for its answer. */
enum { SW_CACHED_OPENING_EMITTED = 1, SW_CACHED_OPENING_DEFERRED = 2, SW_CACHED_OPENING_DUE = 4 };

static __always_inline __u8 sw_cached_opening(const struct sw_flow *f)
{
    return (f->flags & SW_F_OPENING_EMITTED ? SW_CACHED_OPENING_EMITTED : 0) |
           (f->flags & SW_F_OPENING_DEFERRED ? SW_CACHED_OPENING_DEFERRED : 0);
}

/* A SYN creates an entry. It depends on the segment only, not on the rings or a clock. */
static __always_inline void sw_syn_cache_insert(const struct sw_key *k, const struct sw_seg *s, __u8 opening,
                                                struct sw_scratch *sc)
{
    struct sw_cached_handshake *n = &sc->cached;
    __u64 id = sw_key_hash(k);

    __builtin_memset(n, 0, sizeof(*n));
    sw_cached_seg_set(&n->syn, s);
    n->ifindex = s->ifindex;
    n->vlan[0] = s->vlan[0];
    n->vlan[1] = s->vlan[1];
    n->src_is_b = s->src_is_b;
    n->hook = s->hook;
    n->local = sw_local_end(s) | sw_local_syn(s);
    n->opening = opening;
    bpf_map_update_elem(&syn_cache, &id, n, BPF_ANY);
}

/* Takes the SYN-ACK, or a retransmission of either. */
static __always_inline void sw_cached_handshake_update(struct sw_cached_handshake *n, const struct sw_seg *s)
{
    __u64 first = n->synack.ns;

    if (s->flags & SW_TCP_ACK) {
        if (s->src_is_b == n->src_is_b || sw_seq_diff(s->ack, n->syn.seq) <= 0 ||
            sw_seq_diff(s->ack, n->syn.seq + 1 + n->syn.len) > 0)
            return;
        if (first && n->synack_rexmit < 255)
            n->synack_rexmit++;
        if (first && n->synack.seq == s->seq)
            return;
        if (n->listener && !s->sent) { /* this host has sent another */
            n->two_isns = 1;
            n->other_isn = s->seq;
            return;
        }
        if (first) { /* another ISN: the acknowledgement decides */
            n->two_isns = 1;
            n->other_isn = n->synack.seq;
        }
        sw_cached_seg_set(&n->synack, s);
        n->listener = sw_local_syn(s) ? SW_L_OPENED : SW_L_NONE;
        n->local |= sw_local_end(s) | sw_local_syn(s);
        n->synack_ack = s->ack;
        if (first)
            n->synack.ns = first;
    } else if (s->src_is_b == n->src_is_b && s->seq == n->syn.seq && n->syn_rexmit < 255) {
        n->syn_rexmit++;
    }
}

static __always_inline void sw_syn_cache_update(const struct sw_key *k, const struct sw_seg *s)
{
    __u64 id = sw_key_hash(k);
    struct sw_cached_handshake *n = bpf_map_lookup_elem(&syn_cache, &id);

    if (n && !s->bad_csum)
        sw_cached_handshake_update(n, s);
}

/* A SYN on a live flow waits for its answer: kept whole, for it may begin the next connection. again: it waits already.
 */
SW_PART int sw_syn_cache_pend(__u32 again)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_cached_handshake *n;
    struct sw_seg *s;
    __u64 id;

    if (!sc)
        return 0;
    s = &sc->seg;
    id = sw_key_hash(&sc->key);
    n = bpf_map_lookup_elem(&syn_cache, &id);
    if (again && n && n->opening & SW_CACHED_OPENING_DUE && s->now <= n->syn.ns + SW_SYN_CACHE_NS)
        sw_cached_handshake_update(n, s);
    else
        sw_syn_cache_insert(&sc->key, s, SW_CACHED_OPENING_DUE, sc);
    return 0;
}

/* The pending SYN in scratch has become a flow, and s has answered it or is it again: an ordinary entry from now on. */
static __always_inline void sw_syn_cache_go_on(struct sw_scratch *sc)
{
    struct sw_cached_handshake *n = &sc->cached;
    __u64 id = sw_key_hash(&sc->key);

    n->opening = sw_cached_opening(&sc->flow);
    if (sc->seg.flags & SW_TCP_SYN)
        sw_cached_handshake_update(n, &sc->seg);
    bpf_map_update_elem(&syn_cache, &id, n, BPF_ANY);
}

/* The SYN-ACK is a cookie of the kernel, which is known only after it was tracked. */
static __always_inline void sw_syn_cache_set_cookie(const struct sw_key *k, __u32 isn)
{
    __u64 id = sw_key_hash(k);
    struct sw_cached_handshake *n = bpf_map_lookup_elem(&syn_cache, &id);

    if (n && n->listener && n->synack.seq == isn)
        n->listener = SW_L_COOKIE;
}

static __always_inline void sw_syn_cache_delete(const struct sw_key *k)
{
    __u64 id = sw_key_hash(k);

    bpf_map_delete_elem(&syn_cache, &id);
}

static __always_inline void sw_cached_seg_restore(struct sw_seg *s, const struct sw_cached_seg *h,
                                                  const struct sw_cached_handshake *n)
{
    __builtin_memset(s, 0, sizeof(*s));
    s->now = h->ns;
    s->seq = h->seq;
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
    s->src_is_b = n->src_is_b;
    s->one_sided = cfg.one_sided;
    s->local = n->local >> (s->src_is_b & 1) & 1;
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
    /* from the responder: SYN-ACK, or RST, that acknowledges the SYN; or a RST right after its SYN-ACK */
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

/*
 * Restores an evicted flow in scratch. Not 0 if there was an entry and the segment continues it, SW_RESTORED_DUE if its
 * `opening` has not been made yet; a SYN or SYN-ACK updates the entry, too, because the flow may be evicted again.
 */
SW_PART int sw_syn_cache_restore(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_cached_handshake *n, *entry;
    struct sw_out unused = {0};
    struct sw_seg *rebuilt, *s;
    struct sw_flow *f;
    __u64 id;

    if (!sc)
        return 0;
    s = &sc->seg;
    if (s->bad_csum || !(s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST)))
        return 0;
    id = sw_key_hash(&sc->key);
    entry = bpf_map_lookup_elem(&syn_cache, &id);
    if (!entry)
        return 0;
    n = &sc->cached; /* a copy: the map value may be reused meanwhile */
    __builtin_memcpy(n, entry, sizeof(*n));
    if (s->now > n->syn.ns + SW_SYN_CACHE_NS || !sw_cached_handshake_matches(n, s))
        return 0; /* an older one has been reported lost */
    if (s->flags & SW_TCP_SYN)
        sw_cached_handshake_update(entry, s);
    f = &sc->flow;
    rebuilt = &sc->rebuilt;
    __builtin_memset(f, 0, sizeof(*f));
    sw_cached_seg_restore(rebuilt, &n->syn, n);
    sw_flow_init(f, rebuilt);
    sw_fsm_step(f, rebuilt, &unused);
    if (n->synack.ns) {
        sw_cached_seg_restore(rebuilt, &n->synack, n);
        rebuilt->ack = n->synack_ack;
        rebuilt->src_is_b = !n->src_is_b;
        rebuilt->local = n->local >> (rebuilt->src_is_b & 1) & 1;
        sw_fsm_step(f, rebuilt, &unused);
    }
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

#endif
