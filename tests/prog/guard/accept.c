/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --accept: a cookie that an edge has made, by the same key, is good while the service is calm. Nothing else changes.
 */
#include "guardack.h"
#include "guardcount.h"

#include "loader/features.h"

#include <netinet/tcp.h>

static int load(bool checksum, bool accept)
{
    struct sw_object_opts opts;

    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.checksum = checksum;
    opts.cfg.accept = accept;
    return guarded_load(&opts);
}

static int group(void **state)
{
    (void)state;
    return load(true, true);
}

static int group_fast(void **state)
{
    (void)state;
    return load(false, true);
}

static int group_without(void **state)
{
    (void)state;
    return load(true, false);
}

/* As an edge makes it: by the key alone. */
static struct pkt from_the_edge(struct pkt syn, __u16 flags, __u32 payload)
{
    struct sw_service *sv = guardrun_at(guard, svc);
    __u8 mode = sv->mode;

    set_mode(SW_GM_ALWAYS);
    ask(syn);
    sv->mode = mode;
    sv->state = SW_GS_CALM;
    sv->enforcing = 0;
    guardrun_conf(guard)->active = guardrun_conf(guard)->engaged = 0;
    return answer_to(&synack, flags, payload);
}

static void good(void)
{
    struct pkt p = from_the_edge(usual_syn(), ACK, 0);

    expect_from_cookie(&p);
    expect_events(t, "opening established");
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
    expect_pass(&p, "");
    p = talk_pkt(t, B, PSH | ACK, 10);
    leave(&p);
    p = answer_to(&synack, PSH | ACK, 10);
    expect_pass(&p, "");
}
TEST(in_calm)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        good();
    }
}

TEST(in_every_mode)
{
    for (int mode = 0; mode < SW_GM_MAX; mode++) {
        struct pkt p;

        t->side[A].sport = t->side[B].dport = 41000 + mode;
        t->key = pkt_key(&t->side[A], NULL);
        guardrun_at(guard, svc)->mode = mode;
        p = from_the_edge(usual_syn(), ACK | PSH, 100);
        expect_from_cookie(&p);
    }
}

TEST(without_timestamps)
{
    struct pkt p = bare_syn();

    pkt_opt(&p, 2, "\x05\xb4", 2);
    pkt_opt(&p, 3, "\x08", 1);
    p = from_the_edge(p, ACK, 0);
    expect_from_cookie(&p);
}

/* What is no cookie passes as ever; an ACK that belongs to nothing is counted. */
TEST(strays)
{
    static const __u16 flags[] = {SYN | ACK, RST, RST | ACK, FIN, 0, FIN | PSH | URG};
    struct pkt p;

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        p = stray(flags[i]);
        p.sport += i;
        expect_pass(&p, "");
    }
    p = stray(ACK);
    p.sport += 20;
    expect_pass(&p, "stray_acks");
    p.sport++;
    p.flags |= FIN;
    expect_pass(&p, "stray_acks");
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* The listener's own handshakes are none of it. */
TEST(own_handshakes)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "");
    t->nxt[A] = p.seq + 1;
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.seq = t->isn[B];
    leave(&p);
    t->nxt[B] = t->isn[B] + 1;
    p = talk_pkt(t, A, ACK, 0);
    expect_pass(&p, "resolved completed");
    p = talk_pkt(t, B, PSH | ACK, 10); /* its socket sends: it is confirmed */
    leave(&p);
    p = talk_pkt(t, A, ACK, 100);
    p.seq += 5000; /* out of order */
    expect_pass(&p, "");
    p = talk_pkt(t, A, FIN | ACK, 0);
    expect_pass(&p, "");
    assert_int_equal(counted(SW_T_STRAY_ACKS), 0);
}

TEST(a_keepalive_as_third_packet)
{
    struct pkt p = from_the_edge(usual_syn(), ACK, 0);

    p.seq--;
    expect_reply(&p, "probes_sent");
    assert_int_equal(reply.flags, ACK);
    p.seq++;
    expect_from_cookie(&p);
}

/* A connection that is older than synward has a socket: its keepalive is the kernel's to answer. */
TEST(keepalives_of_others)
{
    struct pkt p = from_the_edge(usual_syn(), ACK, 0);

    real_connection(t);
    p.seq--;
    expect_pass(&p, "");
    close_sockets();
}

static void await_state(int fd, __u8 state)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    for (int i = 0; i < 5000 && info.tcpi_state != state; i++, len = sizeof(info)) {
        usleep(1000);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    }
    assert_int_equal(info.tcpi_state, state);
}

/* The server closes first: its socket is in TIME_WAIT, or waits for the client's FIN without an owner. */
static void close_first(bool orphan)
{
    const struct linger no_abort = {0};
    int server = sockets[--sockets_len], client = sockets[sockets_len - 1];

    assert_int_equal(setsockopt(server, SOL_SOCKET, SO_LINGER, &no_abort, sizeof(no_abort)), 0);
    assert_int_equal(shutdown(server, SHUT_WR), 0);
    if (!orphan)
        assert_int_equal(shutdown(client, SHUT_WR), 0);
    await_state(server, orphan ? TCP_FIN_WAIT2 : TCP_CLOSE); /* the latter: a socket in TIME_WAIT has its place */
    close(server);
}

/* What brings the cookie becomes a RST to the old socket, if it is whole and nothing else was. */
static void ends(bool orphan, __u32 vlans)
{
    __u32 at = 14 + 4 * vlans + (t->side[A].v6 ? 40 : 20);
    struct pkt p = usual_syn(), broken;

    p.vlans = vlans;
    p.vlan[0] = 7;
    p = from_the_edge(p, ACK, 0);
    p.vlans = vlans;
    p.vlan[0] = 7;
    real_connection(t);
    close_first(orphan);
    broken = p;
    broken.bad_checksum = true;
    expect_pass(&broken, "");
    broken = p;
    broken.fragment = broken.more_frags = true;
    expect_pass(&broken, "");
    request_len = pkt_build(&p, request, sizeof(request));
    before = guardrun_counters(guard, svc);
    assert_int_equal(bpfrun_xdp(run, request, request_len, &out), 0);
    assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
    assert_string_equal(moved(), "time_waits_ended");
    assert_memory_equal(out.frame, request, 14 + 4 * vlans); /* from the same sender */
    assert_int_equal(out.frame[at + 13], RST);
    assert_memory_equal(out.frame + at, request + at, 4); /* the same ports */
    expect_where(t, NOWHERE);
    close_sockets();
}
/* Such sockets are looked into by the form with kfuncs alone; without them --accept is refused. */
static void needs_kfuncs(void)
{
    if (sw_kernel_has_reqsk() <= 0) {
        print_message("skip: kernels before 6.9: no bpf_sk_assign_tcp_reqsk\n");
        skip();
    }
}

TEST(time_waits_end)
{
    needs_kfuncs();
    for (int i = 0; i < 8; i++) {
        talk_init(t, run, i & 1);
        t->side[A].sport = t->side[B].dport = 45000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        ends(i & 2, i >> 2);
    }
}

/*
 * XDP sees a batch before the stack sees its first frame. All of the client's first flight is spent, in calm and
 * engaged; so is what follows when the old socket has gone, up to what brings the cookie again. Strays of others are
 * strays.
 */
static void spends(const struct pkt *p, const char *counters)
{
    const __u32 at = 14 + (p->v6 ? 40 : 20);

    request_len = pkt_build(p, request, sizeof(request));
    before = guardrun_counters(guard, svc);
    assert_int_equal(bpfrun_xdp(run, request, request_len, &out), 0);
    assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
    assert_string_equal(moved(), counters);
    assert_int_equal(out.frame[at + 13], RST);
    expect_where(t, NOWHERE);
}

static void spends_a_flight(bool is_engaged)
{
    struct pkt first = from_the_edge(usual_syn(), ACK, 0), data = first, next, other;

    data.flags |= PSH;
    data.payload = 100;
    next = data;
    next.seq += 100;
    real_connection(t);
    close_first(false);
    set_mode(is_engaged ? SW_GM_ALWAYS : SW_GM_AUTO);
    spends(&first, "time_waits_ended");
    spends(&data, "time_waits_ended");
    spends(&next, "");
    other = next;
    other.sport += 1000;
    if (!is_engaged)
        expect_pass(&other, "stray_acks");
    set_mode(SW_GM_AUTO);
    close_sockets();
}
TEST(time_wait_and_a_batch)
{
    needs_kfuncs();
    for (int i = 0; i < 4; i++) {
        talk_init(t, run, i & 1);
        t->side[A].sport = t->side[B].dport = 46000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        spends_a_flight(i >> 1);
    }
}

/* The edge has told the client another window scale: with a key of version 2 that is no cookie. */
TEST(another_window_scale)
{
    struct sw_keys keys = *guardrun_keys(guard);
    struct pkt p;

    p = from_the_edge(usual_syn(), ACK, 0);
    guardrun_at(guard, svc)->wscale = 9; /* version 1 */
    expect_from_cookie(&p);
    guardrun_at(guard, svc)->wscale = 10;
    keys.bound = 3;
    assert_int_equal(guardrun_install(guard, &keys), 0);
    t->side[A].sport = t->side[B].dport = 41000;
    t->key = pkt_key(&t->side[A], NULL);
    p = from_the_edge(usual_syn(), ACK, 0);
    guardrun_at(guard, svc)->wscale = 9;
    expect_pass(&p, "stray_acks");
    guardrun_at(guard, svc)->wscale = 10;
    expect_from_cookie(&p);
}

TEST(another_key)
{
    struct sw_keys keys = *guardrun_keys(guard);
    struct pkt p = from_the_edge(usual_syn(), ACK, 0);

    keys.key[0][0]++;
    keys.key[1][0]++;
    assert_int_equal(guardrun_install(guard, &keys), 0);
    expect_pass(&p, "stray_acks");
}

/* The rest of the guard is what it was. */
TEST(engaged_as_ever)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "");
    set_mode(SW_GM_ALWAYS);
    p.sport++;
    expect_reply(&p, "cookies_sent");
    p = stray(ACK);
    p.sport += 20;
    expect_drop(&p, "cookie_bad");
    p.flags = RST;
    expect_drop(&p, "rst");
}

TEST(nothing_without_it)
{
    struct pkt p = from_the_edge(usual_syn(), ACK, 0);

    expect_pass(&p, "");
    assert_int_equal(out.meta_len, 0);
    p = stray(ACK);
    expect_pass(&p, "");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CALM(in_calm),
        CALM(in_every_mode),
        CALM(without_timestamps),
        CALM(strays),
        CALM(own_handshakes),
        CALM(a_keepalive_as_third_packet),
        CALM(keepalives_of_others),
        CALM(time_waits_end),
        CALM(time_wait_and_a_batch),
        CALM(another_window_scale),
        CALM(another_key),
        CALM(engaged_as_ever),
    };
    const struct CMUnitTest without[] = {CALM(nothing_without_it)};

    return cmocka_run_group_tests(cases, group, guarded_group_end) +
           cmocka_run_group_tests(cases, group_fast, guarded_group_end) +
           cmocka_run_group_tests(without, group_without, guarded_group_end);
}
