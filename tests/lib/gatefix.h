/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gateway that translates: a client whose cookie has come back, its host, and the programs of the two tc hooks. A
 * packet that comes out is decoded with its checksums; what goes in again at the device is read from the loopback of
 * this network namespace, where the test runs.
 */
#ifndef SW_TEST_GATEFIX_H
#define SW_TEST_GATEFIX_H

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

/*
 * The kernel (6.15) holds the sum of the whole packet, as from a card, and compares it after the program. Not where its
 * length changes: then the kernel forgets the sum, and the test run compares it all the same.
 */
enum { SUM_COMPLETE = 1 << 2 };
static __u32 run_flags;

enum { SERVER_ISN = 0xfffffff0, SERVER_TS = 5 };

static inline int group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.gateway = SW_GATEWAY_TRANSLATE;
    opts.cfg.event_mask |= 1u << SW_LINE_GATEWAY;
    opts.gateway_flows = 64;
    if (guarded_load(&opts))
        return -1;
    st = mmap(NULL, sizeof(*st), PROT_READ | PROT_WRITE, MAP_SHARED,
              bpf_map__fd(bpfrun_object(run)->maps.gateway_state), 0);
    wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    return st == MAP_FAILED || wire < 0;
}

static inline void empty(struct bpf_map *map)
{
    __u8 key[64];

    while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
        if (bpf_map_delete_elem(bpf_map__fd(map), key))
            return;
}

static inline void net_of(const char *ip, __u8 ret[16])
{
    __u32 v4;

    if (strchr(ip, ':')) {
        assert_int_equal(inet_pton(AF_INET6, ip, ret), 1);
        return;
    }
    assert_int_equal(inet_pton(AF_INET, ip, &v4), 1);
    pkt_v4(ret, ntohl(v4));
}

static inline int engaged(void **state)
{
    static __u64 generation = 1000;
    __u32 zero = 0;
    __u8 ip[16];

    close_sockets();
    run_flags = 0;
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
static inline void fresh(void)
{
    bool v6 = t->side[A].v6;

    assert_int_equal(engaged(NULL), 0);
    talk_init(t, run, v6);
    svc = v6 ? svc6 : svc4;
}

static inline void later(__u64 ns)
{
    bpfrun_set_now(run, bpfrun_now(run) + ns);
}

static inline int hook(struct bpf_program *prog, const struct pkt *p)
{
    static __u8 frame[PKT_MAX_FRAME];
    struct __sk_buff ctx = {.ifindex = 1};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out.frame, .data_size_out = sizeof(out.frame),
                .repeat = 1, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

    opts.flags = run_flags;
    opts.data_size_in = pkt_build(p, frame, sizeof(frame));
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
    out.len = opts.data_size_out;
    return (int)opts.retval;
}

static inline int in(const struct pkt *p)
{
    return hook(bpfrun_object(run)->progs.sw_gateway_in, p);
}

static inline int back(const struct pkt *p)
{
    return hook(bpfrun_object(run)->progs.sw_gateway_out, p);
}

enum { NEXT = -1, SHOT = 2, REDIRECT = 7 };

static inline void decoded_as(const char *what)
{
    const char *wrong = decode(out.frame, out.len, &got);

    if (wrong)
        fail_msg("%s: %s", what, wrong);
}

#define expect_in(p, verdict) assert_int_equal(in(p), verdict)
#define expect_back(p, verdict) assert_int_equal(back(p), verdict)

/* What is counted is reported: in records since the last guardrun_clear, or it waits to be. */
static inline __u64 count(enum sw_gateway_counter c)
{
    const struct sw_guard_event *emitted;
    size_t len = guardrun_events(guard, &emitted);
    __u64 sum = st->unreported[c];

    for (size_t i = 0; i < len; i++)
        if (emitted[i].kind == SW_GUARD_EV_GATEWAY && emitted[i].reason == c)
            sum += emitted[i].count;
    if (SW_GATEWAY_REPORTS(c))
        assert_int_equal(sum, st->item[c]);
    else
        assert_int_equal(sum, 0);
    return st->item[c];
}

/* What the client's third packet is, after its SYN has got a cookie. */
static inline void cookie(bool ts)
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
static inline struct pkt synack(bool ts, __u16 mss, __u8 wscale)
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

static inline void known(bool ts)
{
    struct pkt p;

    third = usual_syn();
    p = synack(ts, 1400, 9);
    p.dport = 1;
    expect_back(&p, NEXT);
    later(SW_SECOND);
}

static inline struct sw_xlate_key entry_key(void)
{
    struct sw_xlate_key key = {.cport = htons(third.sport), .sport = htons(third.dport)};

    memcpy(key.client, third.src, 16);
    memcpy(key.server, third.dst, 16);
    return key;
}

static inline struct sw_xlate entry(void)
{
    struct sw_xlate_key key = entry_key();
    struct sw_xlate x = {0};

    if (bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.xlate), &key, &x))
        memset(&x, 0, sizeof(x));
    return x;
}

static inline void put_entry(const struct sw_xlate *x)
{
    struct sw_xlate_key key = entry_key();

    assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpfrun_object(run)->maps.xlate), &key, x, BPF_EXIST), 0);
}

/* The segment that was made to go in at the device. */
static inline void injected(void)
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

static inline void drain_wire(void)
{
    while (recv(wire, out.frame, sizeof(out.frame), 0) > 0)
        ;
}

static inline void opened(bool ts)
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

static inline void both(void (*test)(void))
{
    for (int v6 = 0; v6 < 2; v6++) {
        assert_int_equal(engaged(NULL), 0);
        talk_init(t, run, v6);
        svc = v6 ? svc6 : svc4;
        test();
    }
}

#endif
