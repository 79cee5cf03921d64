/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the state machine says of a segment. Pure. */
#ifndef SW_BPF_TCP_VERDICT_H
#define SW_BPF_TCP_VERDICT_H

#include "compat.h"
#include "synward.h"

struct sw_out {
    __u32 events; /* 1 << enum sw_event_kind */
    __u8 anomaly; /* enum sw_anomaly, with SW_EV_ANOMALY */
    __u8 by;      /* enum sw_side of the sender */
    __u8 pad[2];
};

enum sw_verdict {
    SW_GO_ON,       /* the segment was taken into the flow */
    SW_NEW_FLOW,    /* it begins another connection: end this flow as reused, start anew; nothing was changed */
    SW_NEW_PENDING, /* it answers the pending SYN: the same, the new flow's SYN is in pend_* */
};

static __always_inline void sw_anomaly_add(struct sw_out *o, enum sw_anomaly a)
{
    o->events |= 1u << SW_EV_ANOMALY;
    if (!o->anomaly)
        o->anomaly = a;
}

static __always_inline void sw_over(struct sw_flow *f, __u64 now, enum sw_reason why)
{
    f->flags |= SW_F_OVER;
    f->over_ns = now;
    f->reason = why;
}

#endif
