/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the guard counts of the listener's handshakes. */
#ifndef SW_TEST_GUARDCOUNT_H
#define SW_TEST_GUARDCOUNT_H

#include "guardlife.h"

static inline __u64 counted(enum sw_svc_counter c)
{
    return guardrun_counters(guard, svc).item[c];
}

static inline void expect_counted_at(const char *file, int line, __u64 opened, __u64 resolved, __u64 completed,
                                     __u64 reopened)
{
    struct sw_svc_counters t = guardrun_counters(guard, svc);

    if (t.item[SW_T_OPENED] == opened && t.item[SW_T_RESOLVED] == resolved && t.item[SW_T_COMPLETED] == completed &&
        t.item[SW_T_REOPENED] == reopened)
        return;
    print_error("opened %llu resolved %llu completed %llu reopened %llu\n", t.item[SW_T_OPENED], t.item[SW_T_RESOLVED],
                t.item[SW_T_COMPLETED], t.item[SW_T_REOPENED]);
    _fail(file, line);
}
#define expect_counted(o, r, c, again) expect_counted_at(__FILE__, __LINE__, o, r, c, again)

static inline struct pkt of(struct talk *s, int who, __u16 flags)
{
    return talk_pkt(s, who, flags, 0);
}

/* Sends it as this host forwards one. */
static inline void forward(const struct pkt *p)
{
    const struct bpfrun_skb skb = {.ingress_ifindex = 77};
    static __u8 frame[PKT_MIN_FRAME * 4];
    int verdict;

    assert_int_equal(bpfrun_egress(run, frame, pkt_build(p, frame, sizeof(frame)), &skb, &verdict), 0);
    bpfrun_clear_events(run);
}

#endif
