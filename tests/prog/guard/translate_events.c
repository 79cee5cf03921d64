/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway that translates says what goes wrong: by whom, of which host, how often; and counts what it does not say.
 */
#include "gatefix.h"

static const struct sw_guard_event *reported;

static size_t records(void)
{
    return guardrun_events(guard, &reported);
}

static void sweep(void)
{
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_sweep), NULL), 0);
}

static void refuse(void)
{
    struct pkt p;

    expect_in(&third, NEXT);
    p = pkt_swap(&third);
    p.flags = RST | ACK;
    p.opts_len = 0;
    p.seq = 0;
    p.ack = third.seq;
    expect_back(&p, NEXT);
}

static void one(void)
{
    known(true);
    cookie(true);
    guardrun_clear(guard);
    refuse();
    assert_int_equal(records(), 1);
    assert_int_equal(reported->version, SW_CONTRACT_VERSION);
    assert_int_equal(reported->size, sizeof(*reported));
    assert_int_equal(reported->kind, SW_GUARD_EV_GATEWAY);
    assert_int_equal(reported->reason, SW_GC_REFUSED);
    assert_int_equal(reported->count, 1);
    assert_int_equal(reported->hook, SW_HOOK_TC_EGRESS);
    assert_int_equal(reported->ifindex, 1);
    assert_in_range(reported->ts, 1, bpfrun_now(run));
    assert_memory_equal(reported->src_ip, third.src, 16);
    assert_memory_equal(reported->dst_ip, third.dst, 16);
    assert_int_equal(reported->src_port, htons(third.sport));
    assert_int_equal(reported->dst_port, htons(third.dport));
}
TEST(a_record)
{
    both(one);
}

/* What is more than ten in a second has no record of its own, and is in what is left. */
static void sums(void)
{
    enum { N = 30 };
    static struct pkt last[N];
    __u64 sum = 0;
    size_t len;

    known(true);
    guardrun_clear(guard);
    for (int i = 0; i < N; i++) {
        t->side[A].sport++;
        cookie(true);
        last[i] = third;
    }
    for (int i = 0; i < N; i++) {
        third = last[i];
        refuse();
    }
    assert_int_equal(records(), 10);
    sweep();
    assert_int_equal(records(), 10);
    later(SW_SECOND);
    sweep();
    assert_int_equal(records(), 11);
    assert_int_equal(reported[10].count, N - 10);
    assert_int_equal(reported[10].dst_port, 0);
    len = records();
    sum = 0;
    for (size_t i = 0; i < len; i++)
        if (reported[i].reason == SW_GC_REFUSED)
            sum += reported[i].count;
    assert_int_equal(sum, N);
    assert_int_equal(count(SW_GC_REFUSED), N);
    later(SW_SECOND);
    sweep();
    assert_int_equal(records(), len); /* all is reported */
}
TEST(counts_add_up)
{
    both(sums);
}

/* Nobody reads, and the ring is full: the count is in the next record that fits. */
TEST(a_ring_that_is_full)
{
    struct sw_xlate x;
    __u64 sum = 0;
    size_t len;

    known(true);
    cookie(true);
    guardrun_clear(guard);
    guardrun_drain(guard, false);
    expect_in(&third, NEXT);
    for (int i = 0; i < 8000; i++) {
        later(101 * MS);
        x = entry();
        x.syn_ns = bpfrun_now(run); /* it is not sent again */
        put_entry(&x);
        expect_in(&third, SHOT);
    }
    guardrun_drain(guard, true);
    len = records();
    assert_in_range(len, 1000, 7999);
    later(101 * MS);
    expect_in(&third, SHOT);
    len = records();
    for (size_t i = 0; i < len; i++)
        if (reported[i].reason == SW_GC_EARLY)
            sum += reported[i].count;
    assert_int_equal(sum, count(SW_GC_EARLY));
}

static void silent(void)
{
    known(true);
    later(SW_SECOND);
    cookie(true);
    expect_in(&third, NEXT);
    guardrun_clear(guard);
    later(61 * SW_SECOND);
    sweep();
    assert_int_equal(records(), 1);
    assert_int_equal(reported->reason, SW_GC_SILENT);
    assert_int_equal(reported->hook, SW_HOOK_SWEEP);
    assert_int_equal(reported->ifindex, 0);
    assert_memory_equal(reported->src_ip, third.src, 16);
    assert_int_equal(reported->dst_port, htons(third.dport));
    expect_in(&third, REDIRECT);
    assert_int_equal(records(), 2);
    assert_int_equal(reported[1].reason, SW_GC_DEAD_RESET);
    assert_int_equal(reported[1].hook, SW_HOOK_XDP_INGRESS);
}
TEST(by_time)
{
    both(silent);
}

static void full(void)
{
    struct pkt p;

    known(true);
    st->max = 0;
    guardrun_clear(guard);
    p = usual_syn();
    expect_pass(&p, "passed_backend");
    assert_int_equal(records(), 1);
    assert_int_equal(reported->reason, SW_GC_FULL);
    assert_memory_equal(reported->src_ip, p.src, 16);
    assert_memory_equal(reported->dst_ip, p.dst, 16);
    assert_int_equal(reported->src_port, htons(p.sport));
    assert_int_equal(reported->dst_port, htons(p.dport));
}
TEST(a_full_table)
{
    both(full);
}

static size_t changes(void)
{
    size_t len = records(), n = 0;

    for (size_t i = 0; i < len; i++)
        n += reported[i].reason == SW_GC_CHANGED;
    return n;
}

/* What a host's SYN-ACKs grant: the first says nothing new, another one does, the same one again does not. */
static void grants(void)
{
    struct pkt p;

    guardrun_clear(guard);
    known(true);
    assert_int_equal(changes(), 0);
    p = synack(true, 1400, 9);
    later(2 * SW_SECOND);
    expect_back(&p, NEXT);
    assert_int_equal(changes(), 0);
    p = synack(true, 1300, 8);
    expect_back(&p, NEXT);
    assert_int_equal(changes(), 1);
    assert_int_equal(reported[records() - 1].mss, 1300);
    assert_int_equal(reported[records() - 1].wscale, 8);
    assert_int_equal(reported[records() - 1].grants, SW_BE_TS | SW_BE_SACK | SW_BE_WSCALE);
}
TEST(what_a_host_grants)
{
    both(grants);
}

static void unlearned(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    guardrun_clear(guard);
    p = synack(false, 1400, 9);
    expect_back(&p, NEXT);
    assert_int_equal(changes(), 1);
    assert_int_equal(records(), 2);
    assert_int_equal(reported[0].reason, SW_GC_CHANGED);
    assert_int_equal(reported[0].grants & SW_BE_TS, 0);
    assert_int_equal(reported[0].mss, 1400);
    assert_int_equal(reported[1].reason, SW_GC_NO_TIMESTAMPS);
}
TEST(timestamps_that_are_lost)
{
    both(unlearned);
}

static void drain(void)
{
    struct pkt p;

    opened(true);
    sweep();
    guardrun_clear(guard);
    guardrun_conf(guard)->flags |= SW_G_STOPPING;
    sweep();
    sweep();
    assert_int_equal(records(), 1);
    assert_int_equal(reported->reason, SW_GC_DRAINING);
    assert_int_equal(reported->connections, 1);
    assert_int_equal(reported->dst_port, 0);
    p = third;
    p.flags = RST | ACK;
    p.seq = third.seq;
    expect_in(&p, NEXT);
    later(60 * SW_SECOND);
    sweep();
    sweep();
    assert_int_equal(records(), 2);
    assert_int_equal(reported[1].reason, SW_GC_DRAINED);
    assert_int_equal(reported[1].connections, 0);
    guardrun_conf(guard)->flags &= ~SW_G_STOPPING;
}
TEST(no_more_cookies)
{
    both(drain);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_record),
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(a_ring_that_is_full),
        cmocka_unit_test(by_time),
        cmocka_unit_test(a_full_table),
        cmocka_unit_test(what_a_host_grants),
        cmocka_unit_test(timestamps_that_are_lost),
        cmocka_unit_test(no_more_cookies),
    };

    return cmocka_run_group_tests(cases, group, guarded_group_end);
}
