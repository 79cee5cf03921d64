/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From `half_open` to `flows`. Another CPU may be ending the flow, or process a segment of it: who moves it claims its
 * end first, so that nobody ends it meanwhile, and none is moved that somebody ends: of its copy nobody could.
 */
#ifndef SW_BPF_TRACK_PROMOTE_H
#define SW_BPF_TRACK_PROMOTE_H

#include "track/lock.h"
#include "track/share.h"

#define SW_EEXIST 17 /* errno.h is not for BPF */

#ifndef SW_OLD
/* One flag, beside those that others change at the same time. */
static __always_inline void sw_flow_mark(struct sw_flow *f, __u32 flag)
{
    __sync_fetch_and_or(&f->flags, flag);
}

static __always_inline void sw_flow_unmark(struct sw_flow *f, __u32 flag)
{
    __sync_fetch_and_and(&f->flags, ~flag);
}

static __always_inline int sw_claim_move(struct sw_flow *f, struct sw_lock *l)
{
    return sw_claim_end(f, l);
}

static __always_inline void sw_disclaim(struct sw_flow *f)
{
    SW_WRITE_ONCE(f->end_claimed, 0);
}

/* A segment has ended the flow that was found in `half_open` before it was moved: else its copy would go on until it
 * times out. */
static __always_inline void sw_end_copy(struct sw_flow *copy, const struct sw_flow *f)
{
    if (!(f->flags & SW_F_ENDED) || copy->flags & SW_F_ENDED || copy->start_ns != f->start_ns)
        return;
    copy->ended_ns = f->ended_ns;
    copy->reason = f->reason;
    copy->closed_by = f->closed_by;
    sw_flow_mark(copy, SW_F_ENDED);
}

/* A segment has ended the flow, and its end is somebody else's: perhaps he has moved it. */
static __always_inline void sw_end_moved(struct sw_key *key, const struct sw_flow *f)
{
    struct sw_flow *copy = bpf_map_lookup_elem(&flows, key);

    if (copy)
        sw_end_copy(copy, f);
}

static __always_inline void sw_release_copy(struct sw_key *key, const struct sw_flow *f)
{
    struct sw_flow *copy = bpf_map_lookup_elem(&flows, key);

    if (!copy)
        return;
    sw_flow_mark(copy,
                 SW_F_IN_FLOWS); /* a segment of the other CPU may have taken it from f before the copy was made */
    sw_end_copy(copy, f);
    sw_disclaim(copy);
}
#else
/* No atomic or before 5.12, nor is there a guard, whose sweep moves flows. */
static __always_inline void sw_flow_mark(struct sw_flow *f, __u32 flag)
{
    f->flags |= flag;
}

static __always_inline void sw_flow_unmark(struct sw_flow *f, __u32 flag)
{
    f->flags &= ~flag;
}

static __always_inline int sw_claim_move(struct sw_flow *f, struct sw_lock *l)
{
    (void)f;
    (void)l;
    return 1;
}

static __always_inline void sw_disclaim(struct sw_flow *f)
{
    (void)f;
}

static __always_inline void sw_end_moved(struct sw_key *key, const struct sw_flow *f)
{
    (void)key;
    (void)f;
}

static __always_inline void sw_release_copy(struct sw_key *key, const struct sw_flow *f)
{
    (void)key;
    (void)f;
}
#endif

/* Established: moves the flow from `half_open` to `flows`. If there is no place for it, it remains in `half_open`; with
 * the guard until there is one. */
static __always_inline int sw_promote(__u32 context, struct sw_key *key, struct sw_flow *f)
{
    int held = f->held;
    long err;

    if (!sw_share_take(context, f)) {
        sw_flow_unmark(f, SW_F_IN_FLOWS);
        return 0;
    }
    sw_flow_mark(f, SW_F_IN_FLOWS);
    err = bpf_map_update_elem(&flows, key, f, BPF_NOEXIST);
    if (!err && cfg.ladder)
        sw_ladder_move(context, f->start_ns);
    if (!err)
        return 1;
    sw_share_leave(f->flags | SW_F_IN_FLOWS);
    sw_flow_unmark(f, SW_F_IN_FLOWS);
    if (err == -SW_EEXIST)
        return 0;
    if (cfg.guard)
        f->held = held | SW_HELD_WAITS | SW_HELD_FULL;
    if (!(held & SW_HELD_FULL))
        sw_count_in(context, SW_C_FLOWS_FULL);
    return 0;
}

/* The flow, whose end the caller has claimed (sw_claim_move), from its entry in `half_open`. */
static __always_inline int sw_move(__u32 context, struct sw_key *key, struct sw_flow *f)
{
    if (!sw_promote(context, key, f)) {
        sw_disclaim(f);
        return 0;
    }
    sw_release_copy(key, f);
    if (!bpf_map_delete_elem(&half_open, key)) /* if it was evicted meanwhile, it is not lost */
        sw_half_open_gives(1);
    sw_count_in(context, SW_C_HALF_OPEN_PROMOTED);
    return 1;
}

#endif
