/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway that translates: from the cookie to the end of the connection. */
#include "gatefix.h"

/* --- from the cookie to the SYN --- */

static void the_syn(void)
{
    for (int ts = 0; ts < 2; ts++) {
        fresh();
        known(ts);
        cookie(ts);
        third.tos = 2; /* ECT: a SYN is none */
        expect_in(&third, NEXT);
        decoded_as("SYN");
        assert_int_equal(got.flags, SYN);
        assert_int_equal(got.seq, third.seq - 1);
        assert_int_equal(got.ack, 0);
        assert_int_equal(got.payload, 0);
        assert_int_equal(got.padding, 0);
        assert_int_equal(got.tos, 0);
        assert_int_equal(got.mss, ts ? 1440 + 20 * !third.v6 : third.v6 ? 1440 : 1460);
        assert_int_equal(got.has_ts, ts);
        assert_true(got.has_sack);
        assert_int_equal(got.win, 64256);
        assert_memory_equal(got.src, third.src, 16);
        assert_int_equal(got.sport, third.sport);
        if (ts)
            assert_int_equal(got.tsval, 1000);
        assert_int_equal(entry().state, SW_X_PENDING);
        assert_int_equal(count(SW_GC_BEGUN), 1);
    }
}
TEST(an_acknowledgement_becomes_the_syn)
{
    both(the_syn);
}

static void untouched(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    p = third;
    p.ack++; /* no cookie */
    expect_in(&p, NEXT);
    decoded_as("as it was");
    assert_int_equal(got.ack, p.ack);
    assert_int_equal(got.flags, ACK);
    p = third;
    p.flags = ACK | FIN;
    expect_in(&p, NEXT);
    p = third;
    p.dport = 81;
    expect_in(&p, NEXT);
    p = third;
    p.payload = 1; /* nothing was granted */
    expect_in(&p, NEXT);
    assert_int_equal(st->entries, 0);
    guardrun_at(guard, svc)->state = SW_GS_CALM; /* no cookies are taken then */
    expect_in(&third, NEXT);
    assert_int_equal(st->entries, 0);
    guardrun_at(guard, svc)->state = SW_GS_GRACE;
    expect_in(&third, NEXT);
    assert_int_equal(st->entries, 1);
}
TEST(what_is_no_cookie_passes)
{
    both(untouched);
}

static void again(void)
{
    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    expect_in(&third, SHOT);
    assert_int_equal(count(SW_GC_EARLY), 1);
    later(250 * MS);
    third.payload = 10; /* it ignores that its window is 0 */
    expect_in(&third, NEXT);
    decoded_as("SYN again");
    assert_int_equal(got.flags, SYN);
    assert_int_equal(got.payload, 0);
    later(250 * MS); /* twice as long now */
    expect_in(&third, SHOT);
    later(250 * MS);
    expect_in(&third, NEXT);
    third.fragment = third.more_frags = true;
    later(10 * SW_SECOND);
    expect_in(&third, SHOT);
    assert_int_equal(count(SW_GC_AGAIN), 2);
}
TEST(before_the_backend_answers)
{
    both(again);
}

static void odd_headers(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    if (third.v6) {
        pkt_ext(&third, 60, 16);
    } else {
        third.ip_opts_len = 8;
        memset(third.ip_opts, 1, 8);
    }
    expect_in(&third, NEXT);
    if (third.v6) { /* which the decoder does not read */
        assert_int_equal(out.len, 14 + 56 + 40);
        assert_int_equal(out.frame[14 + 56 + 13], SYN);
        assert_int_equal(out.frame[14 + 5], 16 + 40);
    } else {
        decoded_as("SYN");
        assert_int_equal(got.flags, SYN);
        assert_int_equal(got.ip_hlen, 28);
    }
    p = synack(true, 1400, 9);
    expect_back(&p, NEXT);
    third.payload = 700;
    third.fragment = third.more_frags = true; /* its checksum is of all fragments: not decoded */
    expect_in(&third, NEXT);
    assert_int_equal(count(SW_GC_FAILED), 0);
    p = pkt_swap(&third);
    p.fragment = p.more_frags = false;
    p.ip_opts_len = p.ext_len = 0;
    p.flags = ACK;
    p.seq = SERVER_ISN + 1;
    p.ack = third.seq;
    expect_back(&p, NEXT);
    decoded_as("data");
    assert_int_equal(got.seq, cookie_isn + 1);
}
TEST(ip_options_extension_headers_and_fragments)
{
    both(odd_headers);
}

/* A tag within the frame stays, also of what goes in. */
static void tags(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    third.vlans = 1;
    third.vlan[0] = 7;
    expect_in(&third, NEXT);
    decoded_as("SYN");
    assert_int_equal(got.flags, SYN);
    assert_int_equal(got.tci[0], 7);
    p = synack(true, 1400, 9);
    drain_wire();
    expect_back(&p, NEXT);
    decoded_as("window");
    assert_int_equal(got.tags, 1);
    assert_int_equal(got.seq, cookie_isn + 1);
    injected(); /* the kernel shows the tag beside the frame */
    assert_int_equal(got.seq, third.seq);
    third.payload = 77;
    expect_in(&third, NEXT);
    decoded_as("data");
    assert_int_equal(got.tci[0], 7);
    assert_int_equal(got.ack, (__u32)SERVER_ISN + 1);
}
TEST(vlan_tags)
{
    both(tags);
}

/* --- the backend answers --- */

static void two_packets(void)
{
    for (int ts = 0; ts < 2; ts++) {
        fresh();
        opened(ts);
        decoded_as("window");
        assert_int_equal(got.flags, ACK);
        assert_int_equal(got.seq, cookie_isn + 1);
        assert_int_equal(got.ack, third.seq);
        assert_int_equal(got.win, 64240 >> 7);
        assert_int_equal(got.has_ts, ts);
        assert_int_equal(got.padding, 0);
        if (ts)
            assert_int_equal(got.tsval, cookie_ts);
        assert_memory_equal(got.src, third.dst, 16);
        assert_int_equal(got.dport, third.sport);
        injected();
        assert_int_equal(got.flags, ACK);
        assert_int_equal(got.seq, third.seq);
        assert_int_equal(got.ack, cookie_isn + 1);
        assert_int_equal(got.win, 502);
        assert_int_equal(got.sport, third.sport);
        assert_memory_equal(got.src, third.src, 16);
        assert_memory_equal(got.dst, third.dst, 16);
        if (ts)
            assert_int_equal(got.tsecr, cookie_ts);
        assert_int_equal(count(SW_GC_OPENED), 1);
        assert_int_equal(count(SW_GC_FAILED), 0);
    }
}
TEST(a_synack_becomes_two_packets)
{
    both(two_packets);
}

static void numbers(void)
{
    struct pkt p;

    opened(true);
    p = third; /* what went in comes by the hook as any */
    expect_in(&p, NEXT);
    decoded_as("third");
    assert_int_equal(got.ack, (__u32)SERVER_ISN + 1);
    assert_int_equal(got.tsecr, SERVER_TS);
    assert_int_equal(got.win, 502);
    p.payload = 1000;
    p.win = 777;
    expect_in(&p, NEXT);
    decoded_as("data");
    assert_int_equal(got.payload, 1000);
    assert_int_equal(got.seq, third.seq);
    p = pkt_swap(&p);
    p.flags = ACK | PSH;
    p.seq = (__u32)SERVER_ISN + 100; /* beyond the wrap */
    p.ack = third.seq + 1000;
    p.win = 1000;
    p.payload = 333;
    p.opts_len = 0;
    p.opts[p.opts_len++] = 1;
    p.opts[p.opts_len++] = 1;
    pkt_opt(&p, 8, (__be32[2]){htonl(SERVER_TS + 9), htonl(1000)}, 8);
    expect_back(&p, NEXT);
    decoded_as("answer");
    assert_int_equal(got.seq, cookie_isn + 100);
    assert_int_equal(got.ack, third.seq + 1000);
    assert_int_equal(got.tsval, cookie_ts + 9);
    assert_int_equal(got.tsecr, 1000);
    assert_int_equal(got.win, 4000); /* its scale is 9, and the client was granted 7 */
    assert_int_equal(entry().client_next, third.seq + 1000);
    assert_int_equal(entry().acked, third.seq + 1000);
}
TEST(numbers_of_both_spaces)
{
    both(numbers);
}

/* Does this kernel do so? */
static bool holds_sums(void)
{
    __u8 frame[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1,
                .flags = SUM_COMPLETE);

    return !bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_in), &opts);
}

static void whole_sums(void)
{
    struct sw_xlate x;
    struct pkt p;

    opened(false);
    run_flags = SUM_COMPLETE;
    p = third;
    p.payload = 1000;
    expect_in(&p, NEXT);
    decoded_as("data");
    assert_int_equal(got.ack, (__u32)SERVER_ISN + 1);
    p = pkt_swap(&p);
    p.seq = SERVER_ISN + 1;
    p.ack = third.seq;
    p.flags = ACK;
    expect_back(&p, NEXT);
    decoded_as("answer");
    assert_int_equal(got.seq, cookie_isn + 1);
    x = entry(); /* and one that becomes another segment of the same length */
    x.state = SW_X_DEAD;
    put_entry(&x);
    third.no_padding = true;
    third.hops = 50; /* an IPv6 header has no sum of its own */
    expect_in(&third, REDIRECT);
    decoded_as("RST");
    assert_int_equal(got.flags, RST);
    run_flags = 0;
}
TEST(sums_of_the_whole_packet)
{
    if (!holds_sums()) {
        print_message("this kernel's test runs have no sum of the whole packet (6.15)\n");
        skip();
    }
    both(whole_sums);
}

static void fins(void)
{
    struct pkt p, q;

    opened(true);
    p = third;
    p.flags = ACK | FIN;
    expect_in(&p, NEXT);
    q = pkt_swap(&third);
    q.flags = ACK | FIN;
    q.opts_len = 0;
    q.seq = SERVER_ISN + 1;
    q.ack = third.seq + 1;
    expect_back(&q, NEXT);
    decoded_as("FIN");
    assert_int_equal(got.seq, cookie_isn + 1);
    assert_int_equal(entry().state, SW_X_CLOSING);
    p = third;
    p.seq++;
    p.ack++;
    expect_in(&p, NEXT); /* the last acknowledgement, and no new connection */
    decoded_as("last");
    assert_int_equal(got.ack, (__u32)SERVER_ISN + 2);
    assert_int_equal(st->entries, 1);
    /* its place is free when the linger is over, and not before */
    later(120 * SW_SECOND - 1);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_sweep), NULL), 0);
    assert_int_equal(entry().state, SW_X_CLOSING);
    later(2);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_sweep), NULL), 0);
    assert_int_equal(entry().state, SW_X_DEAD);
    later(5 * SW_SECOND + 1);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_sweep), NULL), 0);
    assert_int_equal(entry().state, SW_X_NONE);
    assert_int_equal(st->entries, 0);
    assert_int_equal(count(SW_GC_CLOSED), 1);
}
TEST(ends_and_their_places)
{
    both(fins);
}

/* --- what clients are granted --- */

static void granted(void)
{
    struct pkt p = usual_syn();

    /* nothing is known: one SYN passes, for the SYN-ACK to be seen; then no timestamps are promised */
    expect_pass(&p, "passed_backend");
    p.seq++;
    expect_reply(&p, "cookies_sent");
    assert_false(reply.has_ts);
    assert_true(reply.has_sack && reply.has_wscale);
    assert_int_equal(reply.mss, p.v6 ? 1440 : 1460);
    known(true);
    p = usual_syn();
    p.seq += 2;
    expect_reply(&p, "cookies_sent");
    assert_true(reply.has_ts);
    assert_int_equal(reply.mss, 1400);
    assert_int_equal(reply.wscale, 7);
    p.flags |= ECE | CWR; /* which the backend has not said */
    expect_reply(&p, "cookies_sent");
    assert_int_equal(reply.flags & ECE, 0);
}
TEST(what_clients_are_granted)
{
    both(granted);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(an_acknowledgement_becomes_the_syn),
        cmocka_unit_test(what_is_no_cookie_passes),
        cmocka_unit_test(before_the_backend_answers),
        cmocka_unit_test(ip_options_extension_headers_and_fragments),
        cmocka_unit_test(vlan_tags),
        cmocka_unit_test(a_synack_becomes_two_packets),
        cmocka_unit_test(numbers_of_both_spaces),
        cmocka_unit_test(sums_of_the_whole_packet),
        cmocka_unit_test(ends_and_their_places),
        cmocka_unit_test(what_clients_are_granted),
    };

    return cmocka_run_group_tests(cases, group, guarded_group_end);
}
