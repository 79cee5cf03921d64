/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What happens between opening and close, what begins in the middle, and what no stack would send. */
#include "fixture.h"
#include "tcp/zeek.h"

static void opened(void)
{
    talk_open(t);
    expect_events(t, "opening established");
}

TEST(data_both_ways)
{
    opened();
    for (int i = 0; i < 20; i++) {
        talk_say(t, A, PSH | ACK, 1000);
        talk_say(t, B, PSH | ACK, 500);
    }
    expect_events(t, "");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "ShADd");
    assert_int_equal(talk_flow(t).end[A].payload, 20000);
    assert_int_equal(talk_flow(t).end[B].payload, 10000);
    expect_counts(t);
    assert_true(bpfrun_counter(run, SW_C_FAST_PATH) > 0);
}

TEST(sequence_numbers_wrap)
{
    t->nxt[A] = t->isn[A] = 0xfffffff0u;
    t->nxt[B] = t->isn[B] = 0xffffffffu;
    opened();
    for (int i = 0; i < 5; i++) {
        talk_say(t, A, PSH | ACK, 100);
        talk_say(t, B, PSH | ACK, 100);
    }
    talk_close(t);
    expect_events(t, "half_closed closed");
    expect_history(t, "ShADdFaf");
    expect_counts(t);
}

TEST(retransmission)
{
    struct pkt p;

    opened();
    p = talk_pkt(t, A, PSH | ACK, 100);
    talk_send(t, A, &p);
    talk_send(t, A, &p);
    talk_say(t, B, ACK, 0);
    expect_history(t, "ShADTa");
    assert_int_equal(talk_flow(t).end[A].rexmit, 1);
    assert_int_equal(talk_flow(t).end[A].payload, 200);
    expect_counts(t);
    expect_events(t, "");
}

/* Data that the peer acknowledges and that never passed here. */
TEST(content_gap)
{
    opened();
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, ACK, 0);
    t->nxt[A] += 300;
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, ACK, 0);
    assert_int_equal(talk_flow(t).end[A].gaps, 1);
    expect_history(t, "ShADaG");
}

TEST(reordered_data_is_no_gap)
{
    struct pkt first, second;

    opened();
    first = talk_pkt(t, A, PSH | ACK, 100);
    t->nxt[A] += 100;
    second = talk_pkt(t, A, PSH | ACK, 100);
    talk_send(t, A, &second);
    talk_send(t, A, &first);
    talk_say(t, B, ACK, 0);
    assert_int_equal(talk_flow(t).end[A].gaps, 0);
    assert_int_equal(talk_flow(t).end[A].payload, 200);
}

TEST(keepalive)
{
    struct pkt probe;

    opened();
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    for (int i = 0; i < 3; i++) {
        talk_wait(t, 1000 * SEC);
        probe = talk_pkt(t, A, ACK, 0);
        probe.seq--; /* RFC 9293 section 3.8.4 */
        talk_send(t, A, &probe);
        talk_say(t, B, ACK, 0);
    }
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "");
    /* each answer moved the idle timeout of 3600 s */
    talk_wait(t, 3500 * SEC);
    expect_events(t, "");
    talk_wait(t, 200 * SEC);
    talk_event(t, TIMEOUT);
}

TEST(zero_window)
{
    struct pkt p;

    opened();
    talk_say(t, A, PSH | ACK, 100);
    p = talk_pkt(t, B, ACK, 0);
    p.win = 0;
    talk_send(t, B, &p);
    assert_int_equal(talk_flow(t).end[B].zero_win, 1);
    assert_int_equal(talk_flow(t).end[A].zero_win, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    /* the probe, then the window opens again */
    talk_say(t, A, ACK, 1);
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_int_equal(talk_flow(t).end[B].zero_win, 1);
}

TEST(zero_window_letter)
{
    struct pkt p;

    opened();
    p = talk_pkt(t, B, ACK, 0);
    p.win = 0;
    talk_send(t, B, &p);
    expect_history(t, "ShAaw");
}

TEST(midstream_pick_up)
{
    struct sw_flow f;

    t->nxt[A] = 123456;
    t->nxt[B] = 654321;
    talk_say(t, A, PSH | ACK, 100);
    expect_events(t, "midstream");
    talk_say(t, B, ACK, 0);
    talk_say(t, B, PSH | ACK, 50);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_events(t, "");
    expect_where(t, FLOWS);
    f = talk_flow(t);
    assert_true(f.flags & SW_F_MIDSTREAM);
    assert_int_equal(f.direction_by, SW_BY_MIDSTREAM);
    assert_int_equal(f.syn_ns, 0);
    assert_int_equal(f.est_ns, 0);
    expect_counts(t);
    expect_history(t, "Dad");
    talk_close(t);
    expect_events(t, "half_closed closed");
    expect_states(t, TIME_WAIT, CLOSED);
}

TEST(midstream_reset)
{
    t->nxt[A] = 123456;
    t->nxt[B] = 654321;
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, RST, 0);
    expect_events(t, "midstream reset");
    expect_states(t, CLOSED, CLOSED);
}

/* The SYN passed before we looked: the SYN-ACK is the first segment, and its receiver is the originator. */
TEST(synack_first)
{
    t->nxt[A] = t->isn[A] + 1;
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    talk_event(t, ESTABLISHED);
    assert_int_equal(talk_flow(t).syn_ns, 0);
    assert_true(talk_flow(t).flags & SW_F_INFERRED);
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

/* Scans: reported as what they are, nothing is established by them, and each leaves one conn at most. */
static void scan(__u16 flags, enum sw_anomaly anomaly)
{
    talk_say(t, A, flags, 0);
    assert_int_equal(count(SW_EV_ANOMALY), 1);
    assert_int_equal(talk_event(t, ANOMALY).anomaly, anomaly);
    assert_int_equal(talk_event(t, ANOMALY).by, A);
    assert_int_equal(count(SW_EV_ESTABLISHED), 0);
    assert_int_equal(count(SW_EV_CLOSED), 0);
    expect_where(t, HALF_OPEN);
    talk_sweep(t, 2);
    assert_int_equal(count(SW_EV_CONN), 1);
    expect_where(t, NOWHERE);
}

TEST(syn_fin)
{
    scan(SYN | FIN, SW_AN_SYN_FIN);
}
TEST(syn_rst)
{
    scan(SYN | RST, SW_AN_SYN_RST);
}
TEST(fin_rst)
{
    scan(FIN | RST, SW_AN_FIN_RST);
}
TEST(null_scan)
{
    scan(0, SW_AN_NULL_SCAN);
}
TEST(xmas_scan)
{
    scan(FIN | PSH | URG, SW_AN_XMAS_SCAN);
}

/* The same segments inside a connection do it no harm. */
TEST(scans_inside_a_connection)
{
    opened();
    talk_say(t, A, 0, 0);
    expect_events(t, "anomaly:null_scan");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    talk_close(t);
    expect_events(t, "half_closed closed");
}

TEST(bad_checksum)
{
    struct pkt p;

    SKIP_OLD("no checksums");
    opened();
    p = talk_pkt(t, A, FIN | ACK, 0);
    p.bad_checksum = true;
    talk_send(t, A, &p);
    t->nxt[A]--;
    expect_counter(t, BAD_CHECKSUM, 1);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "ShAC");
    expect_events(t, "anomaly:bad_checksum");
    p = talk_pkt(t, B, RST, 0);
    p.bad_checksum = true;
    talk_send(t, B, &p);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_counter(t, BAD_CHECKSUM, 2);
    bpfrun_clear_events(run);
    talk_close(t);
    expect_events(t, "half_closed closed");
}

TEST(bad_checksum_v6)
{
    struct pkt p;

    SKIP_OLD("no checksums");
    talk_init(t, run, true);
    opened();
    p = talk_pkt(t, A, RST, 0);
    p.bad_checksum = true;
    talk_send(t, A, &p);
    expect_counter(t, BAD_CHECKSUM, 1);
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

TEST(bad_option_is_reported_and_followed)
{
    static const __u8 broken[4] = {2, 40, 0, 0}; /* MSS that claims 40 bytes */
    struct pkt p = talk_pkt(t, A, SYN, 0);

    memcpy(p.opts, broken, 4);
    p.opts_len = 4;
    talk_send(t, A, &p);
    expect_counter(t, BAD_OPTION, 1);
    expect_events(t, "opening anomaly:bad_option");
    assert_int_equal(talk_flow(t).end[A].mss, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "established");
}

TEST(option_of_length_zero_ends_the_walk)
{
    static const __u8 broken[8] = {3, 0, 7, 1, 1, 1, 1, 1};
    struct pkt p = talk_pkt(t, A, SYN, 0);

    memcpy(p.opts, broken, 8);
    p.opts_len = 8;
    talk_send(t, A, &p);
    expect_counter(t, BAD_OPTION, 1);
    assert_int_equal(talk_flow(t).end[A].wscale, SW_WSCALE_NONE);
}

TEST(window_recision)
{
    struct pkt p;

    opened();
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, ACK, 0); /* 60000 << 7 */
    expect_events(t, "");
    p = talk_pkt(t, B, ACK, 0);
    p.win = 100;
    talk_send(t, B, &p);
    expect_events(t, "anomaly:window_recision");
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(data_both_ways),
        CASE(sequence_numbers_wrap),
        CASE(retransmission),
        CASE(content_gap),
        CASE(reordered_data_is_no_gap),
        CASE(keepalive),
        CASE(zero_window),
        CASE(zero_window_letter),
        CASE(midstream_pick_up),
        CASE(midstream_reset),
        CASE(synack_first),
        CASE(syn_fin),
        CASE(syn_rst),
        CASE(fin_rst),
        CASE(null_scan),
        CASE(xmas_scan),
        CASE(scans_inside_a_connection),
        CASE(bad_checksum),
        CASE(bad_checksum_v6),
        CASE(bad_option_is_reported_and_followed),
        CASE(option_of_length_zero_ends_the_walk),
        CASE(window_recision),
    };

    return RUN(cases);
}
