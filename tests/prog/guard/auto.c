/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A calm service in auto engages for its reasons, in time, and for no other. */
#include "guardlife.h"

TEST(half_open)
{
    flood(99, 200);
    evaluate();
    expect_state(CALM);
    expect_changes("");
    flood(1, 200);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.half_open, 100);
    assert_int_equal(last.half_open_threshold, 100);
    assert_int_equal(last.syn_rate_threshold, 1000);
    assert_in_range(last.syn_rate, 95, 100);
    assert_int_equal(last.completed_rate, 0);
    assert_int_equal(last.service, svc);
    assert_int_equal(last.svc_port, htons(80));
    assert_int_equal(last.any, SW_ANY_4 | SW_ANY_6);
    assert_int_equal(last.mode, SW_GM_AUTO);
    assert_int_equal(last.backend, SW_BK_REQSK);
    assert_int_equal(last.dry_run, 0);
    assert_int_equal(last.ts, bpfrun_now(run));
    assert_int_equal(guardrun_conf(guard)->active, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
}

/* No daemon runs: the SYNs themselves trigger the evaluation, within a tenth of a second. */
TEST(detected_by_the_syns)
{
    struct talk s;

    for (int i = 0; i < 100; i++) {
        s = new_client(80);
        assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    }
    expect_state(CALM);
    pass_time(SW_DETECT_NS);
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX); /* the SYN that triggered the evaluation */
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

TEST(half_open_ones_grow_old)
{
    flood(99, 1000);
    detect_for(62 * SEC);
    flood(20, 1000);
    evaluate();
    expect_state(ENGAGED);
    assert_int_equal(auto_test(NULL), 0);
    flood(99, 1000);
    detect_for(65 * SEC); /* the listener has given them up */
    flood(20, 1000);
    evaluate();
    expect_state(CALM);
    assert_in_range(guardrun_at(guard, svc)->half_open, 20, 20);
}

/* Completed, refused, reset by the listener or by the client: not half-open. */
TEST(what_is_resolved_is_not_half_open)
{
    for (int i = 0; i < 400; i++) {
        struct talk s = new_client(80);
        struct pkt p;

        pass_time(5 * MS);
        if (i % 4) {
            syn_from(&s);
        } else {
            syn_alone(&s);
            p = talk_pkt(&s, B, RST | ACK, 0);
            p.seq = 0;
            leave(&p);
        }
        if (i % 4 == 1)
            complete(&s);
        p = talk_pkt(&s, i % 4 == 2 ? A : B, RST, 0);
        if (i % 4 == 2)
            shoot(&p);
        else if (i % 4 == 3)
            leave(&p);
    }
    evaluate();
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_OPENED], 300);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_RESOLVED], 300);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_COMPLETED], 100);
}

/* --- the second opinion: what the kernel says of its queue, as the daemon writes it --- */

static void kernel_says(__u32 half_open, __u32 full)
{
    struct sw_service *sv = guardrun_at(guard, svc);

    sv->kernel_half_open = half_open;
    sv->kernel_full = full;
    sv->kernel_at = bpfrun_now(run);
}

/* A flood that nobody foresaw: the programs count nothing, the kernel has it. */
TEST(kernel_has_more)
{
    kernel_says(99, 0);
    evaluate();
    evaluate();
    expect_state(CALM);
    kernel_says(100, 0);
    evaluate();
    expect_state(CALM); /* two looks */
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:kernel_queue");
    assert_int_equal(last.half_open, 0);
    assert_int_equal(last.kernel_half_open, 100);
    /* what is left from before does not keep it engaged, nor engage it again; more does */
    for (int i = 0; i < 110; i++) {
        kernel_says(100, 0);
        evaluate();
    }
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
    kernel_says(90, 0);
    evaluate();
    kernel_says(189, 0);
    evaluate();
    evaluate();
    expect_state(GRACE);
    kernel_says(190, 0);
    evaluate();
    evaluate();
    expect_changes("grace>engaged:kernel_queue");
}

/* A queue that is full, while few complete; not one that only a burst of clients has filled. */
TEST(kernel_queue_is_full)
{
    struct talk s;

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 5; i++) {
            s = new_client(80);
            syn_from(&s);
            complete(&s);
        }
        kernel_says(40, 1);
        evaluate();
    }
    expect_state(CALM);
    pass_time(2 * SEC);
    for (int round = 0; round < 2; round++) {
        flood(10, 1000);
        kernel_says(40, 1);
        evaluate();
    }
    expect_state(ENGAGED);
    expect_changes("calm>engaged:kernel_queue");
}

/* What the kernel no longer has is not half-open: clients that aborted in a way that the programs do not believe. */
TEST(kernel_has_less)
{
    for (int i = 0; i < 80; i++) {
        flood(5, 50);
        kernel_says(3, 0);
        evaluate();
        assert_in_range(guardrun_at(guard, svc)->half_open, 0, 3 + 60); /* and what came in the second before */
    }
    expect_state(CALM);
    expect_changes("");
    detect_for(3 * SEC); /* the daemon is dead: what was counted counts */
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

/* A handshake is counted once, however often its SYN comes. */
TEST(retransmissions_are_one_handshake)
{
    for (int i = 0; i < 60; i++) {
        struct talk s = new_client(80);

        pass_time(10 * MS);
        for (int again = 0; again < 3; again++)
            syn_from(&s);
    }
    evaluate();
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->half_open, 60);
}

TEST(syn_rate)
{
    guardrun_conf(guard)->half_open = 1 << 20;
    flood(900, 900);
    evaluate();
    expect_state(CALM);
    pass_time(2 * SEC);
    evaluate();
    flood(1500, 2000);
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
    assert_true(last.syn_rate >= 1000);
    assert_int_equal(last.completed_rate, 0);
}

/* In time: at twice the threshold, half a second until the rate over a second is there, and two evaluations. */
TEST(syn_rate_in_time)
{
    __u64 start;

    guardrun_conf(guard)->half_open = 1 << 20;
    start = bpfrun_now(run);
    for (int i = 0; i < 4000 && state_of(svc) == SW_GS_CALM; i++)
        flood(1, 2000);
    expect_state(ENGAGED);
    assert_in_range(bpfrun_now(run) - start, 500 * MS, 800 * MS);
}

/* Many SYNs, and most of them complete: a busy service, not a flood. */
TEST(many_who_complete)
{
    for (int i = 0; i < 6000; i++) {
        struct talk s = new_client(80);

        pass_time(SEC / 2000);
        syn_from(&s);
        if (i % 50)
            complete(&s);
    }
    expect_changes("calm>engaged:half_open"); /* one in fifty did not: 120 half-open */
    assert_int_equal(auto_test(NULL), 0);
    guardrun_conf(guard)->half_open = 1 << 20;
    for (int i = 0; i < 6000; i++) {
        struct talk s = new_client(80);

        pass_time(SEC / 2000);
        syn_from(&s);
        if (i % 50)
            complete(&s);
    }
    expect_state(CALM);
    expect_changes("");
}

/* 1,000 real clients at once, thresholds as they are by default: their SYNs first, all their answers later. */
TEST(burst_of_real_clients)
{
    static struct talk all[1000];

    guardrun_conf(guard)->half_open = 1024;
    guardrun_conf(guard)->syn_rate = 4000;
    for (int burst = 0; burst < 5; burst++) {
        for (int i = 0; i < 1000; i++) {
            all[i] = new_client(80);
            pass_time(MS / 100);
            assert_int_equal(syn_from(&all[i]), BPFRUN_XDP_PASS);
        }
        evaluate();
        evaluate();
        for (int i = 0; i < 1000; i++) {
            pass_time(MS / 100);
            complete(&all[i]);
        }
        detect_for(SEC);
    }
    expect_state(CALM);
    expect_changes("");
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_RESOLVED], 5000);
}

/* Over the rate in one evaluation, and answered by the next: clients that all came in the same moment. */
TEST(answers_come_late)
{
    static struct talk all[1500];

    guardrun_conf(guard)->half_open = 1 << 20;
    for (int i = 0; i < 1500; i++) {
        all[i] = new_client(80);
        syn_from(&all[i]);
    }
    evaluate();
    assert_int_equal(guardrun_at(guard, svc)->syn_rate, 1500);
    expect_state(CALM);
    for (int i = 0; i < 1500; i++)
        complete(&all[i]);
    detect_for(2 * SEC);
    expect_state(CALM);
    expect_changes("");
}

/* A client that resets its own handshake has completed nothing: such pairs do not hide a flood. */
TEST(syn_and_reset_pairs)
{
    guardrun_conf(guard)->half_open = 1 << 20;
    for (int i = 0; i < 4000; i++) {
        struct talk s = new_client(80);
        struct pkt p;

        pass_time(SEC / 4000);
        syn_from(&s);
        p = talk_pkt(&s, A, RST, 0);
        shoot(&p);
    }
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        AUTO(half_open),
        AUTO(detected_by_the_syns),
        AUTO(half_open_ones_grow_old),
        AUTO(what_is_resolved_is_not_half_open),
        AUTO(kernel_has_more),
        AUTO(kernel_queue_is_full),
        AUTO(kernel_has_less),
        AUTO(retransmissions_are_one_handshake),
        AUTO(syn_rate),
        AUTO(syn_rate_in_time),
        AUTO(many_who_complete),
        AUTO(burst_of_real_clients),
        AUTO(answers_come_late),
        AUTO(syn_and_reset_pairs),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
