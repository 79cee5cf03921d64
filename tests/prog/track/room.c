/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Room in `half_open`: a SYN for which there is none is in the SYN cache alone, and nothing else ever is. */
#include "fixture.h"
#include "synward.skel.h"

enum { MAX_HALF_OPEN = 1024, LEAST = MAX_HALF_OPEN / 16, MANY = 1500 };

static __s64 room(void)
{
    return bpfrun_object(run)->bss->half_open_room;
}

/* Another four-tuple. */
static void fresh(unsigned n)
{
    talk_init(t, run, n & 1);
    t->side[A].sport = t->side[B].dport = 20000 + n;
    t->key = pkt_key(&t->side[A], NULL);
}

static void syn(unsigned n)
{
    fresh(n);
    talk_say(t, A, SYN, 0);
}

static void expect_alone(bool is)
{
    struct sw_flow flow;

    assert_int_equal(bpfrun_lookup(run, &t->key, &flow), is ? BPFRUN_NOWHERE : BPFRUN_HALF_OPEN);
}

/* No table is larger than its size, so nothing is evicted that is waited for; each is counted and has its `opening`. */
TEST(as_many_as_there_is_room_for)
{
    assert_int_equal(room(), MAX_HALF_OPEN);
    for (unsigned i = 0; i < MANY; i++) {
        syn(i);
        expect_alone(i >= MAX_HALF_OPEN);
        assert_int_equal(bpfrun_syn_cache_entries(run), i + 1);
        expect_events(t, "opening");
    }
    assert_int_equal(room(), 0);
    expect_counter(t, HALF_OPEN_CREATED, MANY);
    expect_counter(t, HALF_OPEN_RESTORED, 0);
}

/* A handshake that is not answered ends in time, and what the sweep has ended leaves room. */
TEST(unanswered_ones_time_out)
{
    struct sw_sweep s;
    unsigned conns = 0, waiting;
    const struct sw_event *ev;
    size_t n;

    for (unsigned i = 0; i < MANY; i++)
        syn(i);
    assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
    waiting = s.half_open;
    assert_true(waiting > MAX_HALF_OPEN / 2); /* the LRU has some places free */
    bpfrun_clear_events(run);
    bpfrun_set_now(run, bpfrun_now(run) + 25 * SEC);
    assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
    assert_int_equal(s.half_open, 0);
    n = bpfrun_events(run, &ev);
    for (size_t i = 0; i < n; i++)
        conns += ev[i].kind == SW_EV_CONN && ev[i].flow.reason == SW_WHY_UNANSWERED;
    assert_int_equal(conns, waiting);
    expect_counter(t, HALF_OPEN_ENDED, conns);
    assert_int_equal(room(), MAX_HALF_OPEN);
    syn(MANY);
    expect_alone(false);
}

/* A sixteenth of the table at each sweep, though it is full: what is in it grows no older than 16 of them. */
TEST(some_at_each_sweep)
{
    struct sw_sweep s;
    unsigned left;

    for (unsigned i = 0; i < MANY; i++)
        syn(i);
    for (unsigned round = 1; round < 4; round++) {
        assert_int_equal(bpfrun_sweep(run, 0, &s), 0);
        assert_true(s.half_open > MAX_HALF_OPEN / 2);
        left = MAX_HALF_OPEN - s.half_open > LEAST ? MAX_HALF_OPEN - s.half_open : LEAST;
        assert_int_equal(room(), left);
        for (unsigned i = 0; i < left + LEAST; i++) {
            syn(MANY * round + i);
            expect_alone(i >= left);
        }
    }
}

TEST(completed_and_ended_ones_leave_room)
{
    bpfrun_set_room(run, 1);
    talk_say(t, A, SYN, 0);
    assert_int_equal(room(), 0);
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_where(t, FLOWS);
    assert_int_equal(room(), 1);
    syn(1);
    expect_alone(false);
    talk_say(t, B, RST | ACK, 0);
    assert_int_equal(room(), 0);
    bpfrun_set_now(run, bpfrun_now(run) + 6 * SEC);
    bpfrun_set_room(run, -1000);
    talk_wait(t, 6 * SEC);
    expect_where(t, NOWHERE);
    assert_int_equal(room(), MAX_HALF_OPEN);
}

/* A handshake that is not in the table goes on as one that is. */
TEST(a_handshake_without_room)
{
    bpfrun_set_room(run, 0);
    talk_say(t, A, SYN, 0);
    expect_alone(true);
    talk_say(t, A, SYN, 0); /* `nxt` has moved: another one */
    expect_counter(t, HALF_OPEN_CREATED, 2);
    assert_int_equal(bpfrun_syn_cache_entries(run), 1);
    assert_int_equal(bpfrun_reset(run), 0);
    talk_init(t, run, false);
    bpfrun_set_room(run, 0);
    talk_say(t, A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    expect_alone(true);
    talk_say(t, A, ACK, 0);
    expect_where(t, FLOWS);
    expect_events(t, "opening established");
    expect_counts(t);
    expect_history(t, "ShA");
    assert_int_equal(room(), 0);
    expect_counter(t, HALF_OPEN_CREATED, 3);
    expect_counter(t, HALF_OPEN_RESTORED, 2);
    expect_counter(t, HALF_OPEN_PROMOTED, 1);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
}

static void expect_kept(const struct pkt *p, int who)
{
    bpfrun_set_room(run, 0);
    talk_send(t, who, p);
    expect_alone(false);
    assert_int_equal(room(), -1);
    bpfrun_clear_events(run);
}

/* What a note does not hold is in the table, room or not. */
TEST(what_the_cache_does_not_hold)
{
    static const __u8 broken[4] = {2, 40, 0, 0}; /* MSS that claims 40 bytes */
    struct pkt p;

    fresh(1);
    p = talk_pkt(t, A, SYN, 0);
    memcpy(p.opts, broken, sizeof(broken));
    p.opts_len = sizeof(broken);
    expect_kept(&p, A);
    fresh(2);
    p = talk_pkt(t, A, PSH | ACK, 10);
    expect_kept(&p, A);
    fresh(3);
    p = talk_pkt(t, B, SYN | ACK, 0);
    expect_kept(&p, B);
    fresh(4);
    p = talk_pkt(t, A, RST, 0);
    expect_kept(&p, A);
}

/* What this host sends has an owner, and no flood sends it. */
TEST(its_own_syn)
{
    static __u8 frame[2000];
    struct pkt p = talk_pkt(t, A, SYN, 0);
    int verdict;

    p.no_padding = true;
    bpfrun_set_room(run, 0);
    assert_int_equal(bpfrun_egress(run, frame, pkt_build(&p, frame, sizeof(frame)), NULL, &verdict), 0);
    expect_alone(false);
}

static int group_small(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.max_half_open = MAX_HALF_OPEN;
    return fixture_load(&opts);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(as_many_as_there_is_room_for),
        CASE(unanswered_ones_time_out),
        CASE(some_at_each_sweep),
        CASE(completed_and_ended_ones_leave_room),
        CASE(a_handshake_without_room),
        CASE(what_the_cache_does_not_hold),
        CASE(its_own_syn),
    };

    return cmocka_run_group_tests(cases, group_small, fixture_group_end);
}
