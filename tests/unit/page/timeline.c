/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bins over time: sums stay what was added, whatever the times; the largest stays the largest; never more bins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "page/timeline.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)
#define NOW (1795853226ULL * SECOND)

enum { SUM, MAX, CELLS };

static const struct sw_timeline empty = {.cells = CELLS, .sums = 1 << SUM};

static void add(struct sw_timeline *t, __u64 ns, unsigned int cell, __u64 value)
{
    assert_int_equal(sw_timeline_add(t, ns, cell, value), 0);
}

static __u64 total(const struct sw_timeline *t)
{
    __u64 sum = 0, v;

    for (size_t i = 0; i < t->len; i++)
        if (sw_timeline_get(t, i, SUM, &v))
            sum += v;
    return sum;
}

static size_t bin_of(const struct sw_timeline *t, __u64 ns)
{
    return ns / MS / sw_timeline_width_ms(t) - t->first;
}

static void test_width(void **state)
{
    static const struct {
        __u64 span, width_ms;
    } rows[] = {{0, 1},        {599 * MS, 1},        {SECOND, 5},          {60 * SECOND, 500},
                {DAY, 300000}, {30 * DAY, 10800000}, {365 * DAY, 86400000}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sw_timeline t = empty;
        __u64 start = NOW / DAY * DAY;
        add(&t, start, SUM, 1);
        add(&t, start + rows[i].span, SUM, 2);
        assert_int_equal(sw_timeline_width_ms(&t), rows[i].width_ms);
        assert_true(t.len <= SW_TIMELINE_BINS);
        assert_int_equal(total(&t), 3);
        sw_timeline_clear(&t);
    }
}

/* Times in any order, before and after those so far. */
static void test_order(void **state)
{
    struct sw_timeline t = empty;
    __u64 x = 1, v;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        add(&t, NOW + (x >> 20) % (7200 * SECOND), SUM, i);
        assert_true(t.len <= SW_TIMELINE_BINS);
    }
    assert_int_equal(sw_timeline_width_ms(&t), 30000);
    assert_int_equal(total(&t), 20000ULL * 19999 / 2);

    add(&t, NOW + 3600 * SECOND, MAX, 41);
    add(&t, NOW + 3601 * SECOND, MAX, 0);
    assert_true(sw_timeline_get(&t, bin_of(&t, NOW + 3600 * SECOND), MAX, &v));
    assert_int_equal(v, 41);
    assert_false(sw_timeline_get(&t, bin_of(&t, NOW + 1800 * SECOND), MAX, &v));
    add(&t, NOW + 1800 * SECOND, MAX, 0); /* seen, and 0 */
    assert_true(sw_timeline_get(&t, bin_of(&t, NOW + 1800 * SECOND), MAX, &v));
    assert_int_equal(v, 0);
    add(&t, NOW - 30 * DAY, SUM, 1); /* all merges */
    assert_int_equal(total(&t), 20000ULL * 19999 / 2 + 1);
    assert_true(sw_timeline_get(&t, bin_of(&t, NOW + 3600 * SECOND), MAX, &v));
    assert_int_equal(v, 41);
    sw_timeline_clear(&t);
}

/* A clock that was wrong spoils the picture and nothing else. */
static void test_far(void **state)
{
    struct sw_timeline t = empty;

    (void)state;
    add(&t, ~0ULL, SUM, 1);
    add(&t, 0, SUM, 2);
    add(&t, NOW, SUM, 3);
    add(&t, NOW, MAX, ~0ULL);
    assert_int_equal(total(&t), 6);
    assert_true(t.len <= SW_TIMELINE_BINS);
    sw_timeline_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_width), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_far)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
