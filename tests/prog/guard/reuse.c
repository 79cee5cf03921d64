/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cookies for four-tuples of which the tables still know something else. */
#include "guardack.h"

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

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(port_reuse_after_close),
        ENGAGED(port_reuse_after_reset),
        ENGAGED(port_reuse_without_close),
        ENGAGED(after_a_stray_of_the_same_ports),
        ENGAGED(begun_anew_before_the_socket_was_seen),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
