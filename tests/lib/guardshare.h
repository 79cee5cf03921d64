/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The shares of a small table of flows. */
#ifndef SW_TEST_GUARDSHARE_H
#define SW_TEST_GUARDSHARE_H

#include "guardcount.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "synward.skel.h"

enum { FLOWS = 32, UNCONFIRMED = FLOWS / 4, CLAIMED = FLOWS / 2 };

static inline __s64 count_of(enum sw_share_kind kind)
{
    const struct sw_share *share = &bpfrun_object(run)->bss->shares[kind];

    return share->taken - share->left;
}

#endif
