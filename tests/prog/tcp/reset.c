/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RST in every state, acceptable or not: RFC 9293 section 3.10.7, RFC 5961 section 3. */
#include "fixture.h"
#include "tcp/conn_state.h"

static void one_conn(enum sw_reason reason, unsigned closed_by, enum sw_conn_state conn_state)
{
    struct sw_event ev;

    talk_wait(t, 6 * SEC);
    ev = talk_conn(t);
    assert_int_equal(ev.flow.reason, reason);
    assert_int_equal(ev.flow.closed_by, closed_by);
    assert_int_equal(sw_zeek_conn_state(&ev.flow), conn_state);
    expect_events(t, "conn");
    talk_wait(t, 4000 * SEC);
    expect_events(t, "");
    expect_where(t, NOWHERE);
}

static void opened(void)
{
    talk_open(t);
    expect_events(t, "opening established");
}

TEST(refused)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, RST | ACK, 0);
    expect_states(t, CLOSED, CLOSED);
    assert_int_equal(talk_event(t, REFUSED).flow.rst_state, SW_ST_SYN_SENT);
    assert_int_equal(talk_event(t, REFUSED).by, B);
    expect_events(t, "opening refused");
    expect_history(t, "Sr");
    one_conn(SW_WHY_REFUSED, 2, SW_CS_REJ);
}

/* In SYN_SENT a RST counts only if it acknowledges the SYN. */
TEST(refusal_with_wrong_ack)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    p = talk_pkt(t, B, RST | ACK, 0);
    p.ack += 5;
    talk_send(t, B, &p);
    expect_states(t, SYN_SENT, LISTEN);
    expect_events(t, "opening anomaly:rst_bad_ack");
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
}

TEST(refusal_without_ack)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    p = talk_pkt(t, B, RST, 0);
    talk_send(t, B, &p);
    expect_states(t, SYN_SENT, LISTEN);
    expect_events(t, "opening anomaly:rst_bad_ack");
}

TEST(aborted_in_syn_sent)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, A, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    assert_int_equal(talk_event(t, RESET).by, A);
    expect_events(t, "opening reset");
    one_conn(SW_WHY_ABORTED, 1, SW_CS_RSTOS0);
}

/* A half-open scan: the client answers the SYN-ACK with RST. */
TEST(aborted_in_syn_received)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_SYN_RECEIVED);
    expect_events(t, "opening reset");
    one_conn(SW_WHY_ABORTED, 1, SW_CS_RSTO);
}

TEST(responder_resets_in_syn_received)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, B, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "opening reset");
    one_conn(SW_WHY_RESET, 2, SW_CS_RSTR);
}

TEST(wild_reset_in_syn_received)
{
    struct pkt p;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    p = talk_pkt(t, A, RST, 0);
    p.seq += 0x20000000;
    talk_send(t, A, &p);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    expect_events(t, "opening anomaly:rst_out_of_window");
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
}

TEST(originator_resets_established)
{
    opened();
    talk_say(t, A, RST | ACK, 0);
    expect_states(t, CLOSED, CLOSED);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_ESTABLISHED);
    assert_int_equal(talk_event(t, RESET).by, A);
    expect_events(t, "reset");
    expect_history(t, "ShAR");
    one_conn(SW_WHY_RESET, 1, SW_CS_RSTO);
}

TEST(responder_resets_established)
{
    opened();
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    assert_int_equal(talk_event(t, RESET).by, B);
    expect_events(t, "reset");
    expect_history(t, "ShADr");
    one_conn(SW_WHY_RESET, 2, SW_CS_RSTR);
}

/* Data on the way when the RST is sent: its number is SND.NXT, past what was acknowledged. */
TEST(reset_after_unacknowledged_data)
{
    opened();
    talk_say(t, A, PSH | ACK, 1000);
    talk_say(t, A, PSH | ACK, 1000);
    talk_say(t, A, RST, 0);
    expect_events(t, "reset");
    expect_states(t, CLOSED, CLOSED);
}

/* In the window but not exact: the receiver sends a challenge ACK and continues; a true RST follows. */
TEST(inexact_reset_and_challenge)
{
    struct pkt p;

    opened();
    p = talk_pkt(t, A, RST, 0);
    p.seq += 100;
    talk_send(t, A, &p);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "anomaly:rst_inexact");
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "");
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_say(t, A, RST, 0);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "reset");
}

TEST(reset_at_the_windows_edge)
{
    struct pkt p;

    opened();
    /* B's SYN-ACK advertises 60000, unscaled: sequence numbers nxt to nxt+59999 are in the window */
    p = talk_pkt(t, A, RST, 0);
    p.seq += 60000;
    talk_send(t, A, &p);
    expect_events(t, "anomaly:rst_out_of_window");
    p.seq--;
    talk_send(t, A, &p);
    expect_events(t, "anomaly:rst_inexact");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

TEST(reset_out_of_window)
{
    struct pkt p;

    opened();
    p = talk_pkt(t, B, RST, 0);
    p.seq -= 1; /* already acknowledged */
    talk_send(t, B, &p);
    expect_events(t, "anomaly:rst_out_of_window");
    p.seq = t->nxt[B] + 0x40000000;
    talk_send(t, B, &p);
    expect_events(t, ""); /* the second of its kind is counted */
    assert_int_equal(talk_flow(t).anomalies, 2);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_close(t);
    expect_events(t, "half_closed closed");
    talk_wait(t, 6 * SEC);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
}

TEST(reset_in_fin_wait_1)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, RST, 0);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_FIN_WAIT_1);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "reset");
}

TEST(reset_in_fin_wait_2)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    expect_events(t, "half_closed");
    talk_say(t, B, RST, 0);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_FIN_WAIT_2);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "reset");
}

TEST(reset_in_close_wait)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    expect_events(t, "half_closed");
    talk_say(t, A, RST, 0);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_CLOSE_WAIT);
    expect_events(t, "reset");
}

TEST(reset_in_last_ack)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, FIN | ACK, 0);
    expect_events(t, "half_closed");
    talk_say(t, A, RST, 0);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_LAST_ACK);
    expect_events(t, "reset");
    expect_states(t, CLOSED, CLOSED);
}

TEST(reset_in_closing)
{
    struct pkt a, b;

    opened();
    a = talk_pkt(t, A, FIN | ACK, 0);
    b = talk_pkt(t, B, FIN | ACK, 0);
    talk_send(t, A, &a);
    talk_send(t, B, &b);
    talk_say(t, A, ACK, 0);
    expect_states(t, CLOSING, FIN_WAIT_2);
    talk_say(t, B, RST, 0);
    assert_int_equal(talk_event(t, RESET).flow.rst_state, SW_ST_CLOSING);
    expect_events(t, "reset");
}

/* After the close a RST is one more late segment. */
TEST(reset_in_time_wait)
{
    opened();
    talk_close(t);
    expect_events(t, "half_closed closed");
    talk_say(t, B, RST, 0);
    expect_events(t, "");
    one_conn(SW_WHY_FIN, 1, SW_CS_SF);
}

TEST(second_reset_emits_nothing)
{
    opened();
    talk_say(t, A, RST, 0);
    expect_events(t, "reset");
    talk_say(t, A, RST, 0);
    talk_say(t, B, RST, 0);
    expect_events(t, "");
    one_conn(SW_WHY_RESET, 1, SW_CS_REJ); /* Zeek's word for two resets without a byte of data */
}

TEST(data_after_reset)
{
    opened();
    talk_say(t, A, RST, 0);
    expect_events(t, "reset");
    talk_say(t, A, PSH | ACK, 10);
    expect_events(t, "anomaly:data_after_reset");
    one_conn(SW_WHY_RESET, 1, SW_CS_RSTO);
}

/* No connection that we know: one line at the end, nothing established or refused by it. */
TEST(reset_out_of_nowhere)
{
    struct sw_event ev;

    talk_say(t, A, RST, 0);
    talk_sweep(t, 2);
    ev = talk_conn(t);
    assert_int_equal(sw_zeek_conn_state(&ev.flow), SW_CS_OTH);
    assert_int_equal(ev.flow.hist_len, 1);
    assert_int_equal(ev.flow.hist[0], 'R');
    assert_int_equal(ev.flow.end[A].pkts, 1);
    expect_where(t, NOWHERE);
}

/* A window scale moves the window's edge: 60000 << 7. */
TEST(inexact_in_a_scaled_window)
{
    struct pkt p;

    opened();
    talk_say(t, B, ACK, 0); /* the first scaled window that B advertises */
    p = talk_pkt(t, A, RST, 0);
    p.seq += 1000000;
    talk_send(t, A, &p);
    expect_events(t, "anomaly:rst_inexact");
    p.seq = t->nxt[A] + (60000u << 7);
    talk_send(t, A, &p);
    expect_events(t, "anomaly:rst_out_of_window");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(refused),
        CASE(refusal_with_wrong_ack),
        CASE(refusal_without_ack),
        CASE(aborted_in_syn_sent),
        CASE(aborted_in_syn_received),
        CASE(responder_resets_in_syn_received),
        CASE(wild_reset_in_syn_received),
        CASE(originator_resets_established),
        CASE(responder_resets_established),
        CASE(reset_after_unacknowledged_data),
        CASE(inexact_reset_and_challenge),
        CASE(reset_at_the_windows_edge),
        CASE(reset_out_of_window),
        CASE(reset_in_fin_wait_1),
        CASE(reset_in_fin_wait_2),
        CASE(reset_in_close_wait),
        CASE(reset_in_last_ack),
        CASE(reset_in_closing),
        CASE(reset_in_time_wait),
        CASE(second_reset_emits_nothing),
        CASE(data_after_reset),
        CASE(reset_out_of_nowhere),
        CASE(inexact_in_a_scaled_window),
    };

    return RUN(cases);
}
