/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables and rings that are full: nobody real is harmed, and what was lost is counted. */
#include "guardfix.h"

enum { FLOWS = 2, BUCKETS = 16, SOURCES = 2000 };

static int small_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.max_flows = FLOWS;
    opts.limit_source_max = opts.limit_prefix_max = BUCKETS;
    opts.captures_bytes = 4096;
    return guarded_load(&opts);
}

static void client(int i)
{
    talk_init(t, run, false);
    t->side[A].sport = 30000 + i;
    t->side[B].dport = 30000 + i;
    t->key = pkt_key(&t->side[A], NULL);
}

/* No room in `flows`: the connection is made all the same, and its packets are let through for its socket's sake. */
TEST(no_room_for_flows)
{
    for (int i = 0; i < FLOWS + 4; i++) {
        struct pkt p;

        client(i);
        open_by_cookie();
        assert_true(out.meta_len > 0);
        real_connection(t);
        p = talk_pkt(t, B, ACK, 0);
        leave(&p); /* its socket is there: no share of the table holds it back */
        for (int n = 0; n < 5; n++) {
            p = talk_pkt(t, A, ACK | PSH, 500);
            deliver(&p);
            if (out.verdict != BPFRUN_XDP_PASS)
                fail_msg("client %d, segment %d: %s \"%s\"", i, n, verdict_name(out.verdict), moved());
            t->nxt[A] += 500;
        }
        p = talk_pkt(t, A, FIN | ACK, 0);
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
        close_sockets();
        bpfrun_clear_events(run);
    }
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), FLOWS);
    assert_true(bpfrun_counter(run, SW_C_FLOWS_FULL) > 0);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_COOKIES_ACCEPTED], FLOWS + 4);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* More sources than buckets: a bucket that is lost is a full one, so nobody is refused for another's sake. */
TEST(no_room_for_buckets)
{
    guardrun_conf(guard)->limit_source = 3;
    guardrun_conf(guard)->limit_prefix = 1000000;
    step = MS / 1000;
    for (int i = 0; i < SOURCES; i++) {
        struct pkt p = usual_syn();

        pkt_v4(p.src, 0xc6120000 + i * 257);
        expect_reply(&p, "cookies_sent");
    }
    for (int i = 0; i < 6; i++) { /* and the limit is still one */
        struct pkt p = usual_syn();

        p.sport += i;
        deliver(&p);
        assert_int_equal(was_over_limit(), i >= 3);
    }
}

TEST(no_room_for_captures)
{
    struct pkt p = stray(RST);

    guardrun_conf(guard)->flags |= SW_G_CAPTURE;
    guardrun_drain(guard, false);
    for (int i = 0; i < 50; i++)
        expect_drop(&p, "rst");
    guardrun_drain(guard, true);
    assert_int_equal(bpfrun_counter(run, SW_C_CAPTURE_LOST) + guardrun_captures(guard, NULL), 50);
    assert_true(bpfrun_counter(run, SW_C_CAPTURE_LOST) > 0);
}

/* The ring is full of drop records when the guard disengages: that record is lost, and counted. */
TEST(no_room_for_a_change)
{
    const struct sw_guard_event *emitted;
    struct pkt p = stray(RST);
    size_t n;

    guardrun_drain(guard, false);
    step = 101 * MS;
    for (int i = 0; i < 7000; i++)
        expect_drop(&p, "rst");
    assert_int_equal(bpfrun_counter(run, SW_C_GUARD_LOST), 0); /* drops are kept for the next record */
    set_mode(SW_GM_OFF);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_GRACE);
    assert_int_equal(bpfrun_counter(run, SW_C_GUARD_LOST), 1);
    guardrun_drain(guard, true);
    n = guardrun_events(guard, &emitted);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(emitted[i].kind, SW_GUARD_EV_DROP);
}

/* The half-open flows are churned by other hosts while the guard is calm: no effect on a connection with a cookie.
 */
TEST(half_open_are_churned)
{
    struct decoded synack;
    struct pkt p;

    p = usual_syn();
    synack = cookie_for(&p);
    for (int i = 0; i < 3000; i++) {
        struct pkt q = usual_syn();

        q.dport = 9999; /* nobody's service: followed, not guarded */
        pkt_v4(q.src, 0xc6120000 + i);
        assert_int_equal(deliver(&q), BPFRUN_XDP_PASS);
        bpfrun_clear_events(run);
    }
    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
    expect_events(t, "opening established");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(no_room_for_flows),    ENGAGED(no_room_for_buckets),   ENGAGED(no_room_for_captures),
        ENGAGED(no_room_for_a_change), ENGAGED(half_open_are_churned),
    };

    return cmocka_run_group_tests(cases, small_group, guarded_group_end);
}
