/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A striped try-lock for flows, and the state machine under it. */
#ifndef SW_BPF_TRACK_LOCK_H
#define SW_BPF_TRACK_LOCK_H

#include "tcp/fsm.h"
#include "track/ladder.h"

static __always_inline struct sw_lock *sw_lock_of(__u64 hash)
{
    __u32 slot = sw_hash_slot(hash) & (SW_LOCKS - 1);

    return bpf_map_lookup_elem(&locks, &slot);
}

#ifndef SW_OLD
static __always_inline int sw_lock_try(struct sw_lock *l)
{
    return !__sync_val_compare_and_swap(&l->taken, 0, 1);
}

static __always_inline void sw_lock_drop(struct sw_lock *l)
{
    __sync_lock_test_and_set(&l->taken, 0);
}

/* Only one may end a flow: the sweep and a new SYN on the same four-tuple can meet on two CPUs. */
static __always_inline int sw_claim_end(struct sw_flow *f, struct sw_lock *l)
{
    (void)l;
    return !__sync_val_compare_and_swap(&f->end_claimed, 0, 1);
}
#else
/* No atomic exchange before 5.12: a spin lock around plain accesses. */
static __always_inline int sw_lock_try(struct sw_lock *l)
{
    int mine;

    bpf_spin_lock(&l->spin);
    mine = !l->taken;
    l->taken = 1;
    bpf_spin_unlock(&l->spin);
    return mine;
}

static __always_inline void sw_lock_drop(struct sw_lock *l)
{
    bpf_spin_lock(&l->spin);
    l->taken = 0;
    bpf_spin_unlock(&l->spin);
}

static __always_inline int sw_claim_end(struct sw_flow *f, struct sw_lock *l)
{
    int mine;

    bpf_spin_lock(&l->spin);
    mine = !f->end_claimed;
    f->end_claimed = 1;
    bpf_spin_unlock(&l->spin);
    return mine;
}
#endif

/* After a step of the state machine: does the ladder keep its segment? before: the flow's mark before it. */
static __always_inline void sw_step_ladder(const struct sw_flow *f, const struct sw_seg *s, __u32 before)
{
    __u32 mark = sw_ladder_mark(f);

    if (!s->bad_csum && sw_ladder_keeps(s, before, mark))
        sw_ladder_add((f->flags & SW_F_IN_FLOWS ? SW_LADDER_IN_FLOWS : 0) | (__u32)sw_ladder_states(mark, f->orig_is_b)
                                                                                << SW_LADDER_STATES,
                      f->start_ns);
}

static __always_inline int sw_lock_spin(struct sw_lock *l)
{
    int mine = 0;

    for (int i = 0; i < SW_SPINS && !mine; i++)
        mine = sw_lock_try(l);
    return mine;
}

#ifndef SW_OLD
/* Of the flow whose key is in scratch. Apart from those that need it, for the verifier follows each try. */
SW_PART int sw_lock_wait(__u32 context)
{
    struct sw_scratch *sc = sw_scratch_of(context);
    struct sw_lock *l = sc ? sw_lock_of(sw_key_hash(&sc->key)) : 0;

    return l && sw_lock_spin(l);
}

static __always_inline int sw_lock_take(struct sw_lock *l)
{
    if (__builtin_expect(sw_lock_try(l), 1))
        return 1;
    return sw_lock_wait(SW_CTX_PACKET);
}
#else /* one more function is too much stack */
static __always_inline int sw_lock_take(struct sw_lock *l)
{
    return sw_lock_spin(l);
}
#endif

/*
 * The state machine under the flow's lock: one word, striped by the key. bpf_spin_lock would forbid calls while held,
 * and is not allowed in LRU values. A segment is never preempted by another one on its CPU (bottom halves are off), so
 * waiting is short, unless the sweep holds it, which a segment may interrupt; after SW_SPINS tries the segment proceeds
 * without the lock (fail open) and is counted: at worst two segments write one flow's fields at once. The LRU may reuse
 * the value meanwhile: then one segment is processed with the entry of another flow, in a flood only, and the eviction
 * count includes it.
 */
static __always_inline int sw_step_locked(struct sw_flow *f, struct sw_seg *s, struct sw_out *o, struct sw_lock *l)
{
    int verdict, mine = sw_lock_take(l);
    __u32 before;

    if (!mine)
        sw_count(SW_C_LOCK_TIMEOUT);
#ifdef SW_OLD
    if (mine && sw_fsm_fast(f, s)) { /* here, because sw_fsm_step copies back the whole flow */
        sw_count(SW_C_FAST_PATH);
        sw_lock_drop(l);
        return SW_SAME_FLOW;
    }
#endif
    before = cfg.ladder ? sw_ladder_mark(f) : 0;
    verdict = sw_fsm_step(f, s, o);
    if (cfg.ladder && verdict == SW_SAME_FLOW)
        sw_step_ladder(f, s, before);
    if (mine)
        sw_lock_drop(l);
    return verdict;
}

#endif
