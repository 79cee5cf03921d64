/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sample of each record of the guard. */
#ifndef SW_TEST_GUARD_LINES_H
#define SW_TEST_GUARD_LINES_H

#include "lines.h"

static const __u8 v4[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};
static const __u8 v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

static inline struct sw_guard_event emitted_guard(void)
{
    struct sw_guard_event t = {.version = SW_CONTRACT_VERSION,
                               .size = sizeof(t),
                               .kind = SW_GUARD_EV_STATE,
                               .hook = SW_HOOK_XDP_INGRESS,
                               .mode = SW_GM_AUTO,
                               .ifindex = 3,
                               .service = 5,
                               .ts = 1700000000123456789ULL,
                               .svc_port = htons(80),
                               .from = SW_GS_CALM,
                               .to = SW_GS_ENGAGED,
                               .cause = SW_GW_SYN_RATE,
                               .backend = SW_BK_REQSK,
                               .half_open = 901,
                               .half_open_threshold = 1024,
                               .syn_rate = 51234,
                               .syn_rate_threshold = 4000,
                               .completed_rate = 17,
                               .kernel_half_open = 950,
                               .in_state_ns = 12000000000ULL};

    memcpy(t.svc_ip, v4, 16);
    return t;
}

static inline struct sw_guard_event emitted_drop(void)
{
    struct sw_guard_event t = emitted_guard();

    t.kind = SW_GUARD_EV_DROP;
    t.reason = SW_DROP_COOKIE_BAD;
    t.count = 4711;
    memcpy(t.src_ip, v6, 16);
    memcpy(t.dst_ip, v4, 16);
    t.src_port = htons(40000);
    t.dst_port = htons(80);
    t.seq = 4294967295u;
    t.ack = 7;
    t.payload = 12;
    t.flags = SW_TCP_ACK | SW_TCP_PSH;
    return t;
}

static inline struct sw_guard_event emitted_gateway(void)
{
    struct sw_guard_event t = emitted_drop();

    t.kind = SW_GUARD_EV_GATEWAY;
    t.hook = SW_HOOK_TC_EGRESS;
    t.reason = SW_GC_REFUSED;
    t.count = 3;
    t.connections = 12;
    t.mss = 1460;
    t.wscale = 9;
    t.grants = SW_BE_TS | SW_BE_WSCALE;
    memcpy(t.src_ip, v4, 16);
    t.src_ip[15] = 1;
    return t;
}

/* Of none: it counts what no other one does. */
static inline struct sw_guard_event gateway_rest(enum sw_gateway_counter what)
{
    struct sw_guard_event t = emitted_gateway();

    t.hook = SW_HOOK_SWEEP;
    t.ifindex = 0;
    t.reason = (__u8)what;
    t.src_port = t.dst_port = 0;
    memset(t.src_ip, 0, 16);
    memset(t.dst_ip, 0, 16);
    return t;
}

static inline struct sw_report_service service(void)
{
    struct sw_report_service s = {.service = {.port = htons(443),
                                              .mode = SW_GM_ALWAYS,
                                              .state = SW_GS_GRACE,
                                              .cause = SW_GW_BELOW_THRESHOLD,
                                              .backend = SW_BK_LISTENER,
                                              .flags = SW_SV_MPTCP,
                                              .wscale = 7,
                                              .since = 1000,
                                              .half_open = 3,
                                              .syn_rate = 40,
                                              .completed_rate = 39,
                                              .kernel_half_open = 4}};

    memcpy(s.service.ip, v6, 16);
    for (int i = 0; i < SW_T_MAX; i++)
        s.tally.item[i] = 100 + i;
    s.tally.drop[SW_DROP_NONE] = 1000000; /* nobody counts it */
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        s.tally.drop[i] = i;
    return s;
}

static inline void emit(struct out *o, const struct sw_guard_event *t)
{
    assert_int_equal(sw_report_guard_event(o->r, t), 0);
}

#endif
