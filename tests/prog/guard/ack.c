/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The third packet: a cookie that is good makes a connection, whatever else the packet carries. */
#include "guardack.h"

static void plain(void)
{
    struct pkt p;
    struct sw_flow f;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    expect_events(t, "opening established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_history(t, "ShA");
    f = talk_flow(t);
    assert_int_equal(f.end[A].mss, p.v6 ? 1440 : 1460);
    assert_int_equal(f.end[A].wscale, 7);
    assert_int_equal(f.end[A].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS);
    assert_int_equal(f.end[B].mss, p.v6 ? 1440 : 1460);
    assert_int_equal(f.end[B].wscale, 10);
    assert_int_equal(f.end[B].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS);
    assert_int_equal(f.end[A].pkts, 2); /* SYN and ACK */
    assert_int_equal(f.end[B].pkts, 1);
    assert_int_equal(f.end[A].ip_bytes, p.v6 ? 80 + 72 : 60 + 52);
    assert_int_equal(f.end[B].ip_bytes, p.v6 ? 80 : 60);
}
TEST(third_packet)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        plain();
    }
}

TEST(without_timestamps)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p;

        talk_init(t, run, v6);
        p = bare_syn();
        pkt_opt(&p, 2, "\x05\xb4", 2);
        pkt_opt(&p, 4, NULL, 0);
        pkt_opt(&p, 3, "\x08", 1);
        ask(p);
        assert_false(synack.has_ts);
        p = answer_to(&synack, ACK, 0);
        expect_from_cookie(&p);
        expect_events(t, "opening established");
        assert_int_equal(talk_flow(t).end[A].wscale, 8);
        assert_int_equal(talk_flow(t).end[A].opts, SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK);
    }
}

TEST(without_any_option)
{
    struct pkt p;

    ask(bare_syn());
    assert_int_equal(synack.opt_len, 0);
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    assert_int_equal(talk_flow(t).end[A].wscale, SW_WSCALE_NONE);
}

TEST(with_ecn)
{
    struct pkt p = usual_syn();
    struct sw_flow f;

    p.flags |= ECE | CWR;
    ask(p);
    assert_true(synack.flags & ECE);
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    f = talk_flow(t);
    assert_int_equal(f.end[A].ecn, SW_ECN_ECE | SW_ECN_CWR);
    assert_int_equal(f.end[B].ecn, SW_ECN_ECE);
}

/* The third packet was lost, or the client had something to say: data, PSH, FIN, all of it. */
TEST(third_packet_with_more)
{
    static const struct {
        __u16 flags;
        __u32 payload;
    } more[] = {{ACK, 1},         {ACK | PSH, 500},       {ACK, 1448},     {ACK | PSH, 8000},
                {ACK | FIN, 0},   {ACK | PSH | FIN, 300}, {ACK | URG, 10}, {ACK | ECE, 0},
                {ACK | CWR, 100}, {ACK | AE, 0}};

    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        for (int v6 = 0; v6 < 2; v6++) {
            struct pkt p;
            struct sw_flow f;

            talk_init(t, run, v6);
            t->side[A].sport += i;
            t->side[B].dport += i;
            t->key = pkt_key(&t->side[A], NULL);
            ask(usual_syn());
            p = answer_to(&synack, more[i].flags, more[i].payload);
            expect_from_cookie(&p);
            f = talk_flow(t);
            assert_int_equal(f.end[A].payload, more[i].payload);
            if (more[i].flags & FIN)
                expect_states(t, FIN_WAIT_1, ESTABLISHED);
            else
                expect_states(t, ESTABLISHED, ESTABLISHED);
        }
}

/* The data of a SYN was not acknowledged, so it comes again. */
TEST(data_of_the_syn_comes_again)
{
    struct pkt p = usual_syn();

    p.payload = 100;
    ask(p);
    assert_int_equal(synack.ack, t->isn[A] + 1);
    p = answer_to(&synack, ACK | PSH, 100);
    expect_from_cookie(&p);
    assert_int_equal(talk_flow(t).end[A].payload, 100);
}

/* The third packet and the first data are lost: what comes later proves nothing, the retransmission does. */
TEST(first_segments_lost)
{
    struct pkt p;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 1000);
    p.seq += 1000;
    expect_drop(&p, "cookie_bad");
    p.seq += 1000;
    expect_drop(&p, "cookie_bad");
    p = answer_to(&synack, ACK, 1000);
    expect_from_cookie(&p);
}

/* The same again, as a network doubles it: passes, with its metadata once the first should have a socket, and counts
 * once.
 */
TEST(third_packet_twice)
{
    struct pkt p;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    expect_events(t, "opening established");
    for (int i = 0; i < 3; i++) {
        expect_pass(&p, "");
        assert_int_equal(out.meta_len > 0, i > 0);
        bpfrun_set_now(run, bpfrun_now(run) + 101 * MS);
    }
    expect_events(t, "");
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), 1);
    assert_int_equal(talk_flow(t).end[A].pkts, 2 + 3);
}

/* XDP sees a whole batch before the stack makes a socket of its first packet. */
TEST(first_flight_in_one_batch)
{
    struct pkt p, q;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    q = p;
    q.payload = 1000;
    for (int i = 0; i < 5; i++) { /* the first of them would prove the cookie again: one socket is enough */
        expect_pass(&q, "");
        assert_int_equal(out.meta_len, 0);
        q.seq += 1000;
    }
    q.seq += 2u << 20; /* no client sends so much at once */
    expect_drop(&q, "cookie_bad");
    q = p;
    q.ack += 2u << 20;
    expect_drop(&q, "cookie_bad");
    q = p;
    q.payload = 1000;
    q.seq += 1000;
    bpfrun_set_now(run, bpfrun_now(run) + 101 * MS); /* a retransmission finds a socket, or there will be none */
    expect_drop(&q, "cookie_bad");
}

/* In each order: SYN SYN ACK, SYN ACK SYN, and a SYN-ACK of the client's for nothing. */
TEST(duplicates_in_each_order)
{
    struct pkt syn = usual_syn(), p;

    ask(syn);
    ask(syn);
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    expect_events(t, "opening established");
    real_connection(t);
    deliver(&syn); /* late: the kernel has a socket and answers itself */
    expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_PASS, "passed_known");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    expect_pass(&p, "");
    close_sockets();
    p = answer_to(&synack, SYN | ACK, 0);
    p.sport++;
    expect_drop(&p, "synack");
}

/* A whole connection. No byte of what follows is touched, and its events are emitted once. */
static void whole(void)
{
    struct sw_event conn;
    struct pkt p;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    real_connection(t);
    t->pkts[A] = 2, t->pkts[B] = 1;
    t->ip_bytes[A] = p.v6 ? 80 + 72 : 60 + 52, t->ip_bytes[B] = p.v6 ? 80 : 60;
    talk_say(t, B, PSH | ACK, 700); /* the server speaks first */
    talk_say(t, A, PSH | ACK, 300);
    talk_say(t, A, ACK, 1400);
    talk_say(t, B, ACK, 0);
    expect_counts(t);
    talk_close(t);
    close_sockets();
    talk_wait(t, 6 * SEC);
    conn = talk_conn(t);
    assert_true(conn.flow.flags & SW_F_COOKIE);
    assert_int_equal(conn.flow.end[A].payload, 1700);
    assert_int_equal(conn.flow.end[B].payload, 700);
    assert_int_equal(conn.flow.end[A].rexmit + conn.flow.end[B].rexmit + conn.flow.end[A].gaps + conn.flow.end[B].gaps,
                     0);
    assert_int_equal(conn.flow.end[A].pkts, t->pkts[A]);
    assert_int_equal(conn.flow.end[B].ip_bytes, t->ip_bytes[B]);
    expect_events(t, "opening established half_closed closed conn");
}
TEST(whole_connection)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        whole();
    }
}

/* A keepalive or a zero-window probe first: it is answered as a receiver does, and what that brings is the ACK. */
static void keepalive(__u32 payload, bool stamps)
{
    struct pkt p = stamps ? usual_syn() : bare_syn();

    ask(p);
    p = answer_to(&synack, ACK, payload);
    p.seq--;
    expect_reply(&p, "probes_sent");
    assert_int_equal(reply.flags, ACK);
    assert_int_equal(reply.payload, 0);
    assert_int_equal(reply.seq, synack.seq); /* below the window: the client must answer (RFC 9293 section 3.10.7.4) */
    assert_int_equal(reply.ack, t->isn[A] + 1);
    assert_memory_equal(reply.src, p.dst, 16);
    assert_memory_equal(reply.dst, p.src, 16);
    assert_int_equal(reply.sport, p.dport);
    assert_int_equal(reply.dport, p.sport);
    assert_memory_equal(reply.mac_dst, request + 6, 6);
    assert_int_equal(reply.has_ts, stamps);
    assert_int_equal(reply.win, stamps ? 65160 >> 10 : 65160); /* scaled, for its SYN-ACK said so */
    if (stamps) {
        assert_int_equal(reply.tsecr, 2);
        assert_int_equal(reply.tsval, synack.tsval);
    }
    expect_where(t, NOWHERE);
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    bpfrun_clear_events(run);
}
TEST(keepalive_first)
{
    for (int bits = 0; bits < 8; bits++) {
        talk_init(t, run, bits & 1);
        t->side[A].sport += bits;
        t->side[B].dport += bits;
        t->key = pkt_key(&t->side[A], NULL);
        keepalive(bits >> 1 & 1, bits >> 2);
    }
}

/* One number lower is a keepalive's; any other packet that has it is none. */
TEST(no_probe_for_what_is_no_keepalive)
{
    struct pkt p;

    ask(usual_syn());
    p = answer_to(&synack, ACK, 2);
    p.seq--;
    expect_drop(&p, "cookie_bad");
    p = answer_to(&synack, ACK | FIN, 0);
    p.seq--;
    expect_drop(&p, "fin");
    p = answer_to(&synack, RST | ACK, 0);
    p.seq--;
    expect_drop(&p, "rst");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(third_packet),
        ENGAGED(without_timestamps),
        ENGAGED(without_any_option),
        ENGAGED(with_ecn),
        ENGAGED(third_packet_with_more),
        ENGAGED(data_of_the_syn_comes_again),
        ENGAGED(first_segments_lost),
        ENGAGED(third_packet_twice),
        ENGAGED(first_flight_in_one_batch),
        ENGAGED(duplicates_in_each_order),
        ENGAGED(whole_connection),
        ENGAGED(keepalive_first),
        ENGAGED(no_probe_for_what_is_no_keepalive),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
