/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracker compiled for the host, for `synward replay` (src/native/tracker.c): the same sources, and nothing of the
 * guard. The helpers are those of src/native/helpers.h. Replaces the whole of guard/.
 */
#ifndef SW_BPF_NATIVE_H
#define SW_BPF_NATIVE_H

#include "packet/checksum.h"
#include "track/sweep.h"

static __always_inline void sw_account_resolved(struct sw_key *key, __u32 resp_is_b, __u32 how)
{
    (void)key, (void)resp_is_b, (void)how;
}

static __always_inline int sw_is_guarded(struct sw_key *key)
{
    (void)key;
    return 0;
}

#endif
