/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose connection it is: the sockets that segments leave by. BPF_PROG_TEST_RUN makes a new one for each run. */
#include "fixture.h"

static int group_live(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.replay = 0;
    opts.cfg.owners = SW_OWNERS_COOKIE | SW_OWNERS_CGROUP;
    return fixture_load(&opts);
}

static int group_off(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.replay = 0;
    opts.cfg.owners = 0;
    return fixture_load(&opts);
}

static void send_out(int who, const struct pkt *p, const struct bpfrun_skb *skb)
{
    static __u8 frame[2000];
    int verdict;

    assert_int_equal(bpfrun_egress(run, frame, pkt_build(p, frame, sizeof(frame)), skb, &verdict), 0);
    assert_int_equal(verdict, BPFRUN_TCX_NEXT);
    if ((int)(p->seq + p->payload + !!(p->flags & SYN) + !!(p->flags & FIN) - t->nxt[who]) > 0)
        t->nxt[who] = p->seq + p->payload + !!(p->flags & SYN) + !!(p->flags & FIN);
}

static void say_out(int who, __u16 flags, __u32 payload)
{
    struct pkt p = talk_pkt(t, who, flags, payload);

    p.no_padding = true;
    send_out(who, &p, NULL);
}

/* A is the key's a endpoint. */
static struct sw_owner of(int who)
{
    return talk_flow(t).owner[who];
}

TEST(client)
{
    __u64 cookie;

    say_out(A, SYN, 0);
    cookie = of(A).cookie;
    assert_true(cookie);
    assert_true(of(A).cgroup);
    assert_int_equal(talk_event(t, OPENING).flow.owner[A].cookie, cookie);
    talk_say(t, B, SYN | ACK, 0);
    say_out(A, ACK, 0);
    say_out(A, PSH | ACK, 100);
    assert_int_equal(talk_event(t, ESTABLISHED).flow.owner[A].cookie, cookie);
    assert_int_equal(of(A).cookie, cookie);
    assert_int_equal(of(B).cookie, 0);
    assert_int_equal(of(B).cgroup, 0);
}

/* A SYN for which there is no room is in the SYN cache alone; a socket's answer is not, for there it had no owner. */
TEST(server_without_room)
{
    __u64 cookie;

    bpfrun_set_room(run, 0);
    talk_say(t, A, SYN, 0);
    expect_where(t, NOWHERE);
    say_out(B, SYN | ACK, 0);
    expect_where(t, HALF_OPEN);
    cookie = of(B).cookie;
    assert_true(cookie & SW_OWNER_REQUEST);
    talk_say(t, A, ACK, 0);
    assert_int_equal(talk_event(t, ESTABLISHED).flow.owner[B].cookie, cookie);
}

TEST(server)
{
    __u64 cookie;

    talk_say(t, A, SYN, 0);
    say_out(B, SYN | ACK, 0);
    cookie = of(B).cookie;
    assert_true(cookie & SW_OWNER_REQUEST); /* may be dropped */
    talk_say(t, A, ACK, 0);
    assert_int_equal(talk_event(t, ESTABLISHED).flow.owner[B].cookie, cookie);
    say_out(B, PSH | ACK, 100);
    assert_true(of(B).cookie && !(of(B).cookie & SW_OWNER_REQUEST));
    assert_int_not_equal(of(B).cookie, cookie & ~SW_OWNER_REQUEST); /* each test run has another socket */
    assert_int_equal(of(A).cookie, 0);
}

/* As after a cookie, whose SYN-ACK no socket has sent. */
TEST(first_segment_after_the_handshake)
{
    __u64 cookie;

    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    assert_int_equal(of(B).cookie, 0);
    say_out(B, PSH | ACK, 100);
    cookie = of(B).cookie;
    assert_true(cookie);
    assert_true(of(B).cgroup);
    say_out(B, FIN | ACK, 0);
    assert_int_equal(of(B).cookie, cookie);
}

/* The socket of before is gone, and another one has its port. */
TEST(syn_again_may_be_of_another_socket)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);
    __u64 cookie;

    send_out(A, &p, NULL);
    cookie = of(A).cookie;
    send_out(A, &p, NULL);
    assert_true(of(A).cookie);
    assert_int_not_equal(of(A).cookie, cookie);
}

TEST(syn_on_a_live_connection_is_not_its_own)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);
    __u64 cookie;

    say_out(A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    say_out(A, ACK, 0);
    cookie = of(A).cookie;
    p.seq = t->nxt[A] + 10;
    send_out(A, &p, NULL);
    assert_int_equal(of(A).cookie, cookie);
}

TEST(reset_has_no_socket)
{
    talk_say(t, A, SYN, 0);
    say_out(B, RST | ACK, 0);
    assert_int_equal(of(B).cookie, 0);
}

TEST(forwarded_is_nobodys)
{
    const struct bpfrun_skb skb = {.ingress_ifindex = 1};
    struct pkt p = talk_pkt(t, A, SYN, 0);

    SKIP_OLD("a kernel may refuse such a test run");
    send_out(A, &p, &skb);
    talk_say(t, B, SYN | ACK, 0);
    p = talk_pkt(t, A, ACK, 0);
    send_out(A, &p, &skb);
    assert_int_equal(of(A).cookie, 0);
    assert_int_equal(of(A).cgroup, 0);
}

TEST(off)
{
    say_out(A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    say_out(A, ACK, 0);
    say_out(A, PSH | ACK, 100);
    assert_int_equal(of(A).cookie, 0);
    assert_int_equal(of(A).cgroup, 0);
}

int main(void)
{
    const struct CMUnitTest live[] = {
        CASE(client),
        CASE(server),
        CASE(server_without_room),
        CASE(first_segment_after_the_handshake),
        CASE(syn_again_may_be_of_another_socket),
        CASE(syn_on_a_live_connection_is_not_its_own),
        CASE(reset_has_no_socket),
        CASE(forwarded_is_nobodys),
    };
    const struct CMUnitTest none[] = {
        CASE(off),
    };

    return cmocka_run_group_tests(live, group_live, fixture_group_end) +
           cmocka_run_group_tests(none, group_off, fixture_group_end);
}
