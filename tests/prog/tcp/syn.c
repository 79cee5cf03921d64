/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a SYN can carry (data, Fast Open, ECN, MPTCP), and openings in which both sides send one. */
#include "fixture.h"

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
    expect_where(t, HALF_OPEN);
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
        expect_where(t, HALF_OPEN);
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
