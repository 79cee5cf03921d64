/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gateway that translates: each row of what becomes of a packet, by the programs of the two tc hooks. A packet that
 * comes out is decoded with its checksums; what goes in again at the device is read from the loopback of this network
 * namespace, where the test runs.
 */
#include "guardcount.h"
#include "guardsyn.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "synward.skel.h"

static __u32 svc4, svc6;
static int wire = -1; /* what comes in at the loopback */
static struct sw_gateway_state *st;
static struct decoded got;
static __u32 cookie_isn, cookie_ts;
static struct pkt third; /* the client's acknowledgement */

enum { SERVER_ISN = 0xfffffff0, SERVER_TS = 5 };

static int group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.gateway = SW_GATEWAY_TRANSLATE;
    opts.gateway_flows = 64;
    if (guarded_load(&opts))
        return -1;
    st = mmap(NULL, sizeof(*st), PROT_READ | PROT_WRITE, MAP_SHARED,
              bpf_map__fd(bpfrun_object(run)->maps.gateway_state), 0);
    wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    return st == MAP_FAILED || wire < 0;
}

static void empty(struct bpf_map *map)
{
    __u8 key[64];

    while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
        if (bpf_map_delete_elem(bpf_map__fd(map), key))
            return;
}

static void net_of(const char *ip, __u8 ret[16])
{
    __u32 v4;

    if (strchr(ip, ':')) {
        assert_int_equal(inet_pton(AF_INET6, ip, ret), 1);
        return;
    }
    assert_int_equal(inet_pton(AF_INET, ip, &v4), 1);
    pkt_v4(ret, ntohl(v4));
}

static int engaged(void **state)
{
    static __u64 generation = 1000;
    __u32 zero = 0;
    __u8 ip[16];

    close_sockets();
    if (fixture_test(state) || guardrun_reset(guard))
        return -1;
    empty(bpfrun_object(run)->maps.xlate);
    empty(bpfrun_object(run)->maps.backends);
    for (__u32 i = 0; i < SW_GATEWAY_SHARES; i++)
        if (bpf_map_update_elem(bpf_map__fd(bpfrun_object(run)->maps.xlate_shares), &i, &zero, BPF_ANY))
            return -1;
    memset(st, 0, sizeof(*st));
    st->max = 64;
    st->share = 8;
    st->linger = 120 * SW_SECOND;
    st->idle = 7500 * SW_SECOND;
    st->pending = 60 * SW_SECOND;
    net_of("10.0.0.0", ip);
    svc4 = guardrun_net(guard, ip, 96 + 24, 80);
    net_of("2001:db8::", ip);
    svc6 = guardrun_net(guard, ip, 64, 80);
    guardrun_conf(guard)->nets_gen += ++generation; /* each CPU remembers what it found before */
    step = MS;
    for (int v6 = 0; v6 < 2; v6++) {
        svc = v6 ? svc6 : svc4;
        guardrun_at(guard, svc)->win = 0;
        guardrun_at(guard, svc)->wscale = 7;
        set_mode(SW_GM_ALWAYS);
    }
    guardrun_clear(guard);
    return 0;
}

/* Again, for the family that the conversation has. */
static void fresh(void)
{
    bool v6 = t->side[A].v6;

    assert_int_equal(engaged(NULL), 0);
    talk_init(t, run, v6);
    svc = v6 ? svc6 : svc4;
}

static void later(__u64 ns)
{
    bpfrun_set_now(run, bpfrun_now(run) + ns);
}

static int hook(struct bpf_program *prog, const struct pkt *p)
{
    static __u8 frame[PKT_MAX_FRAME];
    struct __sk_buff ctx = {.ifindex = 1};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out.frame, .data_size_out = sizeof(out.frame),
                .repeat = 1, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

    opts.data_size_in = pkt_build(p, frame, sizeof(frame));
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
    out.len = opts.data_size_out;
    return (int)opts.retval;
}

static int in(const struct pkt *p)
{
    return hook(bpfrun_object(run)->progs.sw_gateway_in, p);
}

static int back(const struct pkt *p)
{
    return hook(bpfrun_object(run)->progs.sw_gateway_out, p);
}

enum { NEXT = -1, SHOT = 2, REDIRECT = 7 };

static void decoded_as(const char *what)
{
    const char *wrong = decode(out.frame, out.len, &got);

    if (wrong)
        fail_msg("%s: %s", what, wrong);
}

#define expect_in(p, verdict) assert_int_equal(in(p), verdict)
#define expect_back(p, verdict) assert_int_equal(back(p), verdict)

static __u64 count(enum sw_gateway_counter c)
{
    return st->item[c];
}

/* What the client's third packet is, after its SYN has got a cookie. */
static void cookie(bool ts)
{
    struct pkt p = usual_syn();

    expect_reply(&p, "cookies_sent");
    assert_int_equal(reply.win, 0);
    assert_int_equal(reply.has_ts, ts);
    cookie_isn = reply.seq;
    cookie_ts = reply.tsval;
    third = p;
    third.flags = ACK;
    third.seq = p.seq + 1;
    third.ack = cookie_isn + 1;
    third.win = 502;
    third.opts_len = 0;
    if (ts) {
        __be32 stamps[2] = {htonl(1000), htonl(cookie_ts)};

        third.opts[0] = third.opts[1] = 1;
        third.opts_len = 2;
        pkt_opt(&third, 8, stamps, 8);
    }
}

/* The backend is known: its SYN-ACK to somebody has left. */
static struct pkt synack(bool ts, __u16 mss, __u8 wscale)
{
    struct pkt p = pkt_swap(&third);
    __be16 be = htons(mss);

    p.flags = SYN | ACK;
    p.seq = SERVER_ISN;
    p.ack = third.seq;
    p.win = 64240;
    p.opts_len = 0;
    pkt_opt(&p, 2, &be, 2);
    pkt_opt(&p, 4, NULL, 0);
    if (ts) {
        __be32 stamps[2] = {htonl(SERVER_TS), htonl(1000)};

        pkt_opt(&p, 8, stamps, 8);
    }
    p.opts[p.opts_len++] = 1;
    pkt_opt(&p, 3, &wscale, 1);
    return p;
}

static void known(bool ts)
{
    struct pkt p;

    third = usual_syn();
    p = synack(ts, 1400, 9);
    p.dport = 1;
    expect_back(&p, NEXT);
    later(SW_SECOND);
}

static struct sw_xlate entry(void)
{
    struct sw_xlate_key key = {.cport = htons(third.sport), .sport = htons(third.dport)};
    struct sw_xlate x = {0};

    memcpy(key.client, third.src, 16);
    memcpy(key.server, third.dst, 16);
    if (bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.xlate), &key, &x))
        memset(&x, 0, sizeof(x));
    return x;
}

/* The segment that was made to go in at the device. */
static void injected(void)
{
    struct sockaddr_ll from;
    socklen_t len = sizeof(from);
    ssize_t n;

    for (int i = 0; i < 100; i++) {
        n = recvfrom(wire, out.frame, sizeof(out.frame), 0, (struct sockaddr *)&from, &len);
        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING) {
            out.len = (__u32)n;
            decoded_as("injected");
            return;
        }
        usleep(1000);
    }
    fail_msg("nothing came in");
}

static void drain_wire(void)
{
    while (recv(wire, out.frame, sizeof(out.frame), 0) > 0)
        ;
}

static void opened(bool ts)
{
    struct pkt p;

    known(ts);
    cookie(ts);
    expect_in(&third, NEXT);
    p = synack(ts, 1400, 9);
    drain_wire();
    expect_back(&p, NEXT);
    assert_int_equal(entry().state, SW_X_ESTABLISHED);
    assert_int_equal(st->entries, 1);
}

static void both(void (*test)(void))
{
    for (int v6 = 0; v6 < 2; v6++) {
        assert_int_equal(engaged(NULL), 0);
        talk_init(t, run, v6);
        svc = v6 ? svc6 : svc4;
        test();
    }
}

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
    assert_int_equal(got.win, 4000); /* its scale is 9, and the client was told 7 */
    assert_int_equal(entry().client_next, third.seq + 1000);
    assert_int_equal(entry().acked, third.seq + 1000);
}
TEST(numbers_of_both_spaces)
{
    both(numbers);
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

/* --- what goes wrong --- */

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
    cookie(false); /* it is told to no one again */
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

/* --- what clients are told --- */

static void told(void)
{
    struct pkt p = usual_syn();

    /* nothing is known: one SYN passes, so that the SYN-ACK tells; then no timestamps are promised */
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
TEST(what_clients_are_told)
{
    both(told);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(an_acknowledgement_becomes_the_syn),
        cmocka_unit_test(what_is_no_cookie_passes),
        cmocka_unit_test(before_the_backend_answers),
        cmocka_unit_test(ip_options_extension_headers_and_fragments),
        cmocka_unit_test(a_synack_becomes_two_packets),
        cmocka_unit_test(numbers_of_both_spaces),
        cmocka_unit_test(ends_and_their_places),
        cmocka_unit_test(a_backend_refuses),
        cmocka_unit_test(a_backend_has_no_timestamps_any_more),
        cmocka_unit_test(a_backend_has_an_older_connection),
        cmocka_unit_test(a_client_resets_early),
        cmocka_unit_test(the_four_tuple_comes_again),
        cmocka_unit_test(the_four_tuple_comes_again_in_calm),
        cmocka_unit_test(a_backend_is_silent),
        cmocka_unit_test(the_table_and_its_shares),
        cmocka_unit_test(icmp_errors),
        cmocka_unit_test(what_clients_are_told),
    };

    return cmocka_run_group_tests(cases, group, guarded_group_end);
}
