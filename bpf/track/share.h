/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * With the guard, how many of `flows` may be connections of which no socket of this host has sent anything. What is
 * above waits in `half_open`, where it can evict nothing that is established by more than a claim.
 */
#ifndef SW_BPF_TRACK_SHARE_H
#define SW_BPF_TRACK_SHARE_H

#include "track/maps.h"

#ifndef SW_OLD

/* Its share by its flags; 0: of none. */
static __always_inline struct sw_share *sw_share_of(__u32 flags)
{
    if (flags & SW_F_CLAIMED)
        return &shares[SW_SHARE_CLAIMED];
    return flags & SW_F_UNCONFIRMED ? &shares[SW_SHARE_UNCONFIRMED] : 0;
}

/* Is there a place in its share? Takes it. */
static __always_inline int sw_share_take(__u32 context, struct sw_flow *f)
{
    struct sw_share *share = cfg.guard ? sw_share_of(f->flags) : 0;
    __s64 most = f->flags & SW_F_CLAIMED ? cfg.share[SW_SHARE_CLAIMED] : cfg.share[SW_SHARE_UNCONFIRMED];

    if (!share)
        goto place;
    if ((__s64)(SW_READ_ONCE(share->taken) - SW_READ_ONCE(share->left)) < most) {
        if ((__s64)(__sync_fetch_and_add(&share->taken, 1) - SW_READ_ONCE(share->left)) < most)
            goto place;
        __sync_fetch_and_add(&share->left, 1);
    }
    if (!(f->held & SW_HELD_SHARE))
        sw_count_in(context, SW_C_FLOWS_HELD);
    f->held |= SW_HELD_WAITS | SW_HELD_SHARE;
    return 0;
place:
    f->held = 0;
    return 1;
}

/* It is not of its share any more: ended, or confirmed. flags: those that it had. */
static __always_inline void sw_share_leave(__u32 flags)
{
    struct sw_share *share = cfg.guard && flags & SW_F_IN_FLOWS ? sw_share_of(flags) : 0;

    if (share)
        __sync_fetch_and_add(&share->left, 1);
}

/* A socket of this host is there. */
static __always_inline void sw_flow_confirm(struct sw_flow *f)
{
    sw_share_leave(__sync_fetch_and_and(&f->flags, ~(SW_F_UNCONFIRMED | SW_F_NO_SOCKET | SW_F_CLAIMED)));
}

/* What this host forwards of it shows that it goes on elsewhere. It keeps its place among those that are claimed. */
static __always_inline void sw_flow_goes_on(struct sw_flow *f)
{
    if (f->flags & SW_F_CLAIMED)
        __sync_fetch_and_and(&f->flags, ~(SW_F_UNCONFIRMED | SW_F_NO_SOCKET));
}

/* It is not certain (any more) that there is one. */
static __always_inline void sw_flow_doubt(struct sw_flow *f)
{
    __u32 flags = __sync_fetch_and_or(&f->flags, SW_F_UNCONFIRMED);

    if (flags & SW_F_IN_FLOWS && !sw_share_of(flags))
        __sync_fetch_and_add(&shares[SW_SHARE_UNCONFIRMED].taken, 1);
}

/*
 * The sweep has found n of a share in `flows`; before it walked there, the share was `before`. What was taken and left
 * meanwhile is in n or not: the count is put right where it can be neither. (Two processors that write one flow's flags
 * at once may lose one; and the maps may have been there before the programs, see --pin.)
 */
static __always_inline void sw_share_check(struct sw_share *share, const struct sw_share *before, __u64 n)
{
    __u64 taken = SW_READ_ONCE(share->taken), left = SW_READ_ONCE(share->left);
    __s64 now = taken - left, least = n - (left - before->left), most = n + (taken - before->taken);

    if (now < least)
        __sync_fetch_and_add(&share->taken, least - now);
    else if (now > most)
        __sync_fetch_and_add(&share->left, now - most);
}

#else
static __always_inline int sw_share_take(__u32 context, struct sw_flow *f)
{
    (void)context;
    (void)f;
    return 1;
}

static __always_inline void sw_share_leave(__u32 flags)
{
    (void)flags;
}
#endif

#endif
