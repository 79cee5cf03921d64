/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway that translates: backends that refuse, are silent or have changed, clients that reset, four-tuples that
 * come again, a table that is full, ICMP errors. */
#include "gatefix.h"

static void refusal(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    p = pkt_swap(&third);
    p.flags = RST | ACK;
    p.opts_len = 0;
    p.seq = 0;
    p.ack = third.seq + 1; /* of another connection */
    expect_back(&p, SHOT);
    p.ack = third.seq;
    expect_back(&p, NEXT);
    decoded_as("RST");
    assert_int_equal(got.flags, RST | ACK);
    assert_int_equal(got.seq, cookie_isn + 1);
    assert_int_equal(got.ack, third.seq);
    assert_int_equal(st->entries, 0);
    assert_int_equal(count(SW_GC_REFUSED), 1);
    /* a closed port looks closed for a while */
    later(200 * MS);
    p = usual_syn();
    expect_pass(&p, "passed_backend");
    later(3 * SW_SECOND);
    p.seq++; /* one that has passed passes again */
    expect_reply(&p, "cookies_sent");
}
TEST(a_backend_refuses)
{
    both(refusal);
}

static void without_timestamps(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    p = synack(false, 1400, 9);
    drain_wire();
    expect_back(&p, NEXT);
    decoded_as("RST to the client");
    assert_int_equal(got.flags, RST | ACK);
    assert_int_equal(got.seq, cookie_isn + 1);
    injected();
    assert_int_equal(got.flags, RST);
    assert_int_equal(got.seq, third.seq);
    assert_int_equal(got.sport, third.sport);
    assert_int_equal(st->entries, 0);
    assert_int_equal(count(SW_GC_NO_TIMESTAMPS), 1);
    later(200 * MS);
    cookie(false); /* no client is granted it again */
}
TEST(a_backend_has_no_timestamps_any_more)
{
    both(without_timestamps);
}

static void challenge(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    p = pkt_swap(&third);
    p.flags = ACK;
    p.seq = 999;
    p.ack = 4242;
    drain_wire();
    expect_back(&p, SHOT);
    injected();
    assert_int_equal(got.flags, RST);
    assert_int_equal(got.seq, 4242);
    assert_memory_equal(got.dst, third.dst, 16);
    p = third;
    p.flags = RST;
    p.opts_len = 0;
    p.seq = 4242;
    expect_in(&p, NEXT); /* ours */
    p.seq = 4243;
    expect_in(&p, SHOT);     /* somebody's */
    expect_in(&third, NEXT); /* at once */
    decoded_as("SYN");
    assert_int_equal(got.flags, SYN);
    assert_int_equal(count(SW_GC_CHALLENGED), 1);
}
TEST(a_backend_has_an_older_connection)
{
    both(challenge);
}

static void client_resets(void)
{
    struct pkt p;

    known(true);
    cookie(true);
    expect_in(&third, NEXT);
    p = third;
    p.flags = RST;
    p.seq += 5;
    expect_in(&p, SHOT);
    assert_int_equal(st->entries, 1);
    p.seq = third.seq;
    expect_in(&p, NEXT);
    assert_int_equal(st->entries, 0);
    assert_int_equal(count(SW_GC_ABORTED), 1);
}
TEST(a_client_resets_early)
{
    both(client_resets);
}

static void reuse(void)
{
    struct pkt p;

    opened(true);
    later(SW_SECOND);
    t->isn[A] += 77777;
    cookie(true);
    p = third;
    p.ack++;
    expect_in(&p, NEXT); /* no cookie: of the old one */
    decoded_as("old");
    assert_int_equal(got.flags, ACK);
    expect_in(&third, NEXT);
    decoded_as("SYN");
    assert_int_equal(got.flags, SYN);
    assert_int_equal(got.seq, third.seq - 1);
    assert_int_equal(entry().state, SW_X_PENDING);
    assert_int_equal(st->entries, 1);
    assert_int_equal(count(SW_GC_REUSED), 1);
}
TEST(the_four_tuple_comes_again)
{
    both(reuse);
}

/* The SYN passes, for it is calm: what the backend says to it is its own numbers. */
static void reuse_calm(void)
{
    struct pkt p;

    opened(true);
    p = usual_syn();
    p.seq = 12345;
    expect_in(&p, NEXT);
    decoded_as("SYN");
    assert_int_equal(got.seq, 12345);
    p = synack(true, 1400, 9);
    p.ack = 12346;
    p.seq = 9;
    expect_back(&p, NEXT);
    decoded_as("SYN-ACK");
    assert_int_equal(got.seq, 9);
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(st->entries, 0);
}
TEST(the_four_tuple_comes_again_in_calm)
{
    both(reuse_calm);
}

static void silence(void)
{
    struct bpf_program *sweep = bpfrun_object(run)->progs.sw_gateway_sweep;
    struct sw_gateway_due due;
    __u32 zero = 0;
    struct pkt p;

    known(true);
    later(SW_SECOND);
    cookie(true);
    expect_in(&third, NEXT);
    later(299 * MS);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep), NULL), 0);
    assert_int_equal(st->due, 0);
    later(2 * MS);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep), NULL), 0);
    assert_int_equal(st->due, 1);
    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.gateway_due), &zero, &due), 0);
    assert_int_equal(due.x.client_isn, third.seq - 1);
    later(60 * SW_SECOND);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep), NULL), 0);
    assert_int_equal(entry().state, SW_X_DEAD);
    assert_int_equal(st->due, 1); /* the daemon has its client's acknowledgement come in once more: */
    assert_int_equal(count(SW_GC_SILENT), 1);
    expect_in(&third, REDIRECT);
    decoded_as("RST");
    assert_int_equal(got.flags, RST);
    assert_int_equal(got.seq, cookie_isn + 1);
    assert_memory_equal(got.dst, third.src, 16);
    assert_int_equal(got.dport, third.sport);
    p = pkt_swap(&third);
    p.flags = RST;
    expect_back(&p, NEXT); /* by which it leaves */
    /* nobody has had an answer for so long: SYNs pass */
    p = usual_syn();
    expect_pass(&p, "passed_backend");
}
TEST(a_backend_is_silent)
{
    both(silence);
}

static void places(void)
{
    struct pkt p;

    known(true);
    for (int i = 0; i < 9; i++) { /* eight are one client's share */
        t->side[A].sport++;
        cookie(true);
        expect_in(&third, NEXT);
        decoded_as("of one client");
        assert_int_equal(got.flags, i < 8 ? SYN : ACK);
    }
    assert_int_equal(count(SW_GC_OVER_SHARE), 1);
    assert_int_equal(st->entries, 8);
    if (third.v6) { /* the /64 is the client */
        t->side[A].src[15] ^= 0x55;
        t->side[A].src[9] ^= 0x55;
        cookie(true);
        expect_in(&third, NEXT);
        assert_int_equal(st->entries, 8);
    }
    st->max = 8;
    t->side[A].src[third.v6 ? 3 : 15] ^= 0x15;
    p = usual_syn();
    expect_pass(&p, "passed_backend"); /* fail open */
    assert_true(count(SW_GC_FULL) > 0);
    st->max = 9;
    later(SW_SECOND);
    t->isn[A]++; /* one that has passed passes again */
    cookie(true);
    st->max = 8; /* meanwhile */
    expect_in(&third, NEXT);
    decoded_as("full");
    assert_int_equal(got.flags, ACK);
    st->max = 9;
    expect_in(&third, NEXT);
    decoded_as("a place");
    assert_int_equal(got.flags, SYN);
}
TEST(the_table_and_its_shares)
{
    both(places);
}

/* --- ICMP --- */

static __u16 sum16(const __u8 *p, size_t len, __u32 sum)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (__u32)p[i] << 8 | p[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)sum;
}

/* "Too big" of a router about a segment of the server's, as the client's side has seen it. */
static size_t too_big(__u8 *frame, __u32 seq)
{
    struct pkt p = pkt_swap(&third);
    static __u8 inner[200];
    size_t ip = third.v6 ? 40 : 20, len;
    __u8 *icmp = frame + 14 + ip;
    __u16 sum;

    p.flags = ACK;
    p.seq = seq;
    p.no_padding = true;
    len = pkt_build(&p, inner, sizeof(inner)) - 14;
    memset(frame, 0, 300);
    memcpy(frame, inner, 14);
    memcpy(frame + 14, inner + 14, ip);
    if (third.v6) {
        frame[14 + 4] = 0, frame[14 + 5] = (__u8)(8 + len), frame[14 + 6] = 58;
        memcpy(frame + 14 + 8, third.src, 16);
        memcpy(frame + 14 + 24, third.dst, 16);
        icmp[0] = 2;
    } else {
        frame[14 + 2] = 0, frame[14 + 3] = (__u8)(20 + 8 + len), frame[14 + 9] = 1;
        memcpy(frame + 14 + 12, third.src + 12, 4);
        memcpy(frame + 14 + 16, third.dst + 12, 4);
        icmp[0] = 3, icmp[1] = 4;
    }
    memcpy(icmp + 8, inner + 14, len);
    sum = sum16(icmp, 8 + len, third.v6 ? sum16(frame + 14 + 8, 32, 58 + 8 + (__u32)len) : 0);
    icmp[2] = (__u8)(~sum >> 8), icmp[3] = (__u8)~sum;
    return 14 + ip + 8 + len;
}

static void path_mtu(void)
{
    struct __sk_buff ctx = {.ifindex = 1};
    static __u8 frame[300];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out.frame, .data_size_out = sizeof(out.frame),
                .repeat = 1, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
    size_t ip, seq_at;
    __u32 seq;

    opened(true);
    ip = third.v6 ? 40 : 20;
    seq_at = 14 + ip + 8 + ip + 4;
    opts.data_size_in = too_big(frame, cookie_isn + 101);
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_in), &opts), 0);
    assert_int_equal((int)opts.retval, NEXT);
    memcpy(&seq, out.frame + seq_at, 4);
    assert_int_equal(ntohl(seq), (__u32)SERVER_ISN + 101);
    assert_int_equal(count(SW_GC_ICMP), 1);
    assert_int_equal(sum16(out.frame + 14 + ip, opts.data_size_in - 14 - ip,
                           third.v6 ? sum16(out.frame + 14 + 8, 32, 58 + (__u32)opts.data_size_in - 54) : 0),
                     0xffff);
    frame[14 + ip] = third.v6 ? 128 : 8; /* no error */
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpfrun_object(run)->progs.sw_gateway_in), &opts), 0);
    assert_memory_equal(out.frame, frame, opts.data_size_in);
    assert_int_equal(count(SW_GC_ICMP), 1);
}
TEST(icmp_errors)
{
    both(path_mtu);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_backend_refuses),
        cmocka_unit_test(a_backend_has_no_timestamps_any_more),
        cmocka_unit_test(a_backend_has_an_older_connection),
        cmocka_unit_test(a_client_resets_early),
        cmocka_unit_test(the_four_tuple_comes_again),
        cmocka_unit_test(the_four_tuple_comes_again_in_calm),
        cmocka_unit_test(a_backend_is_silent),
        cmocka_unit_test(the_table_and_its_shares),
        cmocka_unit_test(icmp_errors),
    };

    return cmocka_run_group_tests(cases, group, guarded_group_end);
}
