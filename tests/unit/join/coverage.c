/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a file could have seen: its begin and end, gaps, loss lines, restarts, and what is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "join/coverage.h"
#include "join/seconds.h"

#include <string.h>

#define S 1000000000ull

static struct sw_coverage c;
static __u64 seq;

/* Lines of a second each, from 100 s on; `opening` lines are among them. */
static void begin(void)
{
    sw_coverage_free(&c);
    assert_int_equal(sw_coverage_init(&c), 0);
    assert_int_equal(sw_coverage_opening(&c, 1), 0);
    assert_int_equal(sw_coverage_conn(&c, 1), 0);
    seq = 0;
}

static void lines(__u64 from, __u64 to)
{
    for (__u64 at = from; at <= to; at++)
        assert_int_equal(
            sw_coverage_line(&c,
                             &(struct sw_coverage_line){.ts = at * S, .has_seq = true, .seq = ++seq, .is_stats = true}),
            0);
}

/* A connection of 150 to 160 s, of which there was no line until 170 s; clocks differ by 2 s. */
static void expect_at(int kind, __u64 count, const char *file, int line)
{
    struct sw_hole got = sw_coverage_ask(&c, 150 * S, 160 * S, 170 * S, 2 * S);

    if (got.kind != kind || got.count != count)
        fail_msg("%s:%d: %s of %llu, expected %s of %llu", file, line, sw_join_hole_name(got.kind), got.count,
                 sw_join_hole_name(kind), count);
}
#define expect(kind, count) expect_at(kind, count, __FILE__, __LINE__)

static void test_range(void **state)
{
    (void)state;
    begin();
    expect(SW_HOLE_BEFORE, 0);
    lines(100, 200);
    expect(SW_HOLE_NONE, 0);
    c.ended = true;
    expect(SW_HOLE_NONE, 0);
    begin();
    lines(149, 200);
    expect(SW_HOLE_BEFORE, 0);
    begin();
    lines(100, 161);
    c.stats = 1000 * S;
    c.ended = true;
    expect(SW_HOLE_AFTER, 0);
    c.final = true;
    expect(SW_HOLE_AFTER, 0);
    c.ended = false; /* it goes on */
    expect(SW_HOLE_NONE, 0);
}

/* Nothing that a sample lacks says anything, whatever else is known. */
static void test_sampled(void **state)
{
    (void)state;
    begin();
    lines(100, 155);
    assert_int_equal(
        sw_coverage_line(&c, &(struct sw_coverage_line){.ts = 155 * S, .has_seq = true, .seq = ++seq, .sample = 10}),
        0);
    seq += 7;
    lines(156, 200);
    expect(SW_HOLE_SAMPLED, 10);
    assert_int_equal(c.missing, 7);
}

static void test_gaps(void **state)
{
    (void)state;
    begin();
    lines(100, 155);
    seq += 7;
    lines(156, 200);
    expect(SW_HOLE_GAP, 7);
    assert_int_equal(c.missing, 7);
    begin();
    lines(100, 120); /* long before */
    seq += 7;
    lines(121, 200);
    expect(SW_HOLE_NONE, 0);
    begin();
    lines(100, 180); /* afterwards */
    seq += 7;
    lines(181, 200);
    expect(SW_HOLE_NONE, 0);
    begin();
    lines(100, 155);
    seq = 0; /* another process */
    lines(156, 200);
    expect(SW_HOLE_RESTART, 1);
    begin();
    lines(100, 155);
    assert_int_equal(sw_coverage_broken(&c, 3, 156 * S), 0);
    lines(156, 200);
    expect(SW_HOLE_BROKEN, 3);
    begin();
    lines(100, 155);
    assert_int_equal(sw_coverage_line(&c, &(struct sw_coverage_line){.ts = 155 * S}), 0);
    lines(156, 200);
    expect(SW_HOLE_BROKEN, 1);
}

/* A loss line of so many, so many of them openings and conn, after a gap of `gap`. */
static void loss(__u64 at, __u64 gap, __u64 lost, __u64 conn)
{
    seq += gap + 1;
    assert_int_equal(
        sw_coverage_line(
            &c,
            &(struct sw_coverage_line){
                .ts = at * S, .has_seq = true, .seq = seq, .is_loss = true, .lost = lost, .lost_conn = conn}),
        0);
}

static void test_loss(void **state)
{
    (void)state;
    begin();
    lines(100, 155);
    loss(156, 9, 9, 4);
    lines(157, 200);
    expect(SW_HOLE_LOSS, 4);
    assert_int_equal(c.missing, 0);
    begin();
    lines(100, 155);
    loss(156, 9, 9, 0); /* of other kinds */
    lines(157, 200);
    expect(SW_HOLE_NONE, 0);
    begin();
    lines(100, 155);
    loss(156, 9, 5, 0); /* it does not speak of all */
    lines(157, 200);
    expect(SW_HOLE_GAP, 9);
    begin();
    lines(100, 189);
    loss(190, 9, 9, 4); /* what it speaks of may be 20 s old: up to 170 s, and clocks */
    lines(191, 200);
    expect(SW_HOLE_LOSS, 4);
    begin();
    lines(100, 192);
    loss(193, 9, 9, 4);
    lines(194, 200);
    expect(SW_HOLE_NONE, 0);
}

static void test_open(void **state)
{
    (void)state;
    begin();
    lines(100, 200);
    assert_int_equal(sw_coverage_opening(&c, 147 * S), 0); /* 150 s, less 2 of clocks and one of order */
    assert_int_equal(sw_coverage_opening(&c, 163 * S), 0);
    expect(SW_HOLE_OPEN, 2);
    assert_int_equal(sw_coverage_conn(&c, 147 * S), 0);
    expect(SW_HOLE_OPEN, 1);
    assert_int_equal(sw_coverage_conn(&c, 163 * S), 0);
    expect(SW_HOLE_NONE, 0);
    assert_int_equal(sw_coverage_opening(&c, 146 * S - 1), 0);
    assert_int_equal(sw_coverage_opening(&c, 164 * S), 0);
    expect(SW_HOLE_NONE, 0);
    assert_int_equal(sw_coverage_opening(&c, 155 * S), 0);
    c.ended = c.final = true; /* a last line that says that nothing is open */
    expect(SW_HOLE_NONE, 0);
    c.open = 1;
    expect(SW_HOLE_OPEN, 1);
    begin();
    lines(100, 200);
    c.has_opening = false;
    expect(SW_HOLE_OPEN, 0);
    c.ended = c.final = true;
    expect(SW_HOLE_NONE, 0);
    c.unfollowed = 12;
    expect(SW_HOLE_UNFOLLOWED, 12);
    assert_int_equal(sw_coverage_midstream(&c, 155 * S, 190 * S), 0);
    expect(SW_HOLE_MIDSTREAM, 1);
    begin();
    lines(100, 200);
    assert_int_equal(sw_coverage_midstream(&c, 173 * S, 190 * S), 0);
    expect(SW_HOLE_NONE, 0);
}

/* What only a run that follows all, and says so, proves. */
static void test_stats(void **state)
{
    (void)state;
    begin();
    lines(100, 200);
    c.stats = 161 * S; /* and not 2 s after its end, of clocks */
    expect(SW_HOLE_NO_STATS, 0);
    c.stats = 162 * S;
    expect(SW_HOLE_NONE, 0);
    c.ended = c.final = true;
    c.has_opening = false;
    expect(SW_HOLE_NONE, 0);
    c.emitted = c.conns + 1; /* not all of them are here, */
    expect(SW_HOLE_OPEN, 0);
    c.emitted = c.conns = 0; /* or none is logged */
    expect(SW_HOLE_OPEN, 0);
    begin(); /* a process without openings, and one with them */
    lines(100, 120);
    c.has_opening = false;
    seq = 0;
    lines(170, 175);
    assert_int_equal(sw_coverage_opening(&c, 171 * S), 0);
    assert_int_equal(sw_coverage_conn(&c, 171 * S), 0);
    lines(176, 200);
    assert_true(c.opening_since == 170 * S);
}

/* A clock that is set, and lines ahead of their time. */
static void test_clock(void **state)
{
    (void)state;
    begin();
    lines(100, 145);
    lines(175, 200); /* no more than 30 s */
    expect(SW_HOLE_NONE, 0);
    begin();
    lines(100, 145);
    lines(176, 200);
    expect(SW_HOLE_CLOCK, 1);
    assert_true(c.now == 200 * S);
    lines(140, 141);
    expect(SW_HOLE_CLOCK, 2);
    assert_true(c.now == 141 * S && c.last == 200 * S);
    begin();
    lines(100, 400);
    lines(399, 400); /* nearly in order */
    assert_int_equal(c.len, 0);
    lines(300, 301);
    assert_int_equal(c.hole[0].kind, SW_HOLE_CLOCK);
    expect(SW_HOLE_OPEN, 0); /* starts are not by the clock of openings any more */
    begin();
    for (__u64 at = 40; at <= 200; at += 40) /* a line each 40 s is what this one does */
        lines(at, at);
    lines(320, 320);
    assert_int_equal(c.len, 1); /* the first time nobody knew */
    lines(441, 441);
    assert_int_equal(c.len, 2);
}

/* When its guard has dropped segments. */
static void test_guarded(void **state)
{
    struct sw_coverage_line line = {.has_seq = true, .is_stats = true, .dropped = 3};

    (void)state;
    begin();
    lines(100, 150);
    assert_false(sw_coverage_guarded(&c, 0, ~0ull));
    line.seq = ++seq;
    line.ts = 160 * S;
    assert_int_equal(sw_coverage_line(&c, &line), 0);
    assert_false(sw_coverage_guarded(&c, 100 * S, 148 * S));
    assert_true(sw_coverage_guarded(&c, 100 * S, 149 * S));
    assert_true(sw_coverage_guarded(&c, 161 * S, 161 * S));
    line.seq = ++seq;
    line.ts = 170 * S;
    assert_int_equal(sw_coverage_line(&c, &line), 0);
    assert_false(sw_coverage_guarded(&c, 162 * S, 170 * S));
    assert_true(sw_coverage_guarded(&c, 162 * S, 170 * S + 1)); /* nobody has said yet */
    expect(SW_HOLE_UNFOLLOWED, 3);
}

/* That nothing is open is known by a process that logs `opening`, and by the clock of its `opening` lines. */
static void test_open_since(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        begin();
        lines(how == 1 ? 30 : 50, how ? 130 : 140);
        if (how == 1)
            seq = 0; /* another process, which does not */
        lines(how ? 125 : 141, how == 1 ? 300 : 200);
        if (how == 2) /* the clock was set back before, and then it does again */
            assert_int_equal(sw_coverage_opening(&c, 200 * S), 0);
        expect(how ? SW_HOLE_OPEN : SW_HOLE_NONE, 0);
    }
}

/* With --pin some lines are logged again after a kill; a new process without begins with 1. */
static void test_again(void **state)
{
    (void)state;
    begin();
    lines(100, 120);
    seq = 15;
    lines(116, 120);
    assert_true(c.again);
    lines(121, 122);
    assert_false(c.again);
    seq = 0;
    lines(128, 129);
    assert_false(c.again);
    assert_int_equal(c.restarts, 2);
    begin();
    lines(100, 1000);
    seq = 15; /* and then it goes on for long: what is later than the last line of before is new */
    lines(1000, 1001);
    assert_true(c.again);
    lines(1002, 1002);
    assert_false(c.again);
}

/* More holes than are kept: some become one, and what was in one is in one still. */
static void test_many(void **state)
{
    (void)state;
    begin();
    for (__u64 i = 0; i < 5 * SW_COVERAGE_HOLES; i++) {
        const __u64 at = 1000 * i + 1000;

        assert_int_equal(sw_coverage_line(&c, &(struct sw_coverage_line){.ts = at * S, .has_seq = true, .seq = ++seq}),
                         0);
        seq++;
        assert_int_equal(
            sw_coverage_line(&c, &(struct sw_coverage_line){.ts = (at + 5) * S, .has_seq = true, .seq = ++seq}), 0);
    }
    assert_true(c.len <= SW_COVERAGE_HOLES);
    for (__u64 i = 0; i < 5 * SW_COVERAGE_HOLES; i++)
        assert_int_equal(
            sw_coverage_ask(&c, (1000 * i + 1002) * S, (1000 * i + 1003) * S, (1000 * i + 1003) * S, 0).kind,
            SW_HOLE_GAP);
    assert_int_equal(c.missing, 5 * SW_COVERAGE_HOLES);
}

static void test_seconds(void **state)
{
    struct sw_open_seconds *s;

    (void)state;
    assert_int_equal(sw_open_seconds_new(&s), 0);
    for (__u64 i = 0; i < 100000; i++) {
        assert_int_equal(sw_open_seconds_add(s, i, 2), 0);
        assert_int_equal(sw_open_seconds_add(s, i, -1), 0);
        if (i % 1000)
            assert_int_equal(sw_open_seconds_add(s, i, -1), 0);
    }
    assert_int_equal(sw_open_seconds_sum(s, 0, 99999), 100);
    assert_int_equal(sw_open_seconds_sum(s, 1000, 1000), 1);
    assert_int_equal(sw_open_seconds_sum(s, 1001, 1999), 0);
    assert_int_equal(sw_open_seconds_sum(s, 1001, 2000), 1);
    assert_int_equal(sw_open_seconds_sum(s, 2, 1), 0);
    assert_int_equal(sw_open_seconds_sum(s, 0, ~0ull), 100);
    assert_int_equal(sw_open_seconds_add(s, 7, -5), 0); /* more ended than began: they hide nobody */
    assert_int_equal(sw_open_seconds_sum(s, 0, 99999), 100);
    for (__u64 i = 0; i < 2000000; i++) /* a hostile file: bounded, and then nothing is known */
        assert_int_equal(sw_open_seconds_add(s, 1000 * i + 200000, 1), 0);
    assert_int_equal(sw_open_seconds_sum(s, 1, 2), 1);
    sw_open_seconds_free(s);
}

static int end(void **state)
{
    (void)state;
    sw_coverage_free(&c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),   cmocka_unit_test(test_gaps),       cmocka_unit_test(test_loss),
        cmocka_unit_test(test_open),    cmocka_unit_test(test_again),      cmocka_unit_test(test_many),
        cmocka_unit_test(test_seconds), cmocka_unit_test(test_stats),      cmocka_unit_test(test_clock),
        cmocka_unit_test(test_guarded), cmocka_unit_test(test_open_since), cmocka_unit_test(test_sampled),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
