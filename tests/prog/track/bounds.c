/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Full maps and full rings: bounded, counted, and the packets pass (every talk_send asserts XDP_PASS). */
#include "fixture.h"

enum {
    MAX_FLOWS = 8,
    MAX_HALF_OPEN = 1024,
    FLOOD = 20000,
    RING = 4096,
    PER_RING = 4096 / (sizeof(struct sw_event) + 8)
};

static int group_small_maps(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.max_flows = MAX_FLOWS;
    opts.max_half_open = MAX_HALF_OPEN;
    return fixture_load(&opts);
}

static int group_small_rings(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.ring_bytes = RING;
    opts.ring_open_bytes = RING;
    return fixture_load(&opts);
}

static void other_port(struct talk *o, __u16 port)
{
    talk_init(o, run, false);
    o->side[A].sport = o->side[B].dport = port;
    o->key = pkt_key(&o->side[A], NULL);
}

static void flood(unsigned n)
{
    struct talk f;
    struct pkt p;

    for (unsigned i = 0; i < n; i++) {
        talk_init(&f, run, false);
        pkt_v4(f.side[A].src, 0xc6120000 + i); /* 198.18.0.0/15, RFC 2544 */
        p = talk_pkt(&f, A, SYN, 0);
        talk_send(&f, A, &p);
        if (i % 1000 == 999)
            bpfrun_clear_events(run);
    }
    bpfrun_clear_events(run);
}

/* A flood churns the half-open flows; the established flow remains, and its events are right to the end. */
TEST(flood_never_touches_flows)
{
    struct sw_event conn;

    talk_open(t);
    expect_events(t, "opening established");
    talk_say(t, A, PSH | ACK, 700);
    flood(FLOOD);
    expect_where(t, FLOWS);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_true(bpfrun_count(run, BPFRUN_HALF_OPEN) <= MAX_HALF_OPEN);
    expect_counter(t, HALF_OPEN_CREATED, FLOOD + 1);
    expect_counter(t, HALF_OPEN_PROMOTED, 1);
    expect_counter(t, HALF_OPEN_ENDED, 0);
    talk_say(t, B, ACK, 0);
    talk_close(t);
    expect_events(t, "half_closed closed");
    expect_counts(t);
    expect_history(t, "ShADaFf");
    bpfrun_set_now(run, bpfrun_now(run) + 6 * SEC);
    talk_sweep(t, 0);
    conn = talk_conn(t);
    assert_int_equal(conn.flow.reason, SW_WHY_FIN);
    assert_int_equal(conn.flow.end[A].payload, 700);
}

/* What the LRU took is the difference: created = ended + promoted + present + evicted. */
TEST(evictions_add_up)
{
    struct sw_sweep s;
    __u64 ended;

    flood(3000);
    assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
    assert_int_equal(s.half_open, bpfrun_count(run, BPFRUN_HALF_OPEN));
    assert_true(s.half_open <= MAX_HALF_OPEN);
    bpfrun_set_now(run, bpfrun_now(run) + 25 * SEC);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(bpfrun_sweep(run, 2, &s), 0);
        if (!s.held_back)
            break;
    }
    ended = bpfrun_counter(run, SW_C_HALF_OPEN_ENDED);
    assert_int_equal(s.half_open, 0);
    assert_true(ended > 0 && ended <= MAX_HALF_OPEN);
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_CONN), ended);
}

/* More connections than `flows` holds: the rest remains in half_open, and each refusal is counted. */
TEST(flows_full)
{
    enum { N = 13 };
    static struct talk many[N];
    struct sw_sweep s;

    for (int i = 0; i < N; i++) {
        other_port(&many[i], 41000 + i);
        talk_open(&many[i]);
        expect_events(&many[i], "opening established");
    }
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), MAX_FLOWS);
    expect_counter(t, FLOWS_FULL, N - MAX_FLOWS);
    expect_counter(t, HALF_OPEN_PROMOTED, MAX_FLOWS);
    for (int i = 0; i < N; i++) {
        expect_states(&many[i], ESTABLISHED, ESTABLISHED);
        talk_say(&many[i], A, PSH | ACK, 100);
        talk_say(&many[i], B, ACK, 0);
        talk_close(&many[i]);
        expect_events(&many[i], "half_closed closed");
        expect_counts(&many[i]);
    }
    bpfrun_set_now(run, bpfrun_now(run) + 6 * SEC);
    assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(talk_conn(&many[i]).flow.reason, SW_WHY_FIN);
    assert_int_equal(bpfrun_events(run, NULL), N);
    assert_int_equal(s.flows + s.half_open, 0);
    /* there is room again */
    other_port(&many[0], 51000);
    talk_open(&many[0]);
    expect_where(&many[0], FLOWS);
}

static __u64 lost(unsigned kind)
{
    return bpfrun_counter(run, SW_C_LOST_OPENING + kind);
}
static __u64 emitted(unsigned kind)
{
    return bpfrun_counter(run, SW_C_EMITTED_OPENING + kind);
}

/* A reader that does not read: emitted + lost = made, kind by kind, and the packets pass. */
TEST(full_rings_lose_by_the_book)
{
    enum { N = 50 };
    static struct talk many[N];
    const struct sw_event *ev;
    size_t n, emitted_sum = 0;
    struct sw_sweep s;

    bpfrun_drain(run, false);
    for (int i = 0; i < N; i++) {
        other_port(&many[i], 42000 + i);
        talk_open(&many[i]);
        talk_close(&many[i]);
    }
    assert_int_equal(emitted(SW_EV_ESTABLISHED) + lost(SW_EV_ESTABLISHED), N);
    assert_int_equal(emitted(SW_EV_HALF_CLOSED) + lost(SW_EV_HALF_CLOSED), N);
    assert_int_equal(emitted(SW_EV_CLOSED) + lost(SW_EV_CLOSED), N);
    assert_int_equal(emitted(SW_EV_OPENING) + lost(SW_EV_OPENING), N);
    assert_true(lost(SW_EV_CLOSED) > 0);
    for (unsigned kind = 0; kind < SW_EV_MAX; kind++)
        emitted_sum += emitted(kind);
    assert_in_range(emitted_sum, PER_RING, 2 * PER_RING);
    bpfrun_drain(run, true);
    n = bpfrun_events(run, &ev);
    assert_int_equal(n, emitted_sum);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ev[i].version, SW_CONTRACT_VERSION);
        assert_int_equal(ev[i].size, sizeof(ev[i]));
    }
    /* the conn lines were not lost: the sweep holds them back until there is room */
    bpfrun_clear_events(run);
    bpfrun_set_now(run, bpfrun_now(run) + 6 * SEC);
    for (int i = 0; i < N; i++) {
        assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
        if (!s.held_back)
            break;
    }
    assert_int_equal(s.held_back, 0);
    assert_int_equal(emitted(SW_EV_CONN), N);
    assert_int_equal(lost(SW_EV_CONN), 0);
    assert_int_equal(bpfrun_events(run, NULL), N);
    for (int i = 0; i < N; i++)
        talk_conn(&many[i]);
}

/* Openings that nobody answers fill their own ring; the real connection's lines have the other. */
TEST(flood_does_not_crowd_out)
{
    bpfrun_drain(run, false);
    flood(500);
    talk_open(t);
    talk_close(t);
    assert_int_equal(lost(SW_EV_ESTABLISHED) + lost(SW_EV_HALF_CLOSED) + lost(SW_EV_CLOSED), 0);
    bpfrun_drain(run, true);
    assert_int_equal(talk_event(t, ESTABLISHED).flow.end[A].isn, 1000);
    assert_int_equal(talk_event(t, OPENING).flow.end[A].isn, 1000); /* deferred, then emitted */
    talk_event(t, CLOSED);
    /* at the end each half-open flow of the flood has its opening emitted or lost */
    for (int i = 0; i < 200 && bpfrun_count(run, BPFRUN_HALF_OPEN); i++)
        assert_int_equal(bpfrun_sweep(run, 2, NULL), 0);
    assert_int_equal(emitted(SW_EV_OPENING) + lost(SW_EV_OPENING), 501);
}

static int group_few_events(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.event_mask = 1u << SW_EV_CONN;
    opts.cfg.close_delay = 0;
    return fixture_load(&opts);
}

/* --events conn: one line and nothing else, and with a close delay of 0 at once. */
TEST(conn_lines_only)
{
    talk_open(t);
    talk_say(t, A, PSH | ACK, 5);
    talk_say(t, B, ACK, 0);
    talk_close(t);
    talk_sweep(t, 0);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
    expect_events(t, "conn");
    assert_int_equal(emitted(SW_EV_OPENING) + emitted(SW_EV_ESTABLISHED) + emitted(SW_EV_CLOSED), 0);
    assert_int_equal(lost(SW_EV_OPENING) + lost(SW_EV_ESTABLISHED) + lost(SW_EV_CLOSED), 0);
}

int main(void)
{
    const struct CMUnitTest small_maps[] = {CASE(flood_never_touches_flows), CASE(evictions_add_up), CASE(flows_full)};
    const struct CMUnitTest small_rings[] = {CASE(full_rings_lose_by_the_book), CASE(flood_does_not_crowd_out)};
    const struct CMUnitTest few_events[] = {CASE(conn_lines_only)};
    int failed = cmocka_run_group_tests(small_maps, group_small_maps, fixture_group_end);

    failed += cmocka_run_group_tests(small_rings, group_small_rings, fixture_group_end);
    return failed + cmocka_run_group_tests(few_events, group_few_events, fixture_group_end);
}
