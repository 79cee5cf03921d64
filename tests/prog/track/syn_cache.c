/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYN cache: which flows have no entry, and which events are emitted once in a flood. */
#include "floods.h"

/* Its events are not emitted again: the conn line is lost, and counted as such. */
TEST(ended_before_the_eviction)
{
    begin_flooded();
    say_syn();
    talk_say(t, B, RST | ACK, 0);
    lull();
    assert_string_equal(words(), "opening refused");
    talk_say(t, B, RST | ACK, 0);
    keep_own_events();
    expect_counter(t, HALF_OPEN_RESTORED, 0);
    assert_string_equal(words(), "opening refused midstream reset");
    end_all();
    assert_int_equal(evicted(), 2 + sources - bpfrun_counter(run, SW_C_EMITTED_CONN));
}

static void syn_and_synack_then_flood(void)
{
    begin_flooded();
    say_syn();
    say_synack();
    lull();
}

static void expect_stranger(int who, __u16 flags, __s32 seq_off, __s32 ack_off)
{
    struct pkt p = talk_pkt(t, who, flags, 0);
    size_t entries = bpfrun_syn_cache_entries(run);
    struct sw_flow flow;

    p.seq += seq_off;
    p.ack += ack_off;
    talk_send(t, who, &p);
    flow = talk_flow(t);
    assert_true(flow.flags & SW_F_MIDSTREAM || flow.direction_by == SW_BY_SYNACK);
    assert_int_equal(flow.syn_ns, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 0);
    assert_int_equal(bpfrun_syn_cache_entries(run), entries);
}

/* Each in a flood of its own, because a first one that does not fit begins a flow. */
static void wrong_then_right(int who, __u16 flags, __s32 seq_off, __s32 ack_off, __u16 right)
{
    assert_int_equal(bpfrun_reset(run), 0);
    talk_init(t, run, false);
    syn_and_synack_then_flood();
    expect_stranger(who, flags, seq_off, ack_off);
    t->nxt[A] = t->isn[A] + 1;
    t->nxt[B] = t->isn[B] + 1;
    lull();
    now_log->n = 0;
    talk_say(t, A, right, 0);
    keep_own_events();
    assert_string_equal(words(), "established");
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    assert_true(talk_flow(t).syn_ns != 0);
}

/* A guess that does not fit is picked up midstream and leaves the cache entry for a segment with the right numbers. */
TEST(wrong_numbers)
{
    wrong_then_right(A, ACK, 1, 0, ACK);
    wrong_then_right(A, ACK, -1, 0, ACK);
    wrong_then_right(A, ACK, 0, 1, ACK);
    wrong_then_right(A, ACK, 0, -1, ACK);
    wrong_then_right(A, PSH | ACK, 0x40000000, 0, PSH | ACK);
    wrong_then_right(A, RST, 1, 0, ACK);
    wrong_then_right(B, RST | ACK, 0, 1, ACK);
    wrong_then_right(B, RST | ACK, 0, -1, ACK);
    wrong_then_right(B, RST, 1, 0, ACK);
    wrong_then_right(B, ACK, 0, 0, ACK);
    wrong_then_right(B, SYN | ACK, 0, 1, ACK);
}

/* A cache entry is valid for SW_SYN_CACHE_NS: then its handshake has been reported lost. */
TEST(an_old_note)
{
    for (int late = 0; late < 2; late++) {
        __u64 syn;

        assert_int_equal(bpfrun_reset(run), 0);
        talk_init(t, run, false);
        begin_flooded();
        say_syn();
        syn = talk_flow(t).syn_ns;
        say_synack();
        lull();
        bpfrun_set_now(run, syn + SW_SYN_CACHE_NS + late);
        talk_say(t, A, ACK, 0);
        keep_own_events();
        expect_counter(t, HALF_OPEN_RESTORED, !late);
        assert_string_equal(words(), late ? "opening midstream" : "opening established");
        end_all();
        assert_int_equal(evicted(), 1 + late + sources - bpfrun_counter(run, SW_C_EMITTED_CONN));
    }
}

/* Right numbers, other tuple. */
TEST(another_flows_entry)
{
    struct talk own;

    syn_and_synack_then_flood();
    own = *t;
    for (int i = 0; i < 5; i++) {
        *t = own;
        switch (i) {
        case 0: t->side[A].sport++; break;
        case 1: t->side[A].dport++; break;
        case 2: t->side[A].src[15]++; break;
        case 3: t->side[A].dst[15]++; break;
        case 4: t->side[A] = pkt_swap(&t->side[A]); break; /* the other direction of the same tuple */
        }
        t->side[B] = pkt_swap(&t->side[A]);
        t->key = pkt_key(&t->side[A], NULL);
        expect_stranger(A, ACK, 0, 0);
    }
    *t = own;
    lull();
    talk_say(t, A, ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    expect_states(t, ESTABLISHED, ESTABLISHED);
}

/* A handshake that ended, in whatever way, needs no cache entry. */
TEST(no_entry_is_left)
{
    talk_open(t);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
    talk_close(t);
    talk_wait(t, 6 * SEC);
    talk_open(t);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
    talk_say(t, A, RST, 0);
    talk_wait(t, 6 * SEC);
    talk_say(t, A, SYN, 0);
    assert_int_equal(bpfrun_syn_cache_entries(run), 1);
    talk_say(t, B, RST | ACK, 0);
    talk_wait(t, 6 * SEC);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
    talk_say(t, A, SYN, 0);
    talk_wait(t, 25 * SEC); /* unanswered */
    assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
    now_log = &logs[0];
    end_all();
}

/* The opening that a full ring did not take is deferred: emitted once, when the handshake completes. */
TEST(deferred_opening)
{
    unsigned openings = 0;

    begin_flooded();
    bpfrun_drain(run, false);
    flood(100);
    assert_true(bpfrun_counter(run, SW_C_OPENING_DEFERRED) > 0);
    say_syn();
    say_synack();
    lull();
    talk_say(t, A, ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    expect_counter(t, OPENING_RESOLVED, 1);
    bpfrun_drain(run, true);
    keep_own_events();
    assert_string_equal(words(), "opening established");
    assert_true(logs[1].ev[0].ts == logs[1].ev[1].flow.syn_ns);
    talk_on_and_close();
    end_all();
    for (size_t i = 0; i < logs[1].n; i++)
        openings += logs[1].ev[i].kind == SW_EV_OPENING;
    assert_int_equal(openings, 1);
    assert_true(bpfrun_counter(run, SW_C_OPENING_RESOLVED) <= bpfrun_counter(run, SW_C_OPENING_DEFERRED));
}

/* Established, but `flows` is full: an evicted one does not emit established twice. */
TEST(established_among_half_open)
{
    struct talk own = *t;

    begin_flooded();
    t->side[A].sport = t->side[B].dport = 1;
    t->key = pkt_key(&t->side[A], NULL);
    talk_open(t);
    keep_own_events();
    now_log->n = 0;
    *t = own;
    talk_open(t);
    expect_counter(t, FLOWS_FULL, 1);
    lull();
    assert_string_equal(words(), "opening established");
    talk_say(t, A, PSH | ACK, 10);
    keep_own_events();
    assert_string_equal(words(), "opening established midstream");
    expect_counter(t, HALF_OPEN_RESTORED, 0);
}

/* What has a bad checksum was not received: it makes no cache entry and changes none. */
TEST(bad_checksums)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    SKIP_OLD("no checksums");
    p.bad_checksum = true;
    talk_send(t, A, &p);
    assert_int_equal(bpfrun_syn_cache_entries(run), 0);
    assert_int_equal(bpfrun_reset(run), 0);
    talk_init(t, run, false);
    begin_flooded();
    say_syn();
    say_synack();
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.seq = 9000000;
    p.bad_checksum = true;
    bpfrun_clear_events(run);
    talk_send(t, B, &p);
    t->nxt[B] = t->isn[B] + 1;
    lull();
    p = talk_pkt(t, A, ACK, 0);
    p.bad_checksum = true;
    talk_send(t, A, &p);
    expect_counter(t, HALF_OPEN_RESTORED, 0);
    lull();
    talk_say(t, A, ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    assert_int_equal(talk_flow(t).end[B].isn, t->isn[B]);
    expect_where(t, FLOWS);
}

/* With room for few cache entries the other handshakes are what they were without: picked up midstream; nothing breaks.
 */
TEST(syn_cache_evicted_too)
{
    enum { N = 40 };
    static struct talk many[N];
    unsigned midstream = 0;

    begin_flooded();
    for (int i = 0; i < N; i++) {
        talk_init(t, run, i & 1);
        t->side[A].sport = t->side[B].dport = 41000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        say_syn();
        say_synack();
        many[i] = *t;
    }
    lull();
    assert_true(bpfrun_syn_cache_entries(run) <= SMALL_SYN_CACHE);
    for (int i = 0; i < N; i++) {
        now_log->n = 0;
        talk_say(&many[i], A, ACK, 0);
        talk_say(&many[i], B, ACK, 0);
        *t = many[i];
        keep_own_events();
        expect_states(t, ESTABLISHED, ESTABLISHED);
        if (!strcmp(words(), "midstream"))
            midstream++;
        else
            assert_string_equal(words(), "established");
        talk_close(t);
        expect_states(t, TIME_WAIT, CLOSED);
    }
    assert_true(midstream >= N - SMALL_SYN_CACHE);
    expect_counter(t, HALF_OPEN_RESTORED, N - midstream);
    end_all();
    assert_int_equal(evicted(), N + midstream + sources - bpfrun_counter(run, SW_C_EMITTED_CONN));
    expect_counter(t, INTERNAL, 0);
    expect_counter(t, HALF_OPEN_FULL, 0);
}

GROUP(group_usual, G_USUAL)
GROUP(group_small_ring, G_SMALL_RING)
GROUP(group_full, G_FULL)
GROUP(group_few_notes, G_SMALL_SYN_CACHE)

int main(void)
{
    const struct CMUnitTest usual[] = {
        CASE(ended_before_the_eviction), CASE(wrong_numbers),    CASE(an_old_note),
        CASE(another_flows_entry),       CASE(no_entry_is_left), CASE(bad_checksums),
    };
    const struct CMUnitTest small_ring[] = {CASE(deferred_opening)}, full[] = {CASE(established_among_half_open)};
    const struct CMUnitTest few_notes[] = {CASE(syn_cache_evicted_too)};
    int failed = cmocka_run_group_tests(usual, group_usual, fixture_group_end);

    failed += cmocka_run_group_tests(small_ring, group_small_ring, fixture_group_end);
    failed += cmocka_run_group_tests(full, group_full, fixture_group_end);
    return failed + cmocka_run_group_tests(few_notes, group_few_notes, fixture_group_end);
}
