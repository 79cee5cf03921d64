/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The opening: RFC 9293 section 3.5, with every way in which it is not three segments. */
#include "fixture.h"
#include "tcp/conn_state.h"

static void three_way(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);
    struct sw_flow f;
    __u64 start = bpfrun_now(run);

    pkt_opt_usual(&p, 1460, 7);
    talk_send(t, A, &p);
    expect_events(t, "opening");
    expect_where(t, HALF_OPEN);
    expect_states(t, SYN_SENT, LISTEN);
    expect_history(t, "S");

    p = talk_pkt(t, B, SYN | ACK, 0);
    pkt_opt_usual(&p, 1400, 9);
    talk_send(t, B, &p);
    expect_events(t, "");
    expect_where(t, HALF_OPEN);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    expect_history(t, "Sh");

    talk_say(t, A, ACK, 0);
    f = talk_event(t, ESTABLISHED).flow;
    assert_int_equal(f.est_ns - f.syn_ns, 2 * MS);
    assert_int_equal(f.synack_ns - f.syn_ns, 1 * MS);
    expect_events(t, "established");
    expect_where(t, FLOWS);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "ShA");
    expect_counts(t);

    f = talk_flow(t);
    assert_int_equal(f.start_ns, start);
    assert_int_equal(f.syn_ns, start);
    assert_int_equal(f.direction_by, SW_BY_SYN);
    assert_int_equal(f.end[A].isn, 1000);
    assert_int_equal(f.end[B].isn, 5000000);
    assert_int_equal(f.end[A].mss, 1460);
    assert_int_equal(f.end[B].mss, 1400);
    assert_int_equal(f.end[A].wscale, 7);
    assert_int_equal(f.end[B].wscale, 9);
    assert_int_equal(f.end[A].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS);
    assert_int_equal(f.end[B].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS);
    assert_int_equal(f.end[A].ecn | f.end[B].ecn, 0);
    assert_int_equal(f.syn_rexmit | f.synack_rexmit, 0);
    assert_int_equal(sw_zeek_conn_state(&f), SW_CS_S1);
    expect_counter(t, HALF_OPEN_CREATED, 1);
    expect_counter(t, HALF_OPEN_PROMOTED, 1);
    expect_counter(t, TCP, 3);
    expect_counter(t, PACKETS, 3);
}

TEST(three_way_v4)
{
    three_way();
}

TEST(three_way_v6)
{
    talk_init(t, run, true);
    three_way();
}

TEST(key_order_does_not_decide_who_opened)
{
    bool src_is_b;

    t->side[B] = t->side[A];
    t->side[A] = pkt_swap(&t->side[B]); /* now 10.0.0.2:80 opens to 10.0.0.1:40000 */
    pkt_key(&t->side[A], &src_is_b);
    assert_true(src_is_b);
    talk_open(t);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).orig_is_b, 1);
    expect_history(t, "ShA");
}

TEST(no_options)
{
    struct sw_flow f;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    f = talk_flow(t);
    assert_int_equal(f.end[A].opts | f.end[B].opts, 0);
    assert_int_equal(f.end[A].mss, 0);
    assert_int_equal(f.end[A].wscale, SW_WSCALE_NONE);
    expect_events(t, "opening established");
}

TEST(syn_again_same_isn)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0);

    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    expect_events(t, "opening");
    expect_states(t, SYN_SENT, LISTEN);
    expect_history(t, "S");
    assert_int_equal(talk_flow(t).syn_rexmit, 2);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    /* handshake_ns counts from the first SYN: what the client waited */
    assert_int_equal(talk_event(t, ESTABLISHED).flow.est_ns - talk_event(t, ESTABLISHED).flow.syn_ns, 4 * MS);
    expect_events(t, "established");
    expect_counts(t);
}

/* Another number on the same four-tuple is another attempt (RFC 9293 section 3.8.1 keeps ISN on retransmission). */
TEST(syn_again_other_isn)
{
    struct pkt late;

    talk_say(t, A, SYN, 0);
    expect_events(t, "opening");
    late = talk_pkt(t, B, SYN | ACK, 0);
    t->nxt[A] = 77000;
    talk_say(t, A, SYN, 0);
    assert_int_equal(talk_conn(t).flow.end[A].isn, 1000);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_REUSED);
    assert_int_equal(talk_event(t, OPENING).flow.end[A].isn, 77000);
    talk_event(t, REUSED);
    assert_int_equal(bpfrun_events(run, NULL), 3);
    bpfrun_clear_events(run);
    assert_int_equal(talk_flow(t).end[A].isn, 77000);
    assert_int_equal(talk_flow(t).syn_rexmit, 0);
    expect_states(t, SYN_SENT, LISTEN);
    /* the answer to the first SYN is none to the second */
    talk_send(t, B, &late);
    expect_events(t, "anomaly:synack_bad_ack");
    assert_int_equal(talk_flow(t).synack_ns, 0);
    t->nxt[B] = 6000000;
    talk_say(t, B, SYN | ACK, 0);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    bpfrun_clear_events(run);
    talk_say(t, A, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "established");
}

TEST(synack_again_same_isn)
{
    struct pkt synack;

    talk_say(t, A, SYN, 0);
    synack = talk_pkt(t, B, SYN | ACK, 0);
    talk_send(t, B, &synack);
    talk_send(t, B, &synack);
    expect_events(t, "opening");
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    expect_history(t, "Sh");
    assert_int_equal(talk_flow(t).synack_rexmit, 1);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    expect_counts(t);
}

/* The SYN went another way, or came before us. */
TEST(synack_again_syn_unseen)
{
    struct pkt synack;

    t->nxt[A]++;
    synack = talk_pkt(t, B, SYN | ACK, 0);
    for (int i = 0; i < 3; i++)
        talk_send(t, B, &synack);
    expect_events(t, "opening");
    assert_int_equal(talk_flow(t).synack_rexmit, 2);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

TEST(synack_again_other_isn)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    expect_events(t, "opening");
    t->nxt[B] = 9000000;
    talk_say(t, B, SYN | ACK, 0);
    expect_events(t, "anomaly:synack_new_isn");
    expect_history(t, "Shh");
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    assert_int_equal(talk_flow(t).end[B].isn, 9000000);
}

TEST(synack_with_wrong_ack)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    expect_events(t, "opening");
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.ack++;
    talk_send(t, B, &p);
    expect_events(t, "anomaly:synack_bad_ack");
    assert_int_equal(talk_flow(t).synack_ns, 0);
    assert_int_equal(talk_flow(t).est_ns, 0);
    expect_where(t, HALF_OPEN);
    t->nxt[B] = t->isn[B];
    talk_say(t, B, SYN | ACK, 0);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
}

TEST(final_ack_wrong)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    expect_events(t, "opening");
    p = talk_pkt(t, A, ACK, 0);
    p.ack += 1; /* acknowledges what was never sent */
    talk_send(t, A, &p);
    expect_events(t, "anomaly:ack_bad");
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

/* RFC 9293 section 3.10.7.4: a listener answers such a segment, and stays in SYN-RECEIVED. */
TEST(final_ack_out_of_window)
{
    static const struct {
        __s32 seq;
        __u32 len;
        bool taken;
    } cases[] = {{-1, 0, false},       {-1, 1, false}, {-100, 100, false}, {-1, 2, true},   {65535, 0, false},
                 {1000000, 10, false}, {0, 0, true},   {0, 10, true},      {65534, 0, true}};
    unsigned taken = 0;
    struct pkt p;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        talk_init(t, run, false);
        t->side[A].sport += i;
        t->side[B].dport += i;
        t->key = pkt_key(&t->side[A], NULL);
        talk_say(t, A, SYN, 0);
        p = talk_pkt(t, B, SYN | ACK, 0);
        p.win = 65535;
        talk_send(t, B, &p);
        expect_events(t, "opening");
        p = talk_pkt(t, A, ACK, cases[i].len);
        p.seq += cases[i].seq;
        talk_send(t, A, &p);
        assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), taken += cases[i].taken);
        expect_events(t, cases[i].taken ? "established" : "");
        bpfrun_clear_events(run);
    }
}

/* The segment that it took was not seen, but its answer was. */
TEST(final_ack_unseen_data_acknowledged)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    p = talk_pkt(t, B, ACK, 0);
    p.ack += 200000;
    talk_send(t, B, &p);
    p = talk_pkt(t, A, ACK, 10);
    p.seq += 200000;
    talk_send(t, A, &p);
    expect_where(t, FLOWS);
    bpfrun_clear_events(run);
}

TEST(final_ack_lost_data_completes)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, PSH | ACK, 100);
    expect_events(t, "opening established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "ShD");
    assert_int_equal(talk_flow(t).end[A].payload, 100);
}

TEST(final_ack_lost_synack_again)
{
    struct pkt synack;

    talk_say(t, A, SYN, 0);
    synack = talk_pkt(t, B, SYN | ACK, 0);
    talk_send(t, B, &synack);
    talk_wait(t, 1 * SEC);
    talk_send(t, B, &synack);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).synack_rexmit, 1);
    /* the peer's view: one more SYN-ACK, one more ACK, nothing new to emit */
    talk_send(t, B, &synack);
    talk_say(t, A, ACK, 0);
    expect_events(t, "");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(three_way_v4),
        CASE(three_way_v6),
        CASE(key_order_does_not_decide_who_opened),
        CASE(no_options),
        CASE(syn_again_same_isn),
        CASE(syn_again_other_isn),
        CASE(synack_again_same_isn),
        CASE(synack_again_syn_unseen),
        CASE(synack_again_other_isn),
        CASE(synack_with_wrong_ack),
        CASE(final_ack_wrong),
        CASE(final_ack_out_of_window),
        CASE(final_ack_unseen_data_acknowledged),
        CASE(final_ack_lost_data_completes),
        CASE(final_ack_lost_synack_again),
    };

    return RUN(cases);
}
