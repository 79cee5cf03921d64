/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tracker calls of the guard, where there is none: in kernels before 5.18 (legacy.h), and compiled for the
 * host (src/native/tracker.c). */
#ifndef SW_BPF_UNGUARDED_H
#define SW_BPF_UNGUARDED_H

#include "track/maps.h"

static __always_inline void sw_account_resolved(struct sw_key *key, __u32 resp_is_b, __u32 how)
{
    (void)key, (void)resp_is_b, (void)how;
}

static __always_inline void sw_known_set(const struct sw_key *k, __u32 src_is_b)
{
    (void)k, (void)src_is_b;
}

static __always_inline int sw_is_guarded(struct sw_key *key)
{
    (void)key;
    return 0;
}

#endif
