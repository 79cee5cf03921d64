/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A handshake whose half-open flow was evicted by a flood has the same events as without a flood. */
#include "floods.h"

static void scenario_ack(void)
{
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, ACK, 0);
}
TEST(ack)
{
    same_lines_in_all_variants(scenario_ack, "opening established", 1);
    expect_counter(t, HALF_OPEN_CREATED, FLOOD + 2);
    assert_int_equal(logs[1].where, BPFRUN_FLOWS);
    assert_int_equal(logs[1].flow.direction_by, SW_BY_SYN);
    assert_int_equal(logs[1].flow.est_ns - logs[1].flow.syn_ns, (FLOOD + 2) * MS);
    assert_int_equal(logs[1].flow.end[A].mss, 1460);
    assert_int_equal(logs[1].flow.end[B].mss, 1360);
    assert_int_equal(logs[1].flow.end[B].wscale, 9);
}

static void scenario_whole(void)
{
    scenario_ack();
    talk_on_and_close();
}
TEST(ack_and_the_rest)
{
    same_lines_in_all_variants(scenario_whole, "opening established half_closed closed", 1);
    assert_int_equal(logs[1].ev[logs[1].n - 1].kind, SW_EV_CONN);
    assert_int_equal(logs[1].ev[logs[1].n - 1].flow.reason, SW_WHY_FIN);
}

/* The ACK is lost, and data with an ACK is the next that is seen. */
static void scenario_data(void)
{
    say_syn();
    say_synack();
    lull();
    talk_on_and_close();
}
TEST(data_instead_of_the_ack)
{
    same_lines(scenario_data, "opening established half_closed closed", 1);
}

static void scenario_fin(void)
{
    say_syn();
    say_synack();
    lull();
    talk_close(t);
}
TEST(fin_instead_of_the_ack)
{
    same_lines(scenario_fin, "opening established half_closed closed", 1);
}

static void scenario_synack(void)
{
    say_syn();
    lull();
    say_synack();
    talk_say(t, A, ACK, 0);
}
TEST(synack)
{
    same_lines_in_all_variants(scenario_synack, "opening established", 1);
}

/* The flood continues: rebuilt, and evicted again. */
static void scenario_synack_and_ack(void)
{
    say_syn();
    lull();
    say_synack();
    lull();
    talk_on_and_close();
}
TEST(evicted_twice)
{
    same_lines(scenario_synack_and_ack, "opening established half_closed closed", 2);
}

static void scenario_rexmits(void)
{
    say_syn();
    say_syn();
    say_syn();
    say_synack();
    say_synack();
    say_synack();
    say_synack();
    lull();
    talk_on_and_close();
}
TEST(retransmissions_before)
{
    same_lines_in_all_variants(scenario_rexmits, "opening established half_closed closed", 1);
    assert_int_equal(logs[1].flow.syn_rexmit, 2);
    assert_int_equal(logs[1].flow.synack_rexmit, 3);
}

static void scenario_rexmits_after(void)
{
    say_syn();
    say_synack();
    lull();
    say_synack();
    say_synack();
    lull();
    say_synack();
    talk_say(t, A, ACK, 0);
}
TEST(retransmitted_synacks_after)
{
    same_lines(scenario_rexmits_after, "opening established", 2);
    assert_int_equal(logs[1].flow.synack_rexmit, 3);
}

/* A server whose backlog the flood has filled drops SYNs: the client's next one comes a second later. */
static void scenario_syns_after(void)
{
    say_syn();
    lull();
    say_syn();
    say_syn();
    lull();
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, ACK, 0);
}
TEST(retransmitted_syns_after)
{
    same_lines(scenario_syns_after, "opening established", 3);
    assert_int_equal(logs[1].flow.syn_rexmit, 3);
}

/* The server forgot and answers the retransmitted SYN anew (RFC 4987: its cache was evicted too). */
static void scenario_new_isn(void)
{
    say_syn();
    say_synack();
    say_syn();
    t->isn[B] = t->nxt[B] = 7000000;
    say_synack();
    lull();
    talk_say(t, A, ACK, 0);
}
TEST(synack_with_a_new_isn)
{
    struct sw_flow *got = &logs[1].flow, *want = &logs[0].flow;
    struct talk fresh = *t;

    for (int which = 0; which < 2; which++) {
        *t = fresh;
        play(scenario_new_isn, which);
        assert_string_equal(words(), "opening anomaly:synack_new_isn established");
        end_all();
    }
    /* the one difference: of the first SYN-ACK a cache entry has the ISN only, so the history has one letter */
    assert_memory_equal(want->hist, "ShhA", 4);
    assert_memory_equal(got->hist, "ShA", 4);
    memcpy(got->hist, want->hist, sizeof(got->hist));
    got->hist_len = want->hist_len;
    got->end[B].hist_syn = want->end[B].hist_syn;
    same_flow("the flow", got, want);
}

/* The SYN-ACK with the first ISN is acknowledged, after the eviction. */
static void scenario_first_isn(void)
{
    struct pkt p;

    say_syn();
    say_synack();
    t->isn[B] = t->nxt[B] = 7000000;
    say_synack();
    lull();
    p = talk_pkt(t, A, ACK, 0);
    p.ack = 5000001;
    talk_send(t, A, &p);
}
TEST(synack_with_a_new_isn_and_the_first_counts)
{
    struct talk fresh = *t;

    for (int which = 0; which < 2; which++) {
        *t = fresh;
        play(scenario_first_isn, which);
        assert_string_equal(words(), "opening anomaly:synack_new_isn established");
        assert_int_equal(logs[which].flow.end[B].isn, 5000000);
        end_all();
    }
}

/* A connection that takes over a live four-tuple is evicted before it is established: its SYN has waited in the cache.
 */
static void scenario_taken_over(void)
{
    say_syn();
    say_synack();
    talk_say(t, A, ACK, 0);
    t->nxt[A] = t->isn[A] = 500000000;
    t->nxt[B] = t->isn[B] = 900000000;
    say_syn();
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, ACK, 0);
}
TEST(a_taken_over_four_tuple)
{
    struct talk fresh = *t;

    for (int which = 0; which < 2; which++) {
        const struct sw_flow *f = &logs[which].flow;

        *t = fresh;
        play(scenario_taken_over, which);
        assert_string_equal(words(), "opening established anomaly:syn_in_connection conn opening reused established");
        assert_int_equal(f->end[A].isn, 500000000);
        assert_int_equal(f->end[A].pkts, 3);
        assert_int_equal(f->syn_rexmit, 1);
        assert_int_equal(f->est_ns - f->syn_ns, (FLOOD + 3) * MS);
        assert_int_equal(logs[which].where, BPFRUN_FLOWS);
        end_all();
    }
}

static void scenario_refused(void)
{
    say_syn();
    lull();
    talk_say(t, B, RST | ACK, 0);
}
TEST(refused)
{
    same_lines_in_all_variants(scenario_refused, "opening refused", 1);
    assert_int_equal(logs[1].flow.reason, SW_WHY_REFUSED);
}

static void scenario_reset_no_ack(void)
{
    say_syn();
    say_synack();
    lull();
    talk_say(t, B, RST, 0);
}
TEST(reset_without_ack_by_the_responder)
{
    same_lines(scenario_reset_no_ack, "opening reset", 1);
}

static void scenario_reset(void)
{
    say_syn();
    say_synack();
    lull();
    talk_say(t, B, RST | ACK, 0);
}
TEST(reset_by_the_responder)
{
    same_lines(scenario_reset, "opening reset", 1);
}

/* RFC 9293 section 3.10.7.3: a host that sent no SYN answers the SYN-ACK with a RST that has no ACK. */
static void scenario_aborted(void)
{
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, RST, 0);
}
TEST(reset_by_the_originator)
{
    same_lines(scenario_aborted, "opening reset", 1);
    assert_int_equal(logs[1].flow.reason, SW_WHY_ABORTED);
}

static void scenario_aborted_ack(void)
{
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, RST | ACK, 0);
}
TEST(reset_with_ack_by_the_originator)
{
    same_lines(scenario_aborted_ack, "opening reset", 1);
}

/* Fast Open: data in the SYN, acknowledged or not. */
static void scenario_syn_data(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 100);

    talk_send(t, A, &p);
    talk_send(t, A, &p);
    say_synack();
    lull();
    talk_on_and_close();
}
TEST(data_in_the_syn)
{
    same_lines(scenario_syn_data, "opening established half_closed closed", 1);
}

static void scenario_syn_data_refused(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 100);

    talk_send(t, A, &p);
    t->nxt[A] = t->isn[A] + 1;
    say_synack();
    lull();
    talk_on_and_close();
}
TEST(data_in_the_syn_not_taken)
{
    same_lines(scenario_syn_data_refused, "opening established half_closed closed", 1);
}

/* Both ends begin, and their SYNs cross in the flood (RFC 9293 section 3.5). */
static void scenario_simultaneous(void)
{
    struct pkt p;

    say_syn();
    lull();
    p = talk_pkt(t, B, SYN, 0);
    p.seq = t->isn[B];
    pkt_opt_usual(&p, 1360, 9);
    talk_send(t, B, &p);
    say_synack();
    p = talk_pkt(t, A, SYN | ACK, 0);
    p.seq = t->isn[A];
    talk_send(t, A, &p);
}
TEST(simultaneous_open)
{
    same_lines(scenario_simultaneous, "opening established anomaly:simultaneous_open", 1);
}

/* An opening that is not enabled is not deferred. */
TEST(no_opening_asked_for)
{
    same_lines(scenario_refused, "", 1);
    same_lines(scenario_whole, "", 1);
}

/* Only the originator's side is seen. */
static void scenario_one_sided(void)
{
    say_syn();
    lull();
    t->nxt[B] = t->isn[B] + 1;
    talk_say(t, A, ACK, 0);
    talk_say(t, A, PSH | ACK, 100);
}
TEST(one_sided)
{
    same_lines(scenario_one_sided, "opening established", 1);
}

GROUP(group_usual, G_USUAL)
GROUP(group_few_events, G_FEW_EVENTS)
GROUP(group_one_sided, G_ONE_SIDED)

int main(void)
{
    const struct CMUnitTest usual[] = {
        CASE(ack),
        CASE(ack_and_the_rest),
        CASE(data_instead_of_the_ack),
        CASE(fin_instead_of_the_ack),
        CASE(synack),
        CASE(evicted_twice),
        CASE(retransmissions_before),
        CASE(retransmitted_synacks_after),
        CASE(retransmitted_syns_after),
        CASE(synack_with_a_new_isn),
        CASE(synack_with_a_new_isn_and_the_first_counts),
        CASE(a_taken_over_four_tuple),
        CASE(refused),
        CASE(reset_without_ack_by_the_responder),
        CASE(reset_by_the_responder),
        CASE(reset_by_the_originator),
        CASE(reset_with_ack_by_the_originator),
        CASE(data_in_the_syn),
        CASE(data_in_the_syn_not_taken),
        CASE(simultaneous_open),
    };
    const struct CMUnitTest few_events[] = {CASE(no_opening_asked_for)}, one_side[] = {CASE(one_sided)};
    int failed = cmocka_run_group_tests(usual, group_usual, fixture_group_end);

    failed += cmocka_run_group_tests(few_events, group_few_events, fixture_group_end);
    return failed + cmocka_run_group_tests(one_side, group_one_sided, fixture_group_end);
}
