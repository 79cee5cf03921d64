/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cookies for four-tuples of which the tables still know something else. */
#include "guardack.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* The client continues with the same ports, and its last connection still remains in the tables: it is let in as
 * anybody.
 */
static void port_reuse(__u64 pause, bool reset)
{
    struct pkt p;

    open_by_cookie();
    real_connection(t);
    talk_say(t, A, PSH | ACK, 300);
    talk_say(t, B, ACK, 0);
    if (reset)
        talk_say(t, A, RST | ACK, 0);
    else
        talk_close(t);
    close_sockets();
    bpfrun_clear_events(run);
    bpfrun_set_now(run, bpfrun_now(run) + pause);
    t->isn[A] += 100000;
    t->nxt[A] = t->isn[A];
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    assert_int_equal(talk_flow(t).end[A].payload, 0);
}
TEST(port_reuse_after_close)
{
    port_reuse(100 * MS, false);
    expect_events(t, "conn opening established reused"); /* the old connection ends first */
}
TEST(port_reuse_after_reset)
{
    port_reuse(100 * MS, true);
}

/* A client that crashed comes back with the same ports, and the server's socket is gone, too. */
TEST(port_reuse_without_close)
{
    struct pkt p;

    open_by_cookie();
    real_connection(t);
    talk_say(t, A, PSH | ACK, 300);
    close_sockets();
    bpfrun_set_now(run, bpfrun_now(run) + 20 * SEC);
    t->isn[A] += 100000;
    t->nxt[A] = t->isn[A];
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
}

/* The tracker had seen something of this four-tuple before, and took it for the middle of a connection. */
TEST(after_a_stray_of_the_same_ports)
{
    struct pkt p = talk_pkt(t, A, ACK, 0);

    guardrun_at(guard, svc)->mode = SW_GM_OFF;
    p.seq = 5, p.ack = 6;
    set_mode(SW_GM_OFF);
    expect_pass(&p, "");
    set_mode(SW_GM_ALWAYS);
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
}

/* A second handshake while the first one's socket has not been seen yet: the client gave up and began anew. */
TEST(begun_anew_before_the_socket_was_seen)
{
    struct pkt p;

    open_by_cookie();
    bpfrun_clear_events(run);
    t->isn[A] += 5000;
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), 1);
}

static __u64 token_of(const struct pkt *p)
{
    __u64 tat = 0;
    __u8 source[16];

    memcpy(source, p->src, 16);
    bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.limit_source), source, &tat);
    return tat;
}

/*
 * A third packet that somebody has captured, and sends again: each connection that it opens is counted, as one of a
 * used cookie, whatever has become of the first. There was no SYN for it, so nothing is given back.
 */
TEST(a_captured_third_packet)
{
    struct pkt p, reply;
    __u64 token;

    mid_epoch();
    guardrun_conf(guard)->limit_source = 5;
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
    token = token_of(&p);
    real_connection(t);
    talk_say(t, A, PSH | ACK, 300);
    reply = talk_pkt(t, B, ACK, 0);
    leave(&reply);
    expect_pass(&p, ""); /* late, for that socket */
    close_sockets();
    expect_pass(&p, "cookies_replayed"); /* gone in silence */
    talk_say(t, A, RST | ACK, 0);
    bpfrun_clear_events(run);
    for (int i = 0; i < 3; i++) {
        expect_pass(&p, "cookies_replayed");
        assert_true(out.meta_len >= 8);
        expect_events(t, "conn opening established reused");
        expect_pass(&p, ""); /* doubled by the network */
        reply = talk_pkt(t, B, ACK, 0);
        leave(&reply);
        talk_say(t, A, RST | ACK, 0);
        bpfrun_clear_events(run);
    }
    talk_wait(t, 6 * SEC);
    expect_where(t, NOWHERE);
    bpfrun_clear_events(run);
    expect_pass(&p, "cookies_replayed");
    expect_events(t, "opening established");
    assert_int_equal(token_of(&p), token);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(port_reuse_after_close),
        ENGAGED(port_reuse_after_reset),
        ENGAGED(port_reuse_without_close),
        ENGAGED(after_a_stray_of_the_same_ports),
        ENGAGED(begun_anew_before_the_socket_was_seen),
        ENGAGED(a_captured_third_packet),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
