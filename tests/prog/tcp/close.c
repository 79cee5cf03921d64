/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The teardown: RFC 9293 section 3.6, each endpoint's state after each segment. */
#include "fixture.h"
#include "tcp/conn_state.h"

static void opened(void)
{
    talk_open(t);
    expect_events(t, "opening established");
}

static void over(const char *history, enum sw_conn_state conn_state, unsigned closed_by)
{
    struct sw_event ev;

    talk_wait(t, 4 * SEC);
    expect_events(t, "");
    talk_wait(t, 2 * SEC);
    ev = talk_conn(t);
    expect_events(t, "conn");
    assert_int_equal(ev.flow.reason, SW_WHY_FIN);
    assert_int_equal(ev.flow.closed_by, closed_by);
    assert_int_equal(sw_zeek_conn_state(&ev.flow), conn_state);
    assert_int_equal(ev.flow.hist_len, strlen(history));
    assert_memory_equal(ev.flow.hist, history, strlen(history));
    assert_int_equal(ev.flow.end[A].pkts, t->pkts[A]);
    assert_int_equal(ev.flow.end[B].pkts, t->pkts[B]);
    assert_int_equal(ev.flow.end[A].ip_bytes, t->ip_bytes[A]);
    assert_int_equal(ev.flow.end[B].ip_bytes, t->ip_bytes[B]);
    expect_where(t, NOWHERE);
    expect_counter(t, FLOW_ENDED, 1);
    talk_wait(t, 4000 * SEC);
    talk_sweep(t, 2);
    expect_events(t, "");
}

TEST(four_segments)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    expect_events(t, "");
    talk_say(t, B, ACK, 0);
    expect_states(t, FIN_WAIT_2, CLOSE_WAIT);
    expect_events(t, "half_closed");
    talk_say(t, B, FIN | ACK, 0);
    expect_states(t, FIN_WAIT_2, LAST_ACK);
    expect_events(t, "");
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
    over("ShAFaf", SW_CS_SF, 1);
}

TEST(three_segments)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, FIN | ACK, 0);
    expect_states(t, FIN_WAIT_2, LAST_ACK);
    expect_events(t, "");
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
    over("ShAFf", SW_CS_SF, 1);
}

TEST(responder_first)
{
    opened();
    talk_say(t, B, FIN | ACK, 0);
    expect_states(t, ESTABLISHED, FIN_WAIT_1);
    talk_say(t, A, ACK, 0);
    expect_states(t, CLOSE_WAIT, FIN_WAIT_2);
    expect_events(t, "half_closed");
    talk_say(t, A, FIN | ACK, 0);
    expect_states(t, LAST_ACK, FIN_WAIT_2);
    talk_say(t, B, ACK, 0);
    expect_states(t, CLOSED, TIME_WAIT);
    expect_events(t, "closed");
    over("ShAfFa", SW_CS_SF, 2);
}

TEST(close_v6_with_data)
{
    talk_init(t, run, true);
    opened();
    talk_say(t, A, PSH | ACK, 120);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, PSH | ACK, 900);
    talk_close(t);
    expect_events(t, "half_closed closed");
    over("ShADadFf", SW_CS_SF, 1);
}

/* RFC 9293 figure 13: the FINs cross. */
TEST(simultaneous_close)
{
    struct pkt a, b;

    opened();
    a = talk_pkt(t, A, FIN | ACK, 0);
    b = talk_pkt(t, B, FIN | ACK, 0);
    talk_send(t, A, &a);
    talk_send(t, B, &b); /* does not acknowledge A's FIN */
    expect_states(t, FIN_WAIT_1, FIN_WAIT_1);
    expect_events(t, "");
    talk_say(t, A, ACK, 0);
    expect_states(t, CLOSING, FIN_WAIT_2);
    talk_say(t, B, ACK, 0);
    expect_states(t, TIME_WAIT, TIME_WAIT);
    expect_events(t, "closed");
    over("ShAFfa", SW_CS_SF, 3);
}

TEST(half_close_with_data_the_other_way)
{
    opened();
    talk_say(t, A, PSH | ACK, 30);
    talk_say(t, B, ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    expect_events(t, "half_closed");
    for (int i = 0; i < 5; i++) {
        talk_say(t, B, PSH | ACK, 1000);
        talk_say(t, A, ACK, 0);
        expect_states(t, FIN_WAIT_2, CLOSE_WAIT);
    }
    expect_events(t, "");
    assert_int_equal(talk_flow(t).end[B].payload, 5000);
    assert_int_equal(talk_flow(t).end[A].payload, 30);
    talk_say(t, B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "closed");
    over("ShADaFdf", SW_CS_SF, 1);
}

/* The FIN overtakes the last data segment: it is acknowledged only when the hole is filled. */
TEST(fin_out_of_order)
{
    struct pkt data, fin;

    opened();
    data = talk_pkt(t, A, PSH | ACK, 500);
    t->nxt[A] += 500;
    fin = talk_pkt(t, A, FIN | ACK, 0);
    t->nxt[A] -= 500;
    talk_send(t, A, &fin);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    t->nxt[A] = data.seq; /* B still expects the data */
    talk_say(t, B, ACK, 0);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    expect_events(t, "");
    t->nxt[A] = fin.seq + 1;
    talk_send(t, A, &data);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    talk_say(t, B, ACK, 0);
    expect_states(t, FIN_WAIT_2, CLOSE_WAIT);
    expect_events(t, "half_closed");
    talk_say(t, B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
    assert_int_equal(talk_flow(t).end[A].gaps, 0);
}

TEST(fin_again)
{
    struct pkt fin;

    opened();
    fin = talk_pkt(t, A, FIN | ACK, 0);
    talk_send(t, A, &fin);
    talk_send(t, A, &fin);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    expect_events(t, "");
    talk_say(t, B, ACK, 0);
    talk_send(t, A, &fin); /* its ACK was lost on the way */
    talk_say(t, B, ACK, 0);
    expect_states(t, FIN_WAIT_2, CLOSE_WAIT);
    expect_events(t, "half_closed");
}

TEST(last_ack_lost)
{
    struct pkt fin;

    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    fin = talk_pkt(t, B, FIN | ACK, 0);
    talk_send(t, B, &fin);
    talk_wait(t, 1 * SEC);
    talk_send(t, B, &fin);
    expect_states(t, FIN_WAIT_2, LAST_ACK);
    expect_events(t, "half_closed");
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
}

TEST(ack_that_does_not_cover_the_fin)
{
    struct pkt p;

    opened();
    talk_say(t, A, FIN | ACK, 0);
    p = talk_pkt(t, B, ACK, 0);
    p.ack--;
    talk_send(t, B, &p);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    expect_events(t, "");
}

/* Late segments in TIME_WAIT belong to the connection and change nothing. */
TEST(time_wait_absorbs)
{
    struct pkt data, fin, ack;

    opened();
    data = talk_pkt(t, B, PSH | ACK, 40);
    talk_send(t, B, &data);
    talk_say(t, A, ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    fin = talk_pkt(t, B, FIN | ACK, 0);
    talk_send(t, B, &fin);
    ack = talk_pkt(t, A, ACK, 0);
    talk_send(t, A, &ack);
    expect_events(t, "half_closed closed");
    talk_send(t, B, &data);
    talk_send(t, B, &fin);
    talk_send(t, A, &ack);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "");
    over("ShAdFaft", SW_CS_SF, 1);
}

TEST(data_after_fin)
{
    opened();
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    expect_events(t, "half_closed");
    talk_say(t, A, PSH | ACK, 10); /* beyond its own FIN: illegal */
    expect_events(t, "anomaly:data_after_fin");
    expect_states(t, FIN_WAIT_2, CLOSE_WAIT);
}

/* A FIN that carries the request, answered by a FIN that carries the reply. */
TEST(fin_with_data_both)
{
    opened();
    talk_say(t, A, FIN | PSH | ACK, 10);
    talk_say(t, B, FIN | PSH | ACK, 20);
    talk_say(t, A, ACK, 0);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "closed");
    assert_int_equal(talk_flow(t).end[A].payload, 10);
    assert_int_equal(talk_flow(t).end[B].payload, 20);
}

/* A FIN before the final ACK was seen: the ACK in it completes the handshake. */
TEST(fin_completes_handshake)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    expect_events(t, "opening established");
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(four_segments),      CASE(three_segments),
        CASE(responder_first),    CASE(close_v6_with_data),
        CASE(simultaneous_close), CASE(half_close_with_data_the_other_way),
        CASE(fin_out_of_order),   CASE(fin_again),
        CASE(last_ack_lost),      CASE(ack_that_does_not_cover_the_fin),
        CASE(time_wait_absorbs),  CASE(data_after_fin),
        CASE(fin_with_data_both), CASE(fin_completes_handshake),
    };

    return RUN(cases);
}
