/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Random records for the tests of lines: each field any value, or one that is likely. */
#ifndef SW_TEST_RANDOM_LINES_H
#define SW_TEST_RANDOM_LINES_H

#include "guard_lines.h"

static __u64 random_state = 88172645463325252ULL;

static inline __u64 random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Small, of any size, or one of the ends. */
static inline __u64 random_value(void)
{
    __u64 r = random_u64();

    switch (r & 7) {
    case 0: return 0;
    case 1: return ~0ULL;
    case 2: return r >> 3 & 0xff;
    default: return random_u64() >> (r >> 8 & 63);
    }
}

static inline void random_bytes(void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((__u8 *)to)[i] = random_u64() >> 24;
}

/* IPv4, IPv6 of full length, with a run of zeros, or a short one. */
static inline void random_ip(__u8 ip[16])
{
    int zeros = random_u64() % 8, from = random_u64() % 9;

    random_bytes(ip, 16);
    switch (random_u64() % 4) {
    case 0: memcpy(ip, v4, 12); break;
    case 1: memset(ip + 2 * from, 0, from + zeros > 8 ? 16 - 2 * from : 2 * zeros); break;
    case 2: memcpy(ip, v6, 14); break;
    }
}

static inline struct sw_event random_event(int kind, __u64 ts)
{
    struct sw_event ev = sample(kind);
    struct sw_flow *f = &ev.flow;
    bool likely = random_u64() & 1;

    random_ip(ev.key.a_ip);
    random_ip(ev.key.b_ip);
    ev.key.a_port = random_u64();
    ev.key.b_port = random_u64();
    ev.ts = ts;
    ev.by = random_u64() % 2;
    ev.anomaly = random_u64() % (likely ? 20 : 256);
    f->orig_is_b = random_u64() % 2;
    f->reason = random_u64() % (likely ? 9 : 256);
    f->closed_by = random_u64() % (likely ? 4 : 256);
    f->rst_state = random_u64();
    f->flags = random_u64();
    f->syn_rexmit = likely ? random_u64() % 6 : random_value();
    f->synack_rexmit = likely ? random_u64() % 6 : random_value();
    f->start_ns = likely ? ts - random_value() % (1 + ts) : random_value();
    f->syn_ns = likely ? f->start_ns : random_value();
    f->synack_ns = likely ? f->syn_ns + random_u64() % SW_SECOND : random_value();
    f->est_ns = likely ? f->synack_ns + random_u64() % SW_SECOND : random_value();
    f->last_ns = likely ? ts : random_value();
    f->anomalies = random_value();
    f->hist_len = likely ? random_u64() % (SW_HIST_MAX + 1) : random_u64();
    random_bytes(f->hist, sizeof(f->hist));
    for (int side = 0; side < 2; side++) {
        struct sw_end *e = &f->end[side];

        e->did = random_u64();
        e->more = random_u64();
        e->opts = random_u64();
        e->ecn = random_u64();
        e->state = random_u64();
        e->zstate = random_u64() % (SW_Z_RESET + 1);
        e->mss = random_u64();
        e->wscale = random_u64();
        e->syn_len = random_value();
        e->pkts = random_value();
        e->payload = random_value();
        e->rexmit = random_value();
        e->gaps = random_value();
        e->zero_win = random_value();
        e->bad_csum = random_value();
    }
    return ev;
}

static inline struct sw_guard_event random_guard_event(int kind, __u64 ts)
{
    struct sw_guard_event t = kind == SW_GUARD_EV_DROP      ? emitted_drop()
                              : kind == SW_GUARD_EV_GATEWAY ? emitted_gateway()
                                                            : emitted_guard();
    bool likely = random_u64() & 1;

    t.ts = ts;
    t.dry_run = random_u64() % 2;
    t.ifindex = random_u64() % 5;
    t.any = likely ? random_u64() % 4 : 0;
    t.reason = random_u64() % (likely ? 20 : 256);
    t.from = random_u64() % (likely ? 3 : 256);
    t.to = random_u64() % (likely ? 3 : 256);
    t.cause = random_u64() % (likely ? 9 : 256);
    t.mode = random_u64() % 4;
    t.half_open = random_value();
    t.kernel_half_open = random_value();
    t.syn_rate = random_value();
    t.in_state_ns = random_value();
    t.count = random_value();
    t.connections = random_value();
    t.grants = random_u64();
    t.flags = random_u64();
    t.payload = random_value();
    random_ip(t.svc_ip);
    random_ip(t.src_ip);
    random_ip(t.dst_ip);
    t.svc_port = random_u64();
    t.src_port = random_u64();
    t.dst_port = random_u64();
    return t;
}

static inline struct sw_report_service random_service(void)
{
    struct sw_report_service s = service();

    random_ip(s.service.ip);
    s.service.port = random_u64();
    s.service.any = random_u64() % 4;
    s.service.mode = random_u64() % 5;
    s.service.state = random_u64() % 4;
    s.service.since = random_value();
    s.service.half_open = random_value();
    s.service.syn_rate = random_value();
    s.service.completed_rate = random_value();
    s.final = random_u64() % 2;
    for (int i = 0; i < SW_T_MAX; i++)
        s.tally.item[i] = random_value();
    for (int i = 0; i < SW_DROP_MAX; i++)
        s.tally.drop[i] = random_value();
    return s;
}

static inline struct sw_report_stats random_stats(void)
{
    struct sw_report_stats s = {.services = random_value(),
                                .services_active = random_value(),
                                .services_unprotected = random_value(),
                                .owners_found = random_value(),
                                .owners_unknown = random_value(),
                                .exports = {random_value(), random_value()},
                                .flows = random_value(),
                                .flows_max = random_value(),
                                .half_open = random_value(),
                                .half_open_max = random_value(),
                                .established = random_value(),
                                .lost_total = random_value(),
                                .keys = {.given = random_u64() % 2,
                                         .next = random_u64() % 2,
                                         .now = random_value(),
                                         .next_key = random_value(),
                                         .from = random_value(),
                                         .next_from = random_value()},
                                .final = random_u64() % 2};

    for (int i = 0; i < SW_C_MAX; i++)
        s.counters[i] = random_value();
    return s;
}

/* A random line of any kind, a little after the one before. */
static inline void random_line(struct out *o, __u64 *ts)
{
    int kind = random_u64() % (SW_EV_MAX + 6);
    struct sw_report_service s;
    struct sw_guard_event guard;
    struct sw_report_stats stats;
    __u64 lost[SW_LOSSES] = {1};
    struct sw_event ev;

    *ts += random_u64() % (SW_SECOND * 60);
    switch (kind - SW_EV_MAX) {
    case 0:
        for (int i = 1; i < SW_LOSSES; i++)
            lost[i] = random_value() >> 4;
        assert_int_equal(sw_report_loss(o->r, lost, *ts), 0);
        return;
    case 1:
        stats = random_stats();
        assert_int_equal(sw_report_stats(o->r, &stats, *ts), 0);
        return;
    case 2:
        s = random_service();
        assert_int_equal(sw_report_service(o->r, &s, *ts), 0);
        return;
    case 3:
    case 4:
    case 5:
        guard = random_guard_event((int)kind - SW_EV_MAX - 3, *ts);
        emit(o, &guard);
        return;
    default: ev = random_event(kind, *ts); add(o, &ev);
    }
}

#endif
