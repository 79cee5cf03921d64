/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Entries of the lists, and SYNs of anybody. */
#ifndef SW_TEST_GUARDLIST_H
#define SW_TEST_GUARDLIST_H

#include "guardfix.h"

static inline void list4(bool allow, __u32 ip, __u32 len)
{
    __u8 bytes[16];

    pkt_v4(bytes, ip);
    assert_int_equal(guardrun_list(guard, allow, bytes, 96 + len, SW_LIST_OPTION), 0);
}

static inline struct pkt syn_of(__u32 source)
{
    struct pkt p = usual_syn();

    pkt_v4(p.src, source);
    return p;
}

#endif
