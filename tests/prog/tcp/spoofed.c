/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One segment that its receiver ignores must not falsify the rest of the connection; and retries after the end. */
#include "fixture.h"
#include "tcp/zeek.h"

static void say_at(int who, __u16 flags, __s32 seq_off, __s32 ack_off)
{
    struct pkt p = talk_pkt(t, who, flags, 0);

    p.seq += seq_off;
    p.ack += ack_off;
    talk_send(t, who, &p);
}

/* xorshift64*, so that the numbers are the same everywhere */
static __u32 guess(void)
{
    static __u64 seed = 88172645463325252ull;

    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (__u32)(seed * 0x2545f4914f6cdd1dull >> 32);
}

static void opened_with_data(void)
{
    talk_open(t);
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    expect_events(t, "opening established");
}

static void goes_on_and_closes(void)
{
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
    talk_wait(t, 6 * SEC);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
    assert_int_equal(talk_conn(t).flow.closed_by, 1);
    expect_events(t, "conn");
}

TEST(close_after_an_inexact_rst)
{
    opened_with_data();
    say_at(A, RST, 500, 0);
    expect_events(t, "anomaly:rst_inexact");
    goes_on_and_closes();
}

TEST(close_after_a_blind_rst)
{
    opened_with_data();
    say_at(A, RST, 900000000, 0);
    expect_events(t, "anomaly:rst_out_of_window");
    goes_on_and_closes();
}

TEST(close_after_an_ack_of_nothing)
{
    opened_with_data();
    say_at(B, ACK, 0, 800000);
    goes_on_and_closes();
}

TEST(reset_after_an_ack_of_nothing)
{
    opened_with_data();
    say_at(B, ACK, 0, 800000);
    talk_say(t, A, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "reset");
}

/* RFC 9293 section 3.5.1, figure 9: the server still holds an older connection, whose challenge ACK comes first. */
TEST(close_after_an_older_connections_ack)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    say_at(B, ACK, 777777, 500000);
    p = talk_pkt(t, A, RST, 0);
    p.seq += 500000;
    talk_send(t, A, &p);
    p = talk_pkt(t, A, SYN, 0);
    p.seq = t->isn[A];
    talk_send(t, A, &p);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening anomaly:ack_bad anomaly:rst_out_of_window established");
    goes_on_and_closes();
}

/* The receiver is in SYN_RECEIVED and expects ISN+1. */
TEST(rst_at_the_isn_in_syn_received)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    say_at(A, RST, -1, 0);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "opening anomaly:rst_out_of_window established");
}

/* Some clients try the same SYN again after a refusal: a connection of its own. */
TEST(retry_after_a_refusal)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, RST | ACK, 0);
    expect_events(t, "opening refused");
    p = talk_pkt(t, A, SYN, 0);
    p.seq = t->isn[A];
    talk_send(t, A, &p);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_REFUSED);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "conn opening reused established");
    expect_history(t, "ShA");
}

/* A packet is cheaper than its line: the first of each kind is reported, and the 10th, 100th ... of all. */
TEST(one_connection_does_not_fill_the_log)
{
    const struct sw_event *ev;
    unsigned at = 1, number;

    opened_with_data();
    bpfrun_clear_events(run);
    for (number = 1; number <= 12345; number++) {
        say_at(B, RST, 900000000, 0);
        assert_int_equal(bpfrun_events(run, &ev), number == at);
        if (number == at) {
            assert_int_equal(ev[0].anomaly, SW_AN_RST_OUT_OF_WINDOW);
            assert_int_equal(ev[0].flow.anomalies, number);
            at *= 10;
            bpfrun_clear_events(run);
        }
    }
    for (int again = 0; again < 3; again++)
        say_at(A, SYN, 100, 0);
    assert_int_equal(bpfrun_events(run, &ev), 1);
    assert_int_equal(ev[0].anomaly, SW_AN_SYN_IN_CONNECTION);
    assert_int_equal(ev[0].flow.anomalies, 12346);
    bpfrun_clear_events(run);
    talk_sweep(t, 2);
    assert_int_equal(talk_conn(t).flow.anomalies, 12348);
}

/* But each end that was logged and was none is taken back. */
TEST(each_ignored_rst_is_taken_back)
{
    opened_with_data();
    for (int i = 0; i < 3; i++) {
        const struct sw_event *ev;
        unsigned taken_back = 0, n;

        bpfrun_clear_events(run);
        say_at(A, RST, 0, 0);
        talk_say(t, A, PSH | ACK, 10);
        talk_say(t, B, ACK, 0);
        n = bpfrun_events(run, &ev);
        for (unsigned k = 0; k < n; k++)
            taken_back += ev[k].kind == SW_EV_ANOMALY && ev[k].anomaly == SW_AN_RST_IGNORED;
        assert_int_equal(ev[0].kind, SW_EV_RESET);
        assert_int_equal(taken_back, 1);
    }
}

/*
 * Data with sequence numbers that somebody guesses, in both directions, then RSTs with others: their receivers ignore
 * them, so no connection ends, and each goes on as if there had been none.
 */
TEST(blind_data_makes_no_rst_acceptable)
{
    enum { CONNECTIONS = 40, GUESSES = 16 };
    const __u32 OFF = 16 << 20; /* more than the windows, which are 7.5 MB */
    const struct sw_event *ev;

    for (int i = 0; i < CONNECTIONS; i++) {
        __u32 nxt[2];

        talk_init(t, run, i & 1);
        t->side[A].sport = t->side[B].dport = 30000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        opened_with_data();
        memcpy(nxt, t->nxt, sizeof(nxt));
        for (int n = 0; n < GUESSES + 2; n++) {
            struct pkt p = talk_pkt(t, n & 1, n < GUESSES ? PSH | ACK : RST, n < GUESSES ? 100 : 0);

            do
                p.seq = guess();
            while (p.seq - nxt[n & 1] + OFF < 2 * OFF);
            p.ack = n < GUESSES ? guess() : 0;
            talk_send(t, n & 1, &p);
        }
        memcpy(t->nxt, nxt, sizeof(nxt));
        for (size_t n = bpfrun_events(run, &ev); n--;)
            if (ev[n].kind == SW_EV_RESET)
                fail_msg("connection %d was reset", i);
        bpfrun_clear_events(run);
        assert_int_equal(talk_flow(t).end[A].gaps + talk_flow(t).end[B].gaps, 0);
        goes_on_and_closes();
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(close_after_an_inexact_rst),
        CASE(close_after_a_blind_rst),
        CASE(close_after_an_ack_of_nothing),
        CASE(reset_after_an_ack_of_nothing),
        CASE(close_after_an_older_connections_ack),
        CASE(rst_at_the_isn_in_syn_received),
        CASE(retry_after_a_refusal),
        CASE(one_connection_does_not_fill_the_log),
        CASE(each_ignored_rst_is_taken_back),
        CASE(blind_data_makes_no_rst_acceptable),
    };

    return RUN(cases);
}
