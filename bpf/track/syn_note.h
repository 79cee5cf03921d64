/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the SYN cache keeps its notes: sets of 15, found by a hash, each with a lock in its first cache line, beside
 * 32 bits of each hash. Places are taken in turn, so that the oldest note of a set goes.
 */
#ifndef SW_BPF_TRACK_SYN_NOTE_H
#define SW_BPF_TRACK_SYN_NOTE_H

#include "track/lock.h"

static __always_inline __u32 sw_syn_set_index(__u64 hash)
{
    return (__u64)sw_hash_slot(hash) * cfg.syn_sets >> 32;
}

/* Of the whole hash, and in another way than the slot: so two handshakes of one set have the same as seldom as any. */
static __always_inline __u32 sw_syn_tag(__u64 hash)
{
    __u32 tag = hash * 0x9e3779b97f4a7c15ull >> 32;

    return tag ? tag : 1;
}

#ifndef SW_OLD
static __always_inline int sw_syn_set_try(struct sw_syn_set *set)
{
    __u32 state = SW_READ_ONCE(set->state);

    return !(state & 1) && __sync_val_compare_and_swap(&set->state, state, state | 1) == state;
}

/* Apart from those that need it, for the verifier follows each try. */
SW_PART int sw_syn_set_wait(__u32 index)
{
    struct sw_syn_set *set = bpf_map_lookup_elem(&syn_cache, &index);
    int mine = 0;

    for (int i = 0; i < SW_SPINS && set && !mine; i++)
        mine = sw_syn_set_try(set);
    return mine;
}

static __always_inline int sw_syn_set_lock(struct sw_syn_set *set, __u32 index)
{
    return __builtin_expect(sw_syn_set_try(set), 1) || sw_syn_set_wait(index);
}

static __always_inline void sw_syn_set_unlock(struct sw_syn_set *set, __u32 index)
{
    (void)index;
    __sync_lock_test_and_set(&set->state, SW_READ_ONCE(set->state) & ~1u);
}
#else
/* Those of flows, none of which is held here. */
static __always_inline int sw_syn_set_lock(struct sw_syn_set *set, __u32 index)
{
    __u32 slot = index & (SW_LOCKS - 1);
    struct sw_lock *l = bpf_map_lookup_elem(&locks, &slot);

    (void)set;
    return l && sw_lock_spin(l);
}

static __always_inline void sw_syn_set_unlock(struct sw_syn_set *set, __u32 index)
{
    __u32 slot = index & (SW_LOCKS - 1);
    struct sw_lock *l = bpf_map_lookup_elem(&locks, &slot);

    (void)set;
    if (l)
        sw_lock_drop(l);
}
#endif

/* The locked set of a hash; 0: somebody else has it for too long. */
static __always_inline struct sw_syn_set *sw_syn_set_take(__u64 hash)
{
    __u32 index = sw_syn_set_index(hash);
    struct sw_syn_set *set = bpf_map_lookup_elem(&syn_cache, &index);

    if (!set)
        return 0;
    if (sw_syn_set_lock(set, index))
        return set;
    sw_count(SW_C_LOCK_TIMEOUT);
    return 0;
}

static __always_inline void sw_syn_set_drop(struct sw_syn_set *set, __u64 hash)
{
    sw_syn_set_unlock(set, sw_syn_set_index(hash));
}

/* Its place in the set, or SW_SYN_WAYS. */
static __always_inline __u32 sw_syn_set_find(const struct sw_syn_set *set, __u32 tag)
{
    __u32 at;

    SW_UNROLLED
    for (at = 0; at < SW_SYN_WAYS; at++)
        if (SW_READ_ONCE(set->tag[at]) == tag)
            break;
    sw_forget(at, tag);
    return at;
}

/* The place of the oldest, for a new one. */
static __always_inline __u32 sw_syn_set_next(struct sw_syn_set *set)
{
    __u32 at = set->state >> 1;

    if (at >= SW_SYN_WAYS)
        at = 0;
    set->state = (at + 1) << 1 | 1;
    return at;
}

/* Of a place below SW_SYN_WAYS. The mask is for the verifier: by it, each is one of the set's 16 lines or words. */
static __always_inline struct sw_syn_note *sw_syn_note_at(struct sw_syn_set *set, __u32 at)
{
    at++;
    sw_opaque(at);
    return (struct sw_syn_note *)set + (at & SW_SYN_WAYS);
}

static __always_inline __u32 *sw_syn_tag_at(struct sw_syn_set *set, __u32 at)
{
    at++;
    sw_opaque(at);
    return (__u32 *)set + (at & SW_SYN_WAYS);
}

/*
 * Begins to fetch what a new note will need from memory, before other look-ups that wait for it, too: the line of the
 * set, and that of the place whose turn it is.
 */
static __always_inline void sw_syn_cache_touch(__u64 hash)
{
    __u32 index = sw_syn_set_index(hash);
    struct sw_syn_set *set = bpf_map_lookup_elem(&syn_cache, &index);

    if (set)
        (void)SW_READ_ONCE(set->state);
}

static __always_inline void sw_syn_cache_touch_next(__u64 hash)
{
    __u32 index = sw_syn_set_index(hash);
    struct sw_syn_set *set = bpf_map_lookup_elem(&syn_cache, &index);

    if (set)
        (void)SW_READ_ONCE(sw_syn_note_at(set, SW_READ_ONCE(set->state) >> 1)->ns);
}

/* The note of the handshake in a locked set, or 0. */
static __always_inline struct sw_syn_note *sw_syn_set_note(struct sw_syn_set *set, __u64 hash)
{
    __u32 at = sw_syn_set_find(set, sw_syn_tag(hash));

    return at < SW_SYN_WAYS ? sw_syn_note_at(set, at) : 0;
}

/* The note at its place; if it has none, at the next one's, which has its tag from now on. */
static __always_inline struct sw_syn_note *sw_syn_set_claim(struct sw_syn_set *set, __u32 tag, __u32 at)
{
    if (at >= SW_SYN_WAYS) {
        at = sw_syn_set_next(set);
        *sw_syn_tag_at(set, at) = tag;
    }
    return sw_syn_note_at(set, at);
}

/* Its note, or a place for it, with its tag. */
static __always_inline struct sw_syn_note *sw_syn_set_place(struct sw_syn_set *set, __u64 hash)
{
    __u32 tag = sw_syn_tag(hash);

    return sw_syn_set_claim(set, tag, sw_syn_set_find(set, tag));
}

/* Is it less than 2^39 ns before or after, nine minutes, which is all that a note has bits for? */
static __always_inline int sw_note_has_time_for(__u64 after)
{
    return (after + (1ull << 39)) >> 40 == 0;
}

static __always_inline void sw_note_seg_read(struct sw_cached_seg *c, const struct sw_note_seg *n)
{
    __builtin_memcpy(&c->flags, n, sizeof(*n));
}

static __always_inline void sw_note_seg_write(struct sw_note_seg *n, const struct sw_cached_seg *c)
{
    __builtin_memcpy(n, &c->flags, sizeof(*n));
}

static __always_inline void sw_note_read(struct sw_cached_handshake *n, const struct sw_syn_note *from)
{
    __s64 after = ((__u64)from->synack_after_high << 56 | (__u64)from->synack_after << 24);

    __builtin_memset(n, 0, sizeof(*n));
    n->syn.ns = from->ns;
    n->syn.seq = from->seq;
    sw_note_seg_read(&n->syn, &from->syn);
    if (from->bits & SW_NOTE_SYNACK) {
        n->synack.ns = from->ns + (after >> 24);
        n->synack.seq = from->synack_seq;
        sw_note_seg_read(&n->synack, &from->synack);
        n->synack_ack = from->seq + 1 + from->acked;
    }
    n->ifindex = from->ifindex;
    n->vlan[0] = from->vlan[0];
    n->vlan[1] = from->vlan[1];
    n->src_is_b = from->bits / SW_NOTE_SRC_IS_B & 1;
    n->hook = from->bits >> SW_NOTE_HOOK;
    n->syn_rexmit = from->syn_rexmit;
    n->synack_rexmit = from->synack_rexmit;
    n->opening = from->bits & SW_NOTE_OPENING;
    n->two_isns = from->bits / SW_NOTE_TWO_ISNS & 1;
    n->listener = from->listener;
    n->local = from->local;
    n->other_isn = from->other_isn;
}

static __always_inline void sw_note_write(struct sw_syn_note *to, const struct sw_cached_handshake *n)
{
    __u64 after = n->synack.ns ? n->synack.ns - n->syn.ns : 0;

    to->ns = n->syn.ns;
    to->seq = n->syn.seq;
    to->synack_seq = n->synack.seq;
    to->other_isn = n->other_isn;
    to->synack_after = after;
    to->synack_after_high = after >> 32;
    to->ifindex = n->ifindex;
    sw_note_seg_write(&to->syn, &n->syn);
    sw_note_seg_write(&to->synack, &n->synack);
    to->acked = n->synack_ack - n->syn.seq - 1;
    to->vlan[0] = n->vlan[0];
    to->vlan[1] = n->vlan[1];
    to->syn_rexmit = n->syn_rexmit;
    to->synack_rexmit = n->synack_rexmit;
    to->local = n->local;
    to->listener = n->listener;
    to->bits = n->opening | (n->two_isns ? SW_NOTE_TWO_ISNS : 0) | (n->src_is_b & 1 ? SW_NOTE_SRC_IS_B : 0) |
               (n->synack.ns ? SW_NOTE_SYNACK : 0) | n->hook << SW_NOTE_HOOK;
}

#endif
