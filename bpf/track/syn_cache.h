/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SYN cache: handshakes in compact form, so that a flood does not lose them. A half-open flow has 500 bytes, and a
 * flood evicts the oldest, or leaves no room for it; a note of 64 bytes, in a table of its own, survives longer. If a
 * segment has no flow, the SYN and SYN-ACK of its note pass through the state machine again, with their own times
 * (syn_restore.h): the flow is then the same as without the flood.
 *
 * The table is an array, because to insert into an LRU map costs as much as all the rest of a SYN. The sequence numbers
 * must match, too, so of two handshakes with the same hash the older is forgotten, and no more. Who reads or writes a
 * note holds the lock of its set.
 */
#ifndef SW_BPF_TRACK_SYN_CACHE_H
#define SW_BPF_TRACK_SYN_CACHE_H

#include "track/syn_note.h"

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

static __always_inline void sw_cached_handshake_set(struct sw_cached_handshake *n, const struct sw_seg *s, __u8 opening)
{
    __builtin_memset(n, 0, sizeof(*n));
    sw_cached_seg_set(&n->syn, s);
    n->ifindex = s->ifindex;
    n->vlan[0] = s->vlan[0];
    n->vlan[1] = s->vlan[1];
    n->src_is_b = s->src_is_b;
    n->hook = s->hook;
    n->local = sw_local_end(s) | sw_local_syn(s);
    n->opening = opening;
}

/* Takes the SYN-ACK, or a retransmission of either. */
static __always_inline void sw_cached_handshake_update(struct sw_cached_handshake *n, const struct sw_seg *s)
{
    __u64 first = n->synack.ns;

    if (s->flags & SW_TCP_ACK) {
        if (s->src_is_b == n->src_is_b || sw_seq_diff(s->ack, n->syn.seq) <= 0 ||
            sw_seq_diff(s->ack, n->syn.seq + 1 + n->syn.len) > 0)
            return;
        if (!sw_note_has_time_for(s->now - n->syn.ns))
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

/* Of the handshake whose key is in scratch: the note becomes what is in scratch, whether there was one or not. */
SW_PART int sw_syn_cache_put(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    __u64 id;

    if (!sc)
        return 0;
    id = sc->hash;
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    note = sw_syn_set_place(set, id);
    sw_note_write(note, &sc->cached);
    sw_syn_set_drop(set, id);
    return 0;
}

/* A SYN makes a note. It depends on the segment only, not on the rings or a clock. */
static __always_inline void sw_syn_cache_insert(struct sw_scratch *sc, __u8 opening)
{
    sw_cached_handshake_set(&sc->cached, &sc->seg, opening);
    sw_syn_cache_put();
}

/* Is it the note of this very SYN, which is not yet too old? */
static __always_inline int sw_note_is_of(const struct sw_syn_note *n, const struct sw_seg *s)
{
    return n->seq == s->seq && (n->bits / SW_NOTE_SRC_IS_B & 1) == (s->src_is_b & 1) &&
           !(n->bits & SW_CACHED_OPENING_DUE) && s->now <= n->ns + SW_SYN_CACHE_NS;
}

/*
 * A SYN that will be in the cache alone: its note, before its `opening`. 0: another CPU had the same SYN at once and
 * was faster, so this one counts as a retransmission.
 */
SW_PART int sw_syn_cache_begin(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    int first = 1;
    __u32 tag, at;

    if (!sc)
        return 1;
    sw_cached_handshake_set(&sc->cached, &sc->seg, 0);
    set = sw_syn_set_take(sc->hash);
    if (!set)
        return 1;
    tag = sw_syn_tag(sc->hash);
    at = sw_syn_set_find(set, tag);
    if (at < SW_SYN_WAYS) {
        note = sw_syn_note_at(set, at);
        first = !sw_note_is_of(note, &sc->seg);
        if (!first && note->syn_rexmit < 255)
            note->syn_rexmit++;
    }
    if (first)
        sw_note_write(sw_syn_set_claim(set, tag, at), &sc->cached);
    sw_syn_set_drop(set, sc->hash);
    return first;
}

/* What became of the `opening` of that SYN. */
SW_PART int sw_syn_cache_opened(__u32 opening)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    __u64 id;

    if (!sc || !opening)
        return 0;
    id = sc->hash;
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    note = sw_syn_set_note(set, id);
    if (note && note->seq == sc->seg.seq)
        note->bits |= opening & (SW_CACHED_OPENING_EMITTED | SW_CACHED_OPENING_DEFERRED);
    sw_syn_set_drop(set, id);
    return 0;
}

/* Another SYN or SYN-ACK of the handshake. */
SW_PART int sw_syn_cache_update(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    __u64 id;

    if (!sc || sc->seg.bad_csum)
        return 0;
    id = sc->hash;
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    note = sw_syn_set_note(set, id);
    if (note) {
        sw_note_read(&sc->renewed, note);
        sw_cached_handshake_update(&sc->renewed, &sc->seg);
        sw_note_write(note, &sc->renewed);
    }
    sw_syn_set_drop(set, id);
    return 0;
}

/* A SYN on a live flow waits for its answer: kept whole, for it may begin the next connection. again: it waits already.
 */
SW_PART int sw_syn_cache_pend(__u32 again)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_cached_handshake *n;
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    __u64 id;

    if (!sc)
        return 0;
    id = sc->hash;
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    n = &sc->cached;
    note = again ? sw_syn_set_note(set, id) : 0;
    if (note)
        sw_note_read(n, note);
    if (note && n->opening & SW_CACHED_OPENING_DUE && sc->seg.now <= n->syn.ns + SW_SYN_CACHE_NS) {
        sw_cached_handshake_update(n, &sc->seg);
    } else {
        sw_cached_handshake_set(n, &sc->seg, SW_CACHED_OPENING_DUE);
        note = sw_syn_set_place(set, id);
    }
    sw_note_write(note, n);
    sw_syn_set_drop(set, id);
    return 0;
}

/* The pending SYN in scratch has become a flow, and s has answered it or is it again: an ordinary entry from now on. */
static __always_inline void sw_syn_cache_go_on(struct sw_scratch *sc)
{
    struct sw_cached_handshake *n = &sc->cached;

    n->opening = sw_cached_opening(&sc->flow);
    if (sc->seg.flags & SW_TCP_SYN)
        sw_cached_handshake_update(n, &sc->seg);
    sw_syn_cache_put();
}

/* The SYN-ACK is a cookie of the kernel, which is known only after it was tracked. */
SW_PART int sw_syn_cache_set_cookie(__u32 isn)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_syn_note *note;
    struct sw_syn_set *set;
    __u64 id;

    if (!sc)
        return 0;
    id = sw_key_hash(&sc->key);
    set = sw_syn_set_take(id);
    if (!set)
        return 0;
    note = sw_syn_set_note(set, id);
    if (note && note->listener && note->synack_seq == isn)
        note->listener = SW_L_COOKIE;
    sw_syn_set_drop(set, id);
    return 0;
}

#ifndef SW_OLD
/* Without the lock, which the sweep would have while a segment interrupts it: the place may be another one's by then.
 */
static __always_inline void sw_syn_tag_delete(__u64 hash)
{
    __u32 index = sw_syn_set_index(hash), tag = sw_syn_tag(hash), at;
    struct sw_syn_set *set = bpf_map_lookup_elem(&syn_cache, &index);

    if (!set)
        return;
    at = sw_syn_set_find(set, tag);
    if (at < SW_SYN_WAYS)
        __sync_val_compare_and_swap(sw_syn_tag_at(set, at), tag, 0);
}
#else
static __always_inline void sw_syn_tag_delete(__u64 hash)
{
    struct sw_syn_set *set = sw_syn_set_take(hash);
    __u32 at;

    if (!set)
        return;
    at = sw_syn_set_find(set, sw_syn_tag(hash));
    if (at < SW_SYN_WAYS)
        *sw_syn_tag_at(set, at) = 0;
    sw_syn_set_drop(set, hash);
}
#endif

SW_PART int sw_syn_cache_delete(__u32 context)
{
    struct sw_scratch *sc = sw_scratch_of(context);

    if (sc)
        sw_syn_tag_delete(sw_key_hash(&sc->key));
    return 0;
}

#endif
