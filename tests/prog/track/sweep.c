/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Time: each state's own timeout, the close delay, and what happens at exit. */
#include "fixture.h"
#include "tcp/conn_state.h"

static struct sw_sweep sweep(__u64 flush)
{
    struct sw_sweep s = {0};

    assert_int_equal(bpfrun_sweep(run, flush, &s), 0);
    assert_int_equal(s.held_back, 0);
    return s;
}

/* Nothing one second before the limit, everything one second after it. */
static struct sw_event ends_after(__u64 limit, enum sw_reason reason)
{
    struct sw_event ev;

    bpfrun_clear_events(run);
    talk_wait(t, limit - 1 * SEC);
    expect_events(t, "");
    talk_wait(t, 2 * SEC);
    ev = talk_event(t, TIMEOUT);
    assert_int_equal(ev.flow.reason, reason);
    if (bpfrun_events(run, NULL) == 1)
        talk_wait(t, 6 * SEC); /* the conn may follow after the close delay */
    ev = talk_conn(t);
    assert_int_equal(ev.flow.reason, reason);
    expect_events(t, "timeout conn");
    expect_where(t, NOWHERE);
    talk_wait(t, 10000 * SEC);
    talk_sweep(t, 2);
    expect_events(t, "");
    return ev;
}

TEST(unanswered)
{
    struct sw_event ev;

    talk_say(t, A, SYN, 0);
    ev = ends_after(20 * SEC, SW_WHY_UNANSWERED);
    assert_int_equal(sw_zeek_conn_state(&ev.flow), SW_CS_S0);
    assert_int_equal(ev.flow.hist_len, 1);
    assert_int_equal(ev.flow.end[B].pkts, 0);
    expect_counter(t, HALF_OPEN_ENDED, 1);
    expect_counter(t, HALF_OPEN_CREATED, 1);
}

/* A retransmission counts from itself. */
TEST(unanswered_after_retransmissions)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0);
    struct sw_event ev;

    for (int i = 0; i < 4; i++) {
        talk_send(t, A, &syn);
        talk_wait(t, 15 * SEC);
    }
    expect_events(t, "opening");
    talk_send(t, A, &syn);
    ev = ends_after(20 * SEC, SW_WHY_UNANSWERED);
    assert_int_equal(ev.flow.syn_rexmit, 4);
}

TEST(handshake_never_completed)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    ends_after(30 * SEC, SW_WHY_TIMEOUT);
}

TEST(established_idle)
{
    struct sw_event ev;

    talk_open(t);
    ev = ends_after(3600 * SEC, SW_WHY_TIMEOUT);
    assert_int_equal(sw_zeek_conn_state(&ev.flow), SW_CS_S1);
}

TEST(fin_unanswered)
{
    talk_open(t);
    talk_say(t, A, FIN | ACK, 0);
    ends_after(120 * SEC, SW_WHY_TIMEOUT);
}

TEST(half_closed_idle)
{
    talk_open(t);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    ends_after(130 * SEC, SW_WHY_TIMEOUT);
}

TEST(last_ack_missing)
{
    talk_open(t);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, FIN | ACK, 0);
    ends_after(40 * SEC, SW_WHY_TIMEOUT);
}

TEST(midstream_idle)
{
    struct pkt p;

    talk_say(t, A, PSH | ACK, 10);
    ends_after(300 * SEC, SW_WHY_TIMEOUT);
    talk_say(t, A, PSH | ACK, 10); /* and an answer to what it did not say */
    p = talk_pkt(t, B, ACK, 0);
    p.ack += 1 << 21;
    talk_send(t, B, &p);
    ends_after(300 * SEC, SW_WHY_TIMEOUT);
}

/* Both ends agree: a connection like any other. */
TEST(midstream_confirmed)
{
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    ends_after(3600 * SEC, SW_WHY_TIMEOUT);
}

/* A keepalive is one before what the peer has acknowledged (RFC 9293 section 3.8.4). */
TEST(midstream_confirmed_by_a_keepalive)
{
    struct pkt p = talk_pkt(t, A, ACK, 0);

    p.seq--;
    talk_send(t, A, &p);
    t->nxt[A] = p.seq + 1;
    talk_say(t, B, ACK, 0);
    ends_after(3600 * SEC, SW_WHY_TIMEOUT);
}

TEST(ended_flow_is_logged_at_exit)
{
    talk_open(t);
    talk_close(t);
    expect_events(t, "opening established half_closed closed");
    talk_sweep(t, 0);
    expect_events(t, "");
    talk_sweep(t, 1);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
    expect_events(t, "conn");
}

/* Without --log-open-at-exit an open connection has no conn record at exit, with it it has. */
TEST(open_flow_is_logged_by_flush_only)
{
    talk_open(t);
    expect_events(t, "opening established");
    talk_sweep(t, 1);
    expect_events(t, "");
    talk_sweep(t, 2);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_END_OF_INPUT);
    assert_int_equal(talk_conn(t).flow.end[A].state, SW_ST_ESTABLISHED);
    expect_events(t, "conn");
    talk_sweep(t, 2);
    expect_events(t, "");
}

TEST(half_open_is_logged_by_flush)
{
    talk_say(t, A, SYN, 0);
    expect_events(t, "opening");
    talk_sweep(t, 2);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_END_OF_INPUT);
    expect_events(t, "conn");
}

TEST(the_sweep_counts)
{
    struct sw_sweep s;

    talk_open(t);
    for (int i = 0; i < 7; i++) {
        talk_init(t, run, false);
        t->side[A].sport = t->side[B].dport = 50000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        talk_say(t, A, SYN, 0);
    }
    talk_init(t, run, true);
    talk_open(t);
    talk_close(t);
    s = sweep(0);
    assert_int_equal(s.half_open, 7);
    assert_int_equal(s.flows, 2);
    assert_int_equal(s.established, 1);
    s = sweep(1);
    assert_int_equal(s.half_open, 7);
    assert_int_equal(s.flows, 1);
    s = sweep(2);
    assert_int_equal(s.half_open + s.flows + s.established, 0);
    assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN) + bpfrun_count(run, BPFRUN_FLOWS), 0);
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_CONN), 9);
}

/* A late segment during the close delay is in the conn line, and one after it begins no connection. */
TEST(close_delay_takes_late_segments)
{
    talk_open(t);
    talk_close(t);
    bpfrun_clear_events(run);
    talk_wait(t, 3 * SEC);
    talk_say(t, A, ACK, 0);
    talk_wait(t, 3 * SEC);
    assert_int_equal(talk_conn(t).flow.end[A].pkts, t->pkts[A]);
    expect_events(t, "conn");
    talk_say(t, B, ACK, 0);
    expect_events(t, "");
    expect_where(t, NOWHERE);
    expect_counter(t, LATE, 1);
}

/* Segments of a connection whose `conn` has been emitted, by their numbers, as long as TIME_WAIT can last. */
static void late_segments(bool reset)
{
    static const __u16 flags[] = {ACK, FIN | ACK, RST | ACK, RST};
    struct pkt p;

    talk_open(t);
    talk_say(t, A, ACK | PSH, 100);
    talk_say(t, B, ACK | PSH, 1000);
    if (reset)
        talk_say(t, A, RST | ACK, 0);
    else
        talk_close(t);
    talk_wait(t, 6 * SEC);
    bpfrun_clear_events(run);
    for (int from = A; from <= B; from++) {
        for (unsigned i = 0; i < 4; i++) { /* at its end, and before */
            p = talk_pkt(t, from, flags[i], 0);
            p.seq -= i;
            talk_send(t, from, &p);
        }
        p = talk_pkt(t, from, ACK, 900);
        p.seq -= 900 + !reset;
        talk_send(t, from, &p);
    }
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.seq = t->isn[B];
    p.ack = t->isn[A] + 1;
    talk_send(t, B, &p);
    expect_events(t, "");
    expect_where(t, NOWHERE);
    expect_counter(t, LATE, 11);
}

TEST(late_segments_after_fin)
{
    late_segments(false);
}

TEST(late_segments_after_reset)
{
    late_segments(true);
}

static void after_the_end(__u64 wait, __u16 flags, __u32 off, __u32 len, const char *events)
{
    struct pkt p;

    talk_open(t);
    talk_close(t);
    talk_wait(t, 6 * SEC);
    talk_wait(t, wait);
    bpfrun_clear_events(run);
    p = talk_pkt(t, A, flags, len);
    p.seq += off;
    talk_send(t, A, &p);
    expect_events(t, events);
    assert_int_equal(bpfrun_counter(run, SW_C_LATE), !*events);
}

TEST(not_late_a_syn)
{
    after_the_end(0, SYN, 0, 0, "opening");
}

TEST(not_late_with_other_numbers)
{
    after_the_end(0, ACK, 1, 0, "midstream");
}

TEST(not_late_with_more_data)
{
    after_the_end(0, ACK, 0, 1, "midstream");
}

TEST(late_for_four_minutes)
{
    after_the_end(230 * SEC, ACK, 0, 0, "");
}

TEST(not_late_after_four_minutes)
{
    after_the_end(240 * SEC, ACK, 0, 0, "midstream");
}

/* A timeout is no end: what comes later goes on with it. */
TEST(not_late_after_a_timeout)
{
    talk_open(t);
    talk_wait(t, 3601 * SEC);
    expect_events(t, "opening established timeout conn");
    talk_say(t, A, ACK, 0);
    expect_events(t, "midstream");
}

static int group_updates(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.update_interval = 60 * SEC;
    return fixture_load(&opts);
}

TEST(updates)
{
    talk_open(t);
    expect_events(t, "opening established");
    talk_wait(t, 50 * SEC);
    expect_events(t, "");
    talk_wait(t, 11 * SEC);
    assert_int_equal(talk_event(t, UPDATE).flow.end[A].pkts, 2);
    expect_events(t, "update");
    talk_wait(t, 50 * SEC);
    expect_events(t, "");
    talk_wait(t, 11 * SEC);
    expect_events(t, "update");
    talk_close(t);
    bpfrun_clear_events(run);
    talk_wait(t, 61 * SEC);
    expect_events(t, "conn");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(unanswered),
        CASE(unanswered_after_retransmissions),
        CASE(handshake_never_completed),
        CASE(established_idle),
        CASE(fin_unanswered),
        CASE(half_closed_idle),
        CASE(last_ack_missing),
        CASE(midstream_idle),
        CASE(midstream_confirmed),
        CASE(midstream_confirmed_by_a_keepalive),
        CASE(ended_flow_is_logged_at_exit),
        CASE(open_flow_is_logged_by_flush_only),
        CASE(half_open_is_logged_by_flush),
        CASE(the_sweep_counts),
        CASE(close_delay_takes_late_segments),
        CASE(late_segments_after_fin),
        CASE(late_segments_after_reset),
        CASE(not_late_a_syn),
        CASE(not_late_with_other_numbers),
        CASE(not_late_with_more_data),
        CASE(late_for_four_minutes),
        CASE(not_late_after_four_minutes),
        CASE(not_late_after_a_timeout),
    };
    const struct CMUnitTest with_updates[] = {CASE(updates)};
    int failed = RUN(cases);

    return failed + cmocka_run_group_tests(with_updates, group_updates, fixture_group_end);
}
