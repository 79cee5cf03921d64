/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backend listener: the kernel's own cookies, from a real listening socket in this namespace. What the kernel makes
 * of the acknowledgement is for the tests with traffic.
 */
#include "guardfix.h"

#include <fcntl.h>

static int sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(value) ? 0 : -1;
}

/* Of this namespace, which nobody shares. */
static int cookies(const char *value)
{
    return sysctl("/proc/sys/net/ipv4/tcp_syncookies", value);
}

static int listener_test(void **state)
{
    if (cookies("2") || engaged_test(state))
        return -1;
    guardrun_at(guard, svc)->backend = SW_BK_LISTENER;
    guardrun_conf(guard)->flags = 0;
    return 0;
}
#define LISTENER(name) cmocka_unit_test_setup(name, listener_test)

static void usual(void)
{
    struct decoded synack;
    struct pkt p = usual_syn();

    listener_at(t);
    synack = cookie_for(&p);
    assert_memory_equal(reply.src, p.dst, 16);
    assert_memory_equal(reply.dst, p.src, 16);
    assert_int_equal(reply.sport, p.dport);
    assert_int_equal(reply.dport, p.sport);
    assert_int_equal(reply.ack, p.seq + 1);
    assert_int_equal(reply.flags, SYN | ACK);
    assert_int_equal(reply.payload, 0);
    assert_int_equal(reply.win, guardrun_at(guard, svc)->win);
    /* only the MSS survives: nothing else is promised */
    assert_true(reply.has_mss && !reply.has_wscale && !reply.has_sack && !reply.has_ts);
    assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
    expect_where(t, FLOWS);
    assert_true(talk_flow(t).flags & SW_F_COOKIE);
    assert_int_equal(talk_flow(t).end[A].wscale, SW_WSCALE_NONE);
    p.ack ^= 0x1000000;
    p.sport++; /* not the one that is established now */
    expect_drop(&p, "cookie_bad");
}
TEST(kernel_cookie)
{
    for (int v6 = 0; v6 < 2; v6++) {
        close_sockets();
        talk_init(t, run, v6);
        usual();
    }
}

/* tcp_timestamps=2: the kernel decodes plain timestamps, so they may carry the rest. */
TEST(plain_timestamps)
{
    struct pkt p = usual_syn();
    struct decoded synack;

    listener_at(t);
    guardrun_conf(guard)->flags = SW_G_TS | SW_G_SACK | SW_G_WSCALE | SW_G_TS_PLAIN;
    cookie_for(&p);
    assert_true(reply.has_mss && reply.has_wscale && reply.has_sack && reply.has_ts);
    assert_int_equal(reply.tsval & 0x0f, 7);    /* the client's scale */
    assert_int_equal(reply.tsval & 0x10, 0x10); /* SACK */
    assert_int_equal(reply.tsecr, 1);
    t->key = pkt_key(&t->side[A], NULL);
    synack = reply;
    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
    assert_int_equal(talk_flow(t).end[A].wscale, 7); /* as much as can be known of it */
    assert_int_equal(talk_flow(t).end[A].opts, SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS);
    t->side[A].sport++;
    p = bare_syn(); /* without timestamps there is nowhere to put them */
    pkt_opt(&p, 2, "\x05\xb4", 2);
    pkt_opt(&p, 4, NULL, 0);
    pkt_opt(&p, 3, "\x07", 1);
    cookie_for(&p);
    assert_true(reply.has_mss && !reply.has_wscale && !reply.has_sack && !reply.has_ts);
}

/* The listener answered the SYN itself, with its own cookie: the handshake was seen, and continues as it began. */
TEST(cookie_of_the_listener_itself)
{
    struct pkt p = usual_syn(), synack;
    struct decoded cookie;

    listener_at(t);
    cookie = cookie_for(&p);
    guardrun_at(guard, svc)->backend = SW_BK_NONE;
    expect_pass(&p, "passed_backend");
    synack = talk_pkt(t, B, SYN | ACK, 0);
    synack.seq = cookie.seq;
    pkt_opt(&synack, 2, "\x05\xb4", 2);
    talk_send(t, B, &synack);
    guardrun_at(guard, svc)->backend = SW_BK_LISTENER;
    p = answer_to(&cookie, ACK, 0);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    expect_events(t, "opening established");
    expect_where(t, FLOWS);
    assert_true(talk_flow(t).syn_ns && talk_flow(t).synack_ns);
    assert_int_equal(talk_flow(t).end[A].wscale, 7); /* of the SYN that was seen */
    assert_int_equal(talk_flow(t).end[A].pkts, 2);
}

/* Nobody listens: the SYN goes to the kernel, which refuses it. */
TEST(closed_port)
{
    struct pkt p = usual_syn();

    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_PASSED_BACKEND], 1);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_COOKIES_SENT], 0);
}

/* tcp_syncookies=1 and room in the listener: it answers itself. 0: never a cookie. */
TEST(kernel_that_makes_no_cookie)
{
    static const char *const values[] = {"1", "0"};

    listener_at(t);
    for (int i = 0; i < 2; i++) {
        struct pkt p = usual_syn();

        p.sport += i;
        assert_int_equal(cookies(values[i]), 0);
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
        assert_int_equal(guardrun_counters(guard, svc).item[SW_T_PASSED_BACKEND], i + 1);
    }
}

/* The service has no backend at all: left to the listener. */
TEST(no_backend)
{
    struct pkt p = usual_syn();

    guardrun_at(guard, svc)->backend = SW_BK_NONE;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_PASSED_BACKEND], 1);
}

/* Every dress: the kernel's helpers want plain headers, and get them. */
TEST(options_and_tags)
{
    struct pkt p = usual_syn();
    __u32 isn;

    listener_at(t);
    isn = cookie_for(&p).seq;
    p.vlans = 2, p.vlan[0] = 3, p.vlan[1] = 4;
    cookie_for(&p);
    assert_int_equal(reply.tags, 2);
    assert_int_equal(reply.seq >> 24, isn >> 24); /* the kernel's cookie counts minutes there */
    p.ip_opts_len = 40;
    memset(p.ip_opts, 1, 40);
    cookie_for(&p);
    assert_int_equal(reply.ip_hlen, 20);
    talk_init(t, run, true);
    listener_at(t);
    p = usual_syn();
    for (int i = 0; i < 5; i++)
        pkt_ext(&p, 60, 8);
    cookie_for(&p);
    assert_int_equal(reply.ip_hlen, 40);
}

TEST(malformed_options)
{
    struct pkt p = bare_syn();

    listener_at(t);
    memcpy(p.opts, "\x02\x00\x05\xb4", 4);
    p.opts_len = 4;
    expect_drop(&p, "bad_option");
}

/* A third packet that is a keepalive: the kernel's cookie is not ours, so it is no probe of ours. */
TEST(strays_are_dropped)
{
    static const __u16 flags[] = {ACK, RST, FIN | ACK, SYN | ACK, 0};
    struct pkt p;

    listener_at(t);
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        p = talk_pkt(t, A, flags[i], 0);
        p.seq = 5, p.ack = flags[i] & ACK ? 6 : 0;
        assert_int_equal(deliver(&p), BPFRUN_XDP_DROP);
    }
}

/* Two services, one of each backend (an MPTCP listener cannot take ours): neither takes the other's cookie. */
TEST(both_backends)
{
    __u32 other = guardrun_service(guard, NULL, 8080);
    struct decoded theirs, ours;
    struct pkt p;

    guardrun_at(guard, other)->mode = SW_GM_ALWAYS;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
    guardrun_conf(guard)->flags = SW_G_SACK | SW_G_TS | SW_G_WSCALE;
    listener_at(t);
    p = usual_syn();
    theirs = cookie_for(&p);
    assert_false(theirs.has_ts);
    t->side[A].dport = t->side[B].sport = 8080;
    p = usual_syn();
    assert_int_equal(deliver(&p), BPFRUN_XDP_TX);
    ours = reply;
    assert_true(ours.has_ts && ours.has_sack && ours.has_wscale);
    p = answer_to(&ours, ACK, 0);
    p.dport = 80;
    assert_int_equal(deliver(&p), BPFRUN_XDP_DROP);
    p = answer_to(&theirs, ACK, 0);
    p.dport = 8080;
    assert_int_equal(deliver(&p), BPFRUN_XDP_DROP);
    p = answer_to(&ours, ACK, 0);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    assert_true(out.meta_len > 0);
    p = answer_to(&theirs, ACK, 0);
    p.dport = 80;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        LISTENER(kernel_cookie),
        LISTENER(plain_timestamps),
        LISTENER(closed_port),
        LISTENER(cookie_of_the_listener_itself),
        LISTENER(kernel_that_makes_no_cookie),
        LISTENER(no_backend),
        LISTENER(options_and_tags),
        LISTENER(malformed_options),
        LISTENER(strays_are_dropped),
        LISTENER(both_backends),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
