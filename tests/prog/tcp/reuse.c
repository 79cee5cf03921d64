/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A SYN on a four-tuple that is known: new connection, retransmission or attack? RFC 9293 3.6.1, RFC 5961 4. */
#include "fixture.h"

static void opened(void)
{
    talk_open(t);
    expect_events(t, "opening established");
}

static unsigned count(unsigned kind)
{
    const struct sw_event *ev;
    size_t n = bpfrun_events(run, &ev);
    unsigned found = 0;

    for (size_t i = 0; i < n; i++)
        found += ev[i].kind == kind;
    return found;
}

static void new_isns(void)
{
    t->nxt[A] = t->isn[A] = 500000000;
    t->nxt[B] = t->isn[B] = 900000000;
    memset(t->pkts, 0, sizeof(t->pkts));
    memset(t->ip_bytes, 0, sizeof(t->ip_bytes));
}

TEST(time_wait_reuse)
{
    struct sw_event old;

    opened();
    talk_close(t);
    expect_events(t, "half_closed closed");
    new_isns();
    talk_say(t, A, SYN, 0);
    old = talk_conn(t);
    assert_int_equal(old.flow.end[A].isn, 1000);
    assert_int_equal(old.flow.reason, SW_WHY_FIN); /* it had ended by itself */
    assert_int_equal(count(SW_EV_REUSED), 1);
    assert_int_equal(count(SW_EV_OPENING), 1);
    assert_int_equal(bpfrun_events(run, NULL), 3);
    assert_int_equal(talk_event(t, OPENING).flow.end[A].isn, 500000000);
    bpfrun_clear_events(run);
    expect_states(t, SYN_SENT, LISTEN);
    expect_history(t, "S");
    assert_true(talk_flow(t).flags & SW_F_REUSED);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    expect_counts(t);
    talk_close(t);
    expect_events(t, "half_closed closed");
    talk_wait(t, 6 * SEC);
    assert_int_equal(talk_conn(t).flow.end[A].isn, 500000000);
    expect_events(t, "conn");
}

/* The old SYN comes once more, in every state: the same number, so no new connection. */
TEST(retransmitted_syn_is_no_reuse)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0);

    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    talk_say(t, B, SYN | ACK, 0);
    talk_send(t, A, &syn);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    talk_send(t, A, &syn);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_close(t);
    talk_send(t, A, &syn);
    expect_states(t, TIME_WAIT, CLOSED);
    expect_events(t, "opening established half_closed closed");
    talk_wait(t, 6 * SEC);
    expect_events(t, "conn");
}

/* After a reset or a refusal the client tries again on the same port. */
TEST(again_after_refusal)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, RST | ACK, 0);
    expect_events(t, "opening refused");
    new_isns();
    talk_say(t, A, SYN, 0);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_REFUSED);
    assert_int_equal(count(SW_EV_REUSED), 1);
    assert_int_equal(count(SW_EV_OPENING), 1);
    bpfrun_clear_events(run);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
}

/* A spoofed SYN in the window: the server sends a challenge ACK, nothing follows, the connection lives. */
TEST(challenge_ack_keeps_the_connection)
{
    struct pkt p;

    opened();
    p = talk_pkt(t, A, SYN, 0);
    p.seq += 100;
    talk_send(t, A, &p);
    t->nxt[A] = t->isn[A] + 1;
    expect_events(t, "anomaly:syn_in_connection");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_say(t, A, PSH | ACK, 50);
    talk_say(t, B, ACK, 0);
    talk_close(t);
    expect_events(t, "half_closed closed");
    assert_int_equal(talk_flow(t).end[A].isn, 1000);
    talk_wait(t, 6 * SEC);
    expect_events(t, "conn");
}

/* The client crashed and opens anew; the server agrees only by a SYN-ACK to the new number. */
static void restart(__u32 isn)
{
    opened();
    t->nxt[A] = t->isn[A] = isn;
    talk_say(t, A, SYN, 0);
    expect_events(t, "anomaly:syn_in_connection");
    t->nxt[B] = t->isn[B] = 900000000;
    talk_say(t, B, SYN | ACK, 0);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_REUSED);
    assert_int_equal(talk_conn(t).flow.end[A].isn, 1000);
    assert_int_equal(count(SW_EV_REUSED), 1);
    bpfrun_clear_events(run);
    expect_states(t, SYN_SENT, SYN_RECEIVED);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
    assert_int_equal(talk_flow(t).end[A].isn, isn);
    assert_int_equal(talk_flow(t).end[B].isn, 900000000);
    assert_int_equal(talk_flow(t).orig_is_b, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

TEST(restart_in_window)
{
    restart(1000 + 500);
}
TEST(restart_out_of_window)
{
    restart(3000000000u);
}

/* RFC 5961: the challenge ACK makes the true peer, that knows nothing, send a RST; then it tries again. */
TEST(restart_by_challenge_and_reset)
{
    __u32 expected;
    struct pkt p;

    opened();
    expected = t->nxt[A];
    t->nxt[A] = t->isn[A] = 500000000;
    talk_say(t, A, SYN, 0);
    p = talk_pkt(t, B, ACK, 0);
    p.ack = expected;
    talk_send(t, B, &p);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    p = talk_pkt(t, A, RST, 0);
    p.seq = expected;
    talk_send(t, A, &p);
    expect_states(t, CLOSED, CLOSED);
    expect_events(t, "anomaly:syn_in_connection reset");
    t->nxt[A] = 500000000;
    talk_say(t, A, SYN, 0); /* retransmitted: the number is not that of the connection that ended */
    assert_int_equal(count(SW_EV_REUSED), 1);
    assert_int_equal(count(SW_EV_OPENING), 1);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_RESET);
    expect_states(t, SYN_SENT, LISTEN);
}

/* The four-tuple is taken over from the other end: the server of the old connection opens the new one. */
TEST(reuse_with_roles_swapped)
{
    bool orig_was_b = false;

    opened();
    talk_close(t);
    expect_events(t, "half_closed closed");
    orig_was_b = talk_flow(t).orig_is_b;
    new_isns();
    talk_say(t, B, SYN, 0);
    assert_int_equal(talk_flow(t).orig_is_b, !orig_was_b);
    assert_int_equal(count(SW_EV_REUSED), 1);
    assert_int_equal(count(SW_EV_CONN), 1);
    expect_states(t, SYN_SENT, LISTEN);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(time_wait_reuse),
        CASE(retransmitted_syn_is_no_reuse),
        CASE(again_after_refusal),
        CASE(challenge_ack_keeps_the_connection),
        CASE(restart_in_window),
        CASE(restart_out_of_window),
        CASE(restart_by_challenge_and_reset),
        CASE(reuse_with_roles_swapped),
    };

    return RUN(cases);
}
