/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The opening: RFC 9293 section 3.5, with every way in which it is not three segments. */
#include "fixture.h"
#include "../../bpf/zeek.h"

static void three_way(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);
    struct sw_flow f;
    __u64 start = bpfrun_now(run);

    pkt_opt_usual(&p, 1460, 7);
    talk_send(t, A, &p);
    expect_events(t, "opening");
    expect_where(t, EMBRYOS);
    expect_states(t, SYN_SENT, LISTEN);
    expect_history(t, "S");

    p = talk_pkt(t, B, SYN | ACK, 0);
    pkt_opt_usual(&p, 1400, 9);
    talk_send(t, B, &p);
    expect_events(t, "");
    expect_where(t, EMBRYOS);
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
    expect_counter(t, EMBRYO_CREATED, 1);
    expect_counter(t, EMBRYO_PROMOTED, 1);
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
    expect_where(t, EMBRYOS);
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
    /* the peer's view: one more SYN-ACK, one more ACK, nothing new to tell */
    talk_send(t, B, &synack);
    talk_say(t, A, ACK, 0);
    expect_events(t, "");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

static void syn_data(__u32 acked, bool good)
{
    struct pkt p = talk_pkt(t, A, SYN, 100);

    talk_send(t, A, &p);
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.ack = t->isn[A] + 1 + acked;
    talk_send(t, B, &p);
    assert_int_equal(talk_flow(t).end[A].syn_len, 100);
    if (!good) {
        expect_events(t, "opening anomaly:synack_bad_ack");
        assert_int_equal(talk_flow(t).synack_ns, 0);
        return;
    }
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    assert_true(talk_flow(t).flags & SW_F_SYN_DATA);
}

TEST(syn_data_refused)
{
    syn_data(0, true);
}
TEST(syn_data_accepted)
{
    syn_data(100, true);
}
TEST(syn_data_in_part)
{
    syn_data(50, true);
}
TEST(syn_data_acked_beyond)
{
    syn_data(101, false);
}

TEST(fast_open)
{
    static const __u8 cookie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct pkt p = talk_pkt(t, A, SYN, 400);
    struct sw_flow f;

    pkt_opt(&p, 34, cookie, 8);
    talk_send(t, A, &p);
    talk_say(t, B, SYN | ACK, 0);
    /* RFC 7413: the server may send before the final ACK */
    talk_say(t, B, PSH | ACK, 700);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "SThdA"); /* Zeek takes the SYN's payload for a retransmission */
    f = talk_flow(t);
    assert_int_equal(f.end[A].opts, SW_OPT_TFO | SW_OPT_TFO_COOKIE);
    assert_int_equal(f.end[A].syn_len, 400);
    assert_int_equal(f.end[A].rexmit, 0); /* the letter is Zeek's, the count is ours */
    assert_int_equal(f.end[A].payload, 400);
    assert_int_equal(f.end[B].payload, 700);
    expect_counts(t);
}

TEST(fast_open_cookie_request)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    pkt_opt(&p, 34, NULL, 0);
    talk_send(t, A, &p);
    assert_int_equal(talk_flow(t).end[A].opts, SW_OPT_TFO);
}

TEST(fast_open_experimental)
{
    /* RFC 7413 section 4.1.1 names kind 254 with magic 0xF989 as the experimental form */
    static const __u8 value[6] = {0xf9, 0x89, 1, 2, 3, 4};
    struct pkt p = talk_pkt(t, A, SYN, 10);

    pkt_opt(&p, 254, value, sizeof(value));
    talk_send(t, A, &p);
    assert_int_equal(talk_flow(t).end[A].opts, SW_OPT_TFO | SW_OPT_TFO_COOKIE);
}

TEST(ecn)
{
    talk_say(t, A, SYN | ECE | CWR, 0);
    talk_say(t, B, SYN | ACK | ECE, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).end[A].ecn, SW_ECN_ECE | SW_ECN_CWR);
    assert_int_equal(talk_flow(t).end[B].ecn, SW_ECN_ECE);
    expect_history(t, "ShA");
}

TEST(accecn)
{
    talk_say(t, A, SYN | AE | ECE | CWR, 0);
    talk_say(t, B, SYN | ACK | CWR, 0);
    talk_say(t, A, ACK | AE, 0);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).end[A].ecn, SW_ECN_AE | SW_ECN_ECE | SW_ECN_CWR);
    assert_int_equal(talk_flow(t).end[B].ecn, SW_ECN_CWR);
    expect_history(t, "ShA");
}

TEST(mptcp)
{
    static const __u8 capable[2] = {0x01, 0x00}; /* MP_CAPABLE, version 1, RFC 8684 section 3.1 */
    struct pkt p = talk_pkt(t, A, SYN, 0);

    pkt_opt_usual(&p, 1460, 7);
    pkt_opt(&p, 30, capable, 2);
    talk_send(t, A, &p);
    assert_int_equal(talk_flow(t).end[A].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS | SW_OPT_MPTCP);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).end[B].opts, 0);
}

/* RFC 9293 figure 7: both SYNs cross, each side then sends SYN-ACK with its own ISN again. */
TEST(simultaneous_open)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN, 0);
    expect_where(t, EMBRYOS);
    p = talk_pkt(t, A, SYN | ACK, 0);
    p.seq = t->isn[A];
    talk_send(t, A, &p);
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.seq = t->isn[B];
    talk_send(t, B, &p);
    expect_events(t, "opening established anomaly:simultaneous_open");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_true(talk_flow(t).flags & SW_F_SIMULTANEOUS);
    assert_int_equal(talk_flow(t).end[A].isn, 1000);
    assert_int_equal(talk_flow(t).end[B].isn, 5000000);
    expect_counts(t);
    talk_close(t);
    expect_events(t, "half_closed closed");
}

/* The server answers the SYN with a SYN of its own; the client then plays the server's part. */
static void split_handshake(bool ack_first)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    if (ack_first) {
        talk_say(t, B, ACK, 0);
        expect_where(t, EMBRYOS);
    }
    talk_say(t, B, SYN, 0);
    p = talk_pkt(t, A, SYN | ACK, 0);
    p.seq = t->isn[A];
    talk_send(t, A, &p);
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_true(talk_flow(t).flags & SW_F_SPLIT);
    assert_int_equal(talk_flow(t).end[A].isn, 1000);
    assert_int_equal(talk_flow(t).end[B].isn, 5000000);
    talk_event(t, ESTABLISHED);
    assert_int_equal(talk_event(t, ESTABLISHED).flow.orig_is_b, 0);
    bpfrun_clear_events(run);
    talk_close(t);
    expect_events(t, "half_closed closed");
}

TEST(split_handshake_four)
{
    split_handshake(false);
}
TEST(split_handshake_five)
{
    split_handshake(true);
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
        CASE(synack_again_other_isn),
        CASE(synack_with_wrong_ack),
        CASE(final_ack_wrong),
        CASE(final_ack_lost_data_completes),
        CASE(final_ack_lost_synack_again),
        CASE(syn_data_refused),
        CASE(syn_data_accepted),
        CASE(syn_data_in_part),
        CASE(syn_data_acked_beyond),
        CASE(fast_open),
        CASE(fast_open_cookie_request),
        CASE(fast_open_experimental),
        CASE(ecn),
        CASE(accecn),
        CASE(mptcp),
        CASE(simultaneous_open),
        CASE(split_handshake_four),
        CASE(split_handshake_five),
    };

    return RUN(cases);
}
