/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Third packets: asking for a cookie, and what must be true when one is taken. */
#ifndef SW_TEST_GUARDACK_H
#define SW_TEST_GUARDACK_H

#include "guardfix.h"

#define EPOCH (1ull << SW_EPOCH_SHIFT)

static struct decoded synack;

static inline void ask(struct pkt syn)
{
    synack = cookie_for(&syn);
}

/* In the middle of an epoch, so that no test straddles two by chance. */
static inline void mid_epoch(void)
{
    bpfrun_set_now(run, (bpfrun_now(run) / EPOCH + 1) * EPOCH + EPOCH / 2);
}

static inline void expect_from_cookie(const struct pkt *p)
{
    struct sw_flow f;

    expect_pass(p, "cookies_accepted");
    assert_true(out.meta_len >= 8); /* metadata for sw_accept */
    assert_memory_equal(out.meta, "WNYS", 4);
    expect_where(t, FLOWS);
    f = talk_flow(t);
    assert_true(f.flags & SW_F_COOKIE);
    assert_true(f.flags & SW_F_ESTABLISHED);
    assert_int_equal(f.direction_by, SW_BY_SYN);
    assert_int_equal(f.end[A].isn, t->isn[A]);
    assert_int_equal(f.end[B].isn, t->isn[B]);
}

#endif
