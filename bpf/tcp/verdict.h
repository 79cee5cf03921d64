/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The result of the state machine for a segment. Pure. */
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
    SW_SAME_FLOW,   /* the segment belongs to the flow */
    SW_NEW_FLOW,    /* it begins another connection: end this flow as reused, start a new one; nothing was changed */
    SW_NEW_PENDING, /* it answers the pending SYN: the same, the new flow's SYN is in pend_* */
};

static __always_inline void sw_anomaly_add(struct sw_out *o, enum sw_anomaly a)
{
    o->events |= 1u << SW_EV_ANOMALY;
    if (!o->anomaly)
        o->anomaly = a;
}

static __always_inline void sw_flow_set_ended(struct sw_flow *f, __u64 now, enum sw_reason why)
{
    f->flags |= SW_F_ENDED;
    f->ended_ns = now;
    f->reason = why;
}

#endif
