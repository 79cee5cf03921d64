/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Percentiles: exact for few, within 1/64 for many, and no more memory then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "page/durations.h"

static void add(struct sw_durations *d, __u64 ns)
{
    assert_int_equal(sw_durations_add(d, ns), 0);
}

static void test_exact(void **state)
{
    struct sw_durations d = {0};

    (void)state;
    assert_int_equal(sw_durations_percentile(&d, 50), 0);
    add(&d, 7);
    for (unsigned int percent = 0; percent <= 100; percent += 50)
        assert_int_equal(sw_durations_percentile(&d, percent), 7);
    sw_durations_clear(&d);

    /* 1..100 backwards: the p-th percentile is p, by nearest rank */
    for (__u64 ns = 100; ns; ns--)
        add(&d, ns);
    assert_int_equal(sw_durations_percentile(&d, 50), 50);
    assert_int_equal(sw_durations_percentile(&d, 90), 90);
    assert_int_equal(sw_durations_percentile(&d, 99), 99);
    assert_int_equal(sw_durations_percentile(&d, 100), 100);
    assert_int_equal(sw_durations_percentile(&d, 0), 1);
    add(&d, 1000); /* after it was sorted */
    assert_int_equal(sw_durations_percentile(&d, 100), 1000);
    assert_int_equal(sw_durations_percentile(&d, 50), 51);
    sw_durations_clear(&d);

    for (int i = 0; i < SW_DURATIONS_EXACT; i++)
        add(&d, 1000003 + i);
    assert_null(d.bucket);
    assert_int_equal(sw_durations_percentile(&d, 50), 1000003 + SW_DURATIONS_EXACT / 2 - 1);
    sw_durations_clear(&d);
}

static void within(__u64 got, __u64 want)
{
    __u64 off = got > want ? got - want : want - got;

    if (off * 64 > want)
        fail_msg("%llu, expected %llu within 1/64", (unsigned long long)got, (unsigned long long)want);
}

static void test_many(void **state)
{
    struct sw_durations d = {0};
    const __u64 n = 100000;

    (void)state;
    for (__u64 i = 1; i <= n; i++)
        add(&d, i * 7919 % n * 1000 + 1000); /* each of 1000, 2000 … once, in no order */
    assert_non_null(d.bucket);
    assert_null(d.exact);
    assert_int_equal(d.n, n);
    assert_int_equal(d.min, 1000);
    assert_int_equal(d.max, n * 1000);
    for (unsigned int percent = 1; percent < 100; percent++)
        within(sw_durations_percentile(&d, percent), n * 10 * percent);
    assert_int_equal(sw_durations_percentile(&d, 100), n * 1000);
    sw_durations_clear(&d);
}

/* Every size of number: a lone value is its own median, among many of it, too. */
static void test_sizes(void **state)
{
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        struct sw_durations d = {0};
        __u64 ns = 1ULL << bit | (bit ? 1ULL << (bit - 1) : 0);
        for (int i = 0; i <= SW_DURATIONS_EXACT; i++)
            add(&d, ns);
        assert_true(sw_durations_percentile(&d, 50) == ns);
        sw_durations_clear(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_sizes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
