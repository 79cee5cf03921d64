/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a connection is decided, and what one file alone has: absent only where nothing may be missing. */
#include "joining.h"

static void test_window(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
    other(1, 3, 170, STATS);
    other(0, 4, 170, "\"event\":\"opening\"");
    assert_int_equal(seen.len, 0); /* both have to be farther than its line and the window */
    other(1, 4, 171, "\"event\":\"opening\"");
    assert_int_equal(seen.len, 0);
    other(0, 5, 171, "\"event\":\"opening\"");
    expect(0, ABSENT, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_NONE);
    conn(0, 6, (struct given){.at = 200, .orig = 501, .resp = 601, .client = 1});
    other(1, 5, 201, "\"event\":\"opening\""); /* it is open there, and was not until then */
    other(1, 6, 400, "\"event\":\"update\"");
    other(0, 7, 400, STATS);
    expect(1, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[1].why, SW_HOLE_OPEN);
    /* watched for all of the window, but for what clocks may differ by */
    conn(1, 7, (struct given){.at = 390, .orig = 502, .resp = 602, .more = ",\"start\":\"2026-11-28T00:05:42.5Z\""});
    conn(1, 8, (struct given){.at = 201, .orig = 501, .resp = 601, .more = ",\"start\":\"2026-11-28T00:01:35.5Z\""});
    finish(2);
    for (int i = 2; i < 4; i++) {
        expect(i, CANNOT_TELL, BOTH, 1); /* its other half may have been decided */
        assert_int_equal(seen.got[i].why, SW_HOLE_WINDOW);
    }
}

static void test_bounded(void **state)
{
    (void)state;
    start(2);
    for (unsigned int i = 0; i < 30; i++)
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600 + i, .client = 1});
    assert_int_equal(seen.len, 10);
    assert_int_equal(j.cut, 10);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_true(j.pending_most <= 21);
    conn(1, 3, (struct given){.at = 100, .orig = 529, .resp = 629, .client = 1});
    expect(10, AGREE, BOTH, 2);
    /* the other half of one that was decided early waits alone, and is not absent; nor is what may be one */
    conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 2});
    conn(1, 5, (struct given){.at = 100, .orig = 999, .resp = 998, .client = 3});
    assert_int_equal(seen.len, 12); /* the 21st made the oldest go */
    other(1, 6, 170, STATS);
    other(0, 33, 170, STATS);
    finish(2);
    assert_int_equal(seen.len, 32);
    expect(29, ABSENT, BOTH, 1); /* of A, which B would have */
    for (int i = 30; i < 32; i++) {
        expect(i, CANNOT_TELL, BOTH, 1);
        assert_int_equal(seen.got[i].why, SW_HOLE_WINDOW);
    }
}

/* More were decided than are remembered: a line about one that was over by then may be the second one. */
static void test_forgotten(void **state)
{
    (void)state;
    start(2);
    for (unsigned int i = 0; i < 100; i++) {
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600, .client = 1});
        conn(1, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600, .client = 2});
    }
    assert_int_equal(seen.len, 100);
    assert_true(j.forgot);
    conn(1, 103, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 3});
    conn(1, 104, (struct given){.at = 112, .orig = 699, .resp = 601, .client = 3}); /* by B's clock */
    conn(1, 105, (struct given){.at = 120, .orig = 700, .resp = 601, .client = 3}); /* it began afterwards */
    other(0, 103, 200, STATS);
    other(1, 106, 200, STATS);
    assert_int_equal(seen.len, 103);
    for (int i = 100; i < 102; i++) {
        expect(i, CANNOT_TELL, BOTH, 1);
        assert_int_equal(seen.got[i].why, SW_HOLE_WINDOW);
    }
    expect(102, ABSENT, BOTH, 1);
}

static void expect_summary(const char *said)
{
    static const char *const names[] = {"a", "b"};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    sw_join_text_summary(&j, names, out);
    fclose(out);
    assert_true(strstr(text, "its clock: ") ? said && strstr(text, said) : !said);
    free(text);
}

/* A file that nothing is in of the other, no stats line, a clock that is set, or apart by more than was said. */
static void test_clocks(void **state)
{
    (void)state;
    start(2);
    expect_summary(NULL);
    conn(0, 3, (struct given){.at = 110, .orig = 500, .resp = 600, .client = 1});
    conn(1, 3, (struct given){.at = 130, .orig = 500, .resp = 600, .client = 1});
    expect(0, AGREE, BOTH, 2);
    assert_true(sw_join_apart(&j, 1) == 20 * S);
    expect_summary("its clock: up to 20 s from another file's\n");
    other(1, 4, 150, STATS);
    conn(0, 4, (struct given){.at = 140, .orig = 501, .resp = 601, .client = 1}); /* there it ends at 160, or 120 */
    other(0, 5, 250, "\"event\":\"update\"");
    other(1, 5, 250, "\"event\":\"update\"");
    expect(1, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[1].why, SW_HOLE_NO_STATS);
    start(2); /* one line far ahead */
    other(1, 3, 95, STATS);
    conn(0, 3, (struct given){.at = 100, .orig = 501, .resp = 601, .client = 1});
    other(1, 4, 3000, STATS);
    for (unsigned int i = 0; i < 4; i++)
        other(0, 4 + i, 200 + 100 * i, STATS);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_CLOCK);
    begin(2);
    other(1, 1, 0, "\"event\":\"opening\"");
    conn(1, 2, (struct given){.at = 0, .orig = 77, .resp = 78, .client = 1});
    conn(0, 1, (struct given){.at = 5, .orig = 1, .resp = 2, .client = 1});
    for (unsigned int i = 0; i < 2; i++)
        for (unsigned int at = 16; at < 120; at += 20)
            other(i, at / 20 + 2 + i, at, STATS);
    assert_int_equal(seen.len, 2);
    for (int i = 0; i < 2; i++)
        expect(i, CANNOT_TELL, BOTH, 1);
    assert_true(seen.got[0].why == SW_HOLE_CLOCK || seen.got[1].why == SW_HOLE_CLOCK);
    expect_summary("its clock: not known");
}

/* stats lines of both files, B's by so much ahead, each 80 s; A's after `from`, until `until` */
static void stats_until(__u64 seq[2], unsigned int from, unsigned int until, unsigned int ahead)
{
    for (unsigned int at = from + 80; at <= until; at += 80) {
        other(0, ++seq[0], at, STATS);
        other(1, ++seq[1], at + ahead, STATS);
    }
}

/* Two clocks were alike, and then B's is set: what they are now only a connection says that they have in common since.
 */
static void test_clock_is_set(void **state)
{
    const struct given refused = {.at = 500, .orig = 501, .client = 1};

    (void)state;
    for (int how = 0; how < 3; how++) {
        const unsigned int ahead = how ? 300 : 0;
        __u64 seq[2] = {2, 2};

        start(2);
        j.opts.window = 400 * S;
        if (how == 2) { /* by another process, and while none ran */
            seq[1] = 50;
            other(1, ++seq[1], 100, STATS);
            seq[1] = -2ull;
            other(1, ++seq[1], 420, "\"event\":\"opening\"");
            conn(1, ++seq[1], (struct given){.at = 420, .orig = 3, .resp = 3, .client = 2});
        }
        stats_until(seq, 91, 491, ahead);
        conn(0, ++seq[0], refused);
        conn(1, ++seq[1], (struct given){.at = 500 + ahead, .orig = 501, .client = 1});
        stats_until(seq, 491, 1291, ahead); /* its time is over in both */
        assert_true(seen.len > 0);
        if (!how) {
            expect(0, AGREE, ONE, 2);
            continue;
        }
        for (int i = 0; i < seen.len; i++)
            assert_string_equal(sw_join_verdict_name(seen.got[i].verdict), "cannot_tell");
        seen.len = 0;
        conn(0, ++seq[0], (struct given){.at = 1300, .orig = 7, .resp = 7, .client = 1});
        conn(1, ++seq[1], (struct given){.at = 1300 + ahead, .orig = 7, .resp = 7, .client = 1});
        conn(0, ++seq[0], (struct given){.at = 1320, .orig = 502, .client = 1});
        stats_until(seq, 1291, 1851, ahead);
        assert_int_equal(seen.len, 2);
        expect(0, AGREE, BOTH, 2);
        expect(1, ABSENT, BOTH, 1);
    }
}

/*
 * Clocks that are apart by more than was said, as connections of both files show: what has less than both ISNs is found
 * by that, also if its lines came before it was known; nothing of it is absent.
 */
static void test_apart(void **state)
{
    __u64 seq[2] = {8, 9};

    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 160, .orig = 502, .client = 1});
    conn(1, 3, (struct given){.at = 180, .orig = 502, .client = 2});
    conn(0, 4, (struct given){.at = 161, .orig = 700, .resp = 701, .client = 3, .bytes = 9});
    conn(1, 4, (struct given){.at = 181, .orig = 800, .resp = 801, .client = 3, .bytes = 9});
    conn(0, 5, (struct given){.at = 162, .orig = 500, .resp = 600, .client = 1});
    conn(1, 5, (struct given){.at = 182, .orig = 500, .resp = 600, .client = 2});
    expect(0, AGREE, BOTH, 2);
    conn(0, 6, (struct given){.at = 163, .orig = 503, .client = 1});
    conn(1, 6, (struct given){.at = 183, .orig = 503, .client = 2});
    conn(0, 7, (struct given){.at = 164, .orig = 504, .resp = 604, .client = 1, .bytes = 9}); /* one ISN is rewritten */
    conn(1, 7, (struct given){.at = 184, .orig = 505, .resp = 604, .client = 2, .bytes = 9});
    conn(0, 8, (struct given){.at = 165, .orig = 506, .client = 1}); /* B has none within the 22 s */
    other(1, 8, 205, STATS);
    conn(1, 9, (struct given){.at = 250, .orig = 506, .client = 2});
    stats_until(seq, 175, 655, 20);
    assert_int_equal(seen.len, 7);
    expect(1, AGREE, ONE, 2);
    expect(2, REWRITTEN, TUPLE, 2);
    expect(3, AGREE, ONE, 2);
    expect(4, REWRITTEN, PAYLOAD, 2);
    expect(5, ABSENT, BOTH, 1);
    expect(6, ABSENT, BOTH, 1);
}

/* The lines of two processes in the wrong order: older than others before them by more than the window. Others may
 * come, and what comes may have been decided. */
static void test_not_sorted(void **state)
{
    (void)state;
    for (unsigned int how = 0; how < 2; how++) {
        __u64 seq = 0;

        start(2);
        other(1, 3, 301, STATS);
        other(1, -1ull, how ? 240 : 241, "\"event\":\"opening\"");
        for (unsigned int at = 260; at <= 340; at += 20)
            other(1, seq++, at, STATS);
        conn(0, 3, (struct given){.at = 340, .orig = 500, .resp = 600, .client = 1});
        conn(0, 4, (struct given){.at = 341, .orig = 4, .resp = 4, .client = 1});
        conn(1, seq++, (struct given){.at = 341, .orig = 4, .resp = 4, .client = 1}); /* what its clock is */
        for (unsigned int at = 360; at <= 420; at += 20)
            other(1, seq++, at, STATS);
        other(0, 5, 420, STATS);
        assert_int_equal(seen.len, 2);
        if (how) {
            expect(1, CANNOT_TELL, BOTH, 1);
            assert_int_equal(seen.got[1].why, SW_HOLE_WINDOW);
        } else {
            expect(1, ABSENT, BOTH, 1);
        }
        conn(1, seq++, (struct given){.at = 421, .orig = 501, .resp = 601, .client = 1});
        for (unsigned int at = 440; at <= 520; at += 20)
            for (unsigned int i = 0; i < 2; i++)
                other(i, i ? seq++ : at / 20 - 16, at, STATS); /* 6 and on */
        assert_int_equal(seen.len, 3);
        if (how)
            expect(2, CANNOT_TELL, BOTH, 1);
        else
            expect(2, ABSENT, BOTH, 1);
    }
}

/* What the guard has dropped at B was not lost between. */
static void test_guard(void **state)
{
    static const char lost[] = ",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"";

    (void)state;
    for (int how = 0; how < 3; how++) {
        start(2);
        if (how)
            other(1, 3, 105,
                  how == 1 ? "\"event\":\"drop\",\"dry_run\":false,\"reason\":\"blocked\",\"count\":1"
                           : "\"event\":\"stats\",\"final\":false,\"guard_dropped\":1");
        else
            other(1, 3, 105, "\"event\":\"drop\",\"dry_run\":true,\"reason\":\"blocked\",\"count\":1");
        conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .more = lost});
        conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
        assert_int_equal(seen.len, 1);
        assert_string_equal(sw_join_verdict_name(seen.got[0].verdict), how ? "cannot_tell" : "swallowed");
    }
}

/* B lacks A's last RST, and says that it has not seen all that arrived; and whose ends are a host's own. */
static void test_lines(void **state)
{
    static const struct {
        const char *at_a, *at_b, *verdict;
    } c[] = {
        {",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"", ",\"inferred\":false,\"orig_gaps\":0", "swallowed"},
        {",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"", ",\"orig_gaps\":1", "cannot_tell"},
        {",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"", ",\"resp_gaps\":1", "swallowed"},
        {",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"", ",\"inferred\":true", "cannot_tell"},
        {",\"orig_socket_cookie\":1,\"rst_by\":\"resp\"", ",\"orig_socket_cookie\":null", "reset_injected"},
        {",\"orig_socket_cookie\":null,\"rst_by\":\"resp\"", ",\"inferred\":false", "cannot_tell"}, /* a router's own */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        start(2);
        conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .more = c[i].at_a});
        conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .more = c[i].at_b});
        assert_int_equal(seen.len, 1);
        assert_string_equal(sw_join_verdict_name(seen.got[0].verdict), c[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window), cmocka_unit_test(test_bounded),      cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_clocks), cmocka_unit_test(test_clock_is_set), cmocka_unit_test(test_guard),
        cmocka_unit_test(test_apart),  cmocka_unit_test(test_not_sorted),   cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
