/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a handshake looked like, in little room, so that a flood cannot make us forget it. A whole
 * embryo is 400 bytes and the flood pushes the oldest out; a note of 80 bytes in a table of its own
 * outlives it. When a segment comes for which there is no flow, the note's SYN and SYN-ACK are put
 * through the state machine again, at their own times: the flow is as it would have been.
 */
#ifndef SW_BPF_TRACK_SYN_CACHE_H
#define SW_BPF_TRACK_SYN_CACHE_H

#include "tcp/fsm.h"
#include "track/maps.h"

/* Notes are found by a hash of 64 bits; that and the sequence numbers must fit, so strangers do not meet. */
static __always_inline __u64 sw_note_id(const struct sw_key *k)
{
    const __u32 *w = (const __u32 *)k;
    __u64 h = 0x9e3779b97f4a7c15ull;

    for (int i = 0; i < 9; i++) {
        h ^= w[i];
        h *= 0xff51afd7ed558ccdull;
        h ^= h >> 32;
    }
    return h;
}

static __always_inline void sw_note_half(struct sw_half *h, const struct sw_seg *s)
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

/* sw_handshake.told: of the opening line. Neither if no one asked for it. */
enum { SW_NOTE_TOLD = 1, SW_NOTE_OWED = 2 };

/* A SYN begins a note. Not on a full ring or a clock: only on what the segment says. */
static __always_inline void sw_note_syn(const struct sw_key *k, const struct sw_seg *s, __u32 flags,
                                        struct sw_scratch *sc)
{
    struct sw_handshake *n = &sc->note;
    __u64 id = sw_note_id(k);

    __builtin_memset(n, 0, sizeof(*n));
    sw_note_half(&n->syn, s);
    n->ifindex = s->ifindex;
    n->vlan[0] = s->vlan[0];
    n->vlan[1] = s->vlan[1];
    n->src_is_b = s->src_is_b;
    n->hook = s->hook;
    n->told = (flags & SW_F_OPENING_TOLD ? SW_NOTE_TOLD : 0) | (flags & SW_F_OPENING_OWED ? SW_NOTE_OWED : 0);
    bpf_map_update_elem(&handshakes, &id, n, BPF_ANY);
}

/* The SYN-ACK, or one of the two again. */
static __always_inline void sw_note_take(struct sw_handshake *n, const struct sw_seg *s)
{
    __u64 first = n->synack.ns;

    if (s->flags & SW_TCP_ACK) {
        if (s->src_is_b == n->src_is_b || sw_seq_diff(s->ack, n->syn.seq) <= 0 ||
            sw_seq_diff(s->ack, n->syn.seq + 1 + n->syn.len) > 0)
            return;
        if (first && n->synack_again < 255)
            n->synack_again++;
        if (first && n->synack.seq == s->seq)
            return;
        sw_note_half(&n->synack, s); /* another ISN: the ACK will be of that one */
        n->synack_ack = s->ack;
        if (first)
            n->synack.ns = first;
    } else if (s->src_is_b == n->src_is_b && s->seq == n->syn.seq && n->syn_again < 255) {
        n->syn_again++;
    }
}

static __always_inline void sw_note_more(const struct sw_key *k, const struct sw_seg *s)
{
    __u64 id = sw_note_id(k);
    struct sw_handshake *n = bpf_map_lookup_elem(&handshakes, &id);

    if (n && !s->bad_csum)
        sw_note_take(n, s);
}

static __always_inline void sw_note_drop(const struct sw_key *k)
{
    __u64 id = sw_note_id(k);

    bpf_map_delete_elem(&handshakes, &id);
}

static __always_inline void sw_note_to_seg(struct sw_seg *s, const struct sw_half *h, const struct sw_handshake *n)
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
}

/* Does the segment go on from this handshake? */
static __always_inline int sw_note_fits(const struct sw_handshake *n, const struct sw_seg *s)
{
    __u32 past_syn = n->syn.seq + 1;
    __u16 kind = s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_FIN | SW_TCP_ACK);

    if (s->src_is_b == n->src_is_b) {
        if (kind & SW_TCP_SYN) /* again */
            return kind == SW_TCP_SYN && s->seq == n->syn.seq;
        if (kind & SW_TCP_RST) /* gives up, or never sent a SYN: such a RST has no ACK (RFC 9293 section 3.10.7.1) */
            return sw_seq_within(s->seq, past_syn, past_syn + n->syn.len);
        if (!n->synack.ns) /* one-sided: whoever goes on from its SYN was answered */
            return cfg.one_sided && kind & SW_TCP_ACK && s->seq == past_syn + n->syn.len;
        return kind & SW_TCP_ACK && sw_seq_within(s->seq, past_syn, past_syn + n->syn.len) &&
               s->ack == n->synack.seq + 1;
    }
    /* from the responder: SYN-ACK, or RST, that acknowledges the SYN; or a RST right after its SYN-ACK */
    if (kind == SW_TCP_RST)
        return n->synack.ns && s->seq == n->synack.seq + 1;
    return kind & SW_TCP_ACK && kind & (SW_TCP_SYN | SW_TCP_RST) &&
           sw_seq_within(s->ack, past_syn, past_syn + n->syn.len);
}

/* What came again changes counts and nothing else. */
static __always_inline void sw_note_repeats(struct sw_flow *f, const struct sw_handshake *n)
{
    struct sw_end *a = &f->end[SW_ORIG], *b = &f->end[SW_RESP];

    a->pkts += n->syn_again;
    a->ip_bytes += (__u32)n->syn_again * n->syn.ip_bytes;
    f->syn_rexmit += n->syn_again;
    if (n->syn.len) { /* data in it is data again */
        a->payload += (__u32)n->syn_again * n->syn.len;
        a->rexmit += n->syn_again;
        a->z_rexmit += n->syn_again;
    }
    b->pkts += n->synack_again;
    b->ip_bytes += (__u32)n->synack_again * n->synack.ip_bytes;
    f->synack_rexmit += n->synack_again;
}

/*
 * Rebuilds in scratch the flow that the flood pushed out. True if there was a note and the segment
 * goes on from it; a SYN or SYN-ACK goes into the note too, for the flood may push it out once more.
 */
SW_PART int sw_revive(void)
{
    struct sw_scratch *sc = sw_room(SW_ROOM_PACKET);
    struct sw_handshake *n, *note;
    struct sw_out unused = {0};
    struct sw_seg *then, *s;
    struct sw_flow *f;
    __u64 id;

    if (!sc)
        return 0;
    s = &sc->seg;
    if (s->bad_csum || !(s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_RST)))
        return 0;
    id = sw_note_id(&sc->key);
    note = bpf_map_lookup_elem(&handshakes, &id);
    if (!note)
        return 0;
    n = &sc->note; /* the other may become a stranger's meanwhile */
    __builtin_memcpy(n, note, sizeof(*n));
    if (s->now > n->syn.ns + SW_NOTE_NS || !sw_note_fits(n, s))
        return 0; /* an old one's embryo has been reported lost */
    if (s->flags & SW_TCP_SYN)
        sw_note_take(note, s);
    f = &sc->flow;
    then = &sc->then;
    __builtin_memset(f, 0, sizeof(*f));
    sw_note_to_seg(then, &n->syn, n);
    sw_flow_init(f, then);
    sw_fsm_step(f, then, &unused);
    if (n->synack.ns) {
        sw_note_to_seg(then, &n->synack, n);
        then->ack = n->synack_ack;
        then->src_is_b = !n->src_is_b;
        sw_fsm_step(f, then, &unused);
    }
    sw_note_repeats(f, n);
    if (n->told & SW_NOTE_TOLD)
        f->flags |= SW_F_OPENING_TOLD;
    if (n->told & SW_NOTE_OWED)
        f->flags |= SW_F_OPENING_OWED;
    return 1;
}

#endif
