/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which event is acted on and when: rate, burst, one at a time of a key, the newest one last, and what has no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watch/plan.h"

#include <stdio.h>
#include <string.h>

#define S 1000000000ull

static int dropped;
static const char *last_dropped;
static size_t displaced, size;

static void drop(void *item)
{
    last_dropped = item;
    dropped++;
}

static struct sw_plan *opened(struct sw_plan_rules rules)
{
    struct sw_plan *p;

    dropped = 0;
    size = 1;
    assert_int_equal(sw_plan_open(&rules, drop, &p), 0);
    return p;
}

static enum sw_plan_result add(struct sw_plan *p, const char *key, const char *item, __u64 now)
{
    const int before = dropped;
    enum sw_plan_result result = sw_plan_add(p, key, *item == '!', (void *)item, size, now, &displaced);

    assert_int_equal(dropped, before + (int)displaced + (result == SW_PLAN_REPLACED));
    return result;
}

/* What may begin now; "-": nothing. */
static const char *next(struct sw_plan *p, __u64 now, struct sw_plan_task *task)
{
    return sw_plan_next(p, now, task) ? task->item : "-";
}

static void expect_next(struct sw_plan *p, __u64 now, const char *want)
{
    struct sw_plan_task task;

    assert_string_equal(next(p, now, &task), want);
    if (*want != '-')
        sw_plan_ended(p, &task);
}

static void test_order(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1});

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(p, NULL, (const char *[]){"a", "b", "c"}[i], 5), SW_PLAN_TAKEN);
    assert_int_equal(sw_plan_waiting(p), 3);
    assert_int_equal(sw_plan_due(p), 0);
    expect_next(p, 5, "a");
    expect_next(p, 5, "b");
    assert_int_equal(add(p, NULL, "d", 6), SW_PLAN_TAKEN); /* in a place that was free before c's */
    expect_next(p, 6, "c");
    expect_next(p, 6, "d");
    expect_next(p, 6, "-");
    assert_true(sw_plan_due(p) == ~0ull);
    sw_plan_close(p);
}

/* Two a second, three at once. */
static void test_rate(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.every_ns = S / 2, .burst = 3});
    __u64 now = 100 * S;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(p, NULL, "x", now), SW_PLAN_TAKEN);
    assert_int_equal(add(p, NULL, "x", now), SW_PLAN_OVER_RATE);
    assert_int_equal(add(p, NULL, "x", now + S / 2 - 1), SW_PLAN_OVER_RATE);
    assert_int_equal(add(p, NULL, "x", now + S / 2), SW_PLAN_TAKEN);
    assert_int_equal(add(p, NULL, "x", now + S / 2), SW_PLAN_OVER_RATE);
    for (int i = 0; i < 3; i++) /* no more than the burst comes together */
        assert_int_equal(add(p, NULL, "x", now + 60 * S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, NULL, "x", now + 60 * S), SW_PLAN_OVER_RATE);
    assert_int_equal(sw_plan_waiting(p), 7);
    sw_plan_close(p);
    assert_int_equal(dropped, 7);
}

/* With keys nothing is over the rate: it waits. */
static void test_rate_of_keys(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.every_ns = S, .burst = 1, .per = true});

    (void)state;
    assert_int_equal(add(p, "k", "1", S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, "l", "2", S), SW_PLAN_TAKEN);
    expect_next(p, S, "1");
    expect_next(p, S, "-");
    assert_int_equal(sw_plan_due(p), 2 * S);
    assert_int_equal(add(p, "l", "3", S), SW_PLAN_REPLACED);
    expect_next(p, 2 * S, "3");
    sw_plan_close(p);
    assert_int_equal(dropped, 1);
}

static void test_one_at_a_time(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true});
    struct sw_plan_task task;

    (void)state;
    assert_int_equal(add(p, "k", "engaged", 1), SW_PLAN_TAKEN);
    assert_string_equal(next(p, 1, &task), "engaged");
    assert_int_equal(add(p, "k", "grace", 2), SW_PLAN_TAKEN);
    assert_int_equal(add(p, "k", "calm", 3), SW_PLAN_REPLACED);
    assert_int_equal(add(p, "other", "x", 3), SW_PLAN_TAKEN);
    expect_next(p, 3, "x");
    expect_next(p, 3, "-"); /* k is busy */
    assert_true(sw_plan_due(p) == ~0ull);
    sw_plan_ended(p, &task);
    expect_next(p, 4, "calm");
    expect_next(p, 4, "-");
    sw_plan_close(p);
}

static void test_cooldown(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true, .cooldown_ns = 60 * S});

    (void)state;
    assert_int_equal(add(p, "k", "1", S), SW_PLAN_TAKEN);
    expect_next(p, S, "1");
    assert_int_equal(add(p, "k", "2", 2 * S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, "k", "3", 30 * S), SW_PLAN_REPLACED);
    expect_next(p, 61 * S - 1, "-");
    assert_int_equal(sw_plan_due(p), 61 * S);
    expect_next(p, 61 * S, "3");
    sw_plan_close(p);
}

/* As many keys as there is room for; when they have cooled down there is room for others. */
static void test_full(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true, .cooldown_ns = S});
    char key[16];

    (void)state;
    for (int i = 0; i < SW_PLAN_ENTRIES; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(add(p, key, "x", S), SW_PLAN_TAKEN);
    }
    assert_int_equal(add(p, "more", "x", S), SW_PLAN_FULL);
    assert_int_equal(add(p, "7", "x", S), SW_PLAN_REPLACED);
    for (int i = 0; i < SW_PLAN_ENTRIES; i++)
        expect_next(p, S, "x");
    assert_int_equal(add(p, "more", "x", 2 * S - 1), SW_PLAN_TAKEN); /* one that only cools down is forgotten */
    expect_next(p, 2 * S - 1, "x");
    assert_int_equal(add(p, "more", "y", 2 * S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, "0", "z", 2 * S), SW_PLAN_TAKEN); /* forgotten, and known again */
    expect_next(p, 2 * S, "z");
    expect_next(p, 2 * S, "-");
    assert_int_equal(sw_plan_waiting(p), 1);
    sw_plan_close(p);
    assert_int_equal(dropped, 2);
    p = opened((struct sw_plan_rules){.burst = 1});
    for (int i = 0; i < SW_PLAN_ENTRIES; i++)
        assert_int_equal(add(p, NULL, "x", S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, NULL, "x", S), SW_PLAN_FULL);
    sw_plan_close(p);
    sw_plan_close(NULL);
}

/* Changes go before what is only repeated, and take its place where there is none. */
static void test_first(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true});
    struct sw_plan_task task;
    char key[16];

    (void)state;
    for (int i = 0; i < SW_PLAN_ENTRIES; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(add(p, key, i == 900 ? "900" : i == 1023 ? "last" : "x", S), SW_PLAN_TAKEN);
    }
    assert_int_equal(add(p, "more", "!1", S), SW_PLAN_TAKEN);
    assert_int_equal(displaced, 1);
    assert_string_equal(last_dropped, "last");
    assert_int_equal(add(p, "another", "x", S), SW_PLAN_FULL);
    assert_int_equal(sw_plan_waiting(p), SW_PLAN_ENTRIES);
    assert_int_equal(add(p, "900", "!2", S), SW_PLAN_REPLACED);
    assert_int_equal(add(p, "900", "newer", S), SW_PLAN_REPLACED); /* it keeps its turn */
    expect_next(p, S, "newer");
    expect_next(p, S, "!1");
    expect_next(p, S, "x");
    assert_string_equal(next(p, S, &task), "x");
    sw_plan_ended(p, &task);
    sw_plan_close(p);
    p = opened((struct sw_plan_rules){.burst = 1, .per = true}); /* all of them changes */
    for (int i = 0; i < SW_PLAN_ENTRIES; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(add(p, key, "!", S), SW_PLAN_TAKEN);
    }
    assert_int_equal(add(p, "more", "!", S), SW_PLAN_FULL);
    sw_plan_close(p);
}

/* However large lines are, what waits is bounded: a newer word on a key takes the place of what is no change, newest
 * first. */
static void test_bytes(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true});
    struct sw_plan_task task;

    (void)state;
    size = SW_PLAN_BYTES / 4;
    for (int i = 0; i < 4; i++)
        assert_int_equal(add(p, (const char *[]){"a", "b", "c", "d"}[i], (const char *[]){"1", "2", "!3", "4"}[i], S),
                         SW_PLAN_TAKEN);
    size = 1;
    assert_int_equal(add(p, "e", "x", S), SW_PLAN_FULL);
    assert_int_equal(displaced, 0);
    size = SW_PLAN_BYTES / 4; /* as large as the one before it */
    assert_int_equal(add(p, "a", "5", S), SW_PLAN_REPLACED);
    assert_int_equal(displaced, 0);
    size++;
    assert_int_equal(add(p, "a", "6", S), SW_PLAN_REPLACED);
    assert_int_equal(displaced, 1);
    assert_string_equal(last_dropped, "5"); /* after "4" */
    assert_int_equal(sw_plan_waiting(p), 3);
    assert_int_equal(add(p, "f", "!7", S), SW_PLAN_TAKEN); /* instead of "2": then there is no room for another one */
    assert_int_equal(displaced, 1);
    assert_string_equal(last_dropped, "2");
    size = SW_PLAN_BYTES / 2;
    assert_int_equal(add(p, "c", "!8", S), SW_PLAN_REPLACED); /* instead of "6" as well */
    assert_int_equal(displaced, 1);
    assert_int_equal(add(p, "f", "!9", S), SW_PLAN_REPLACED);
    assert_int_equal(displaced, 0);
    size = SW_PLAN_BYTES / 2 + 1;
    assert_int_equal(add(p, "f", "!10", S), SW_PLAN_FULL); /* only changes are left: the older word stays */
    assert_string_equal(next(p, S, &task), "!8");
    assert_int_equal(add(p, "f", "!11", S), SW_PLAN_REPLACED); /* what was begun does not count, */
    assert_true(sw_plan_again(p, &task, S));                   /* and may always wait again */
    size = 1;
    assert_int_equal(add(p, "g", "!", S), SW_PLAN_FULL);
    expect_next(p, S, "!8");
    assert_int_equal(add(p, "g", "!", S), SW_PLAN_TAKEN);
    expect_next(p, S, "!11");
    expect_next(p, S, "!");
    sw_plan_close(p);
    p = opened((struct sw_plan_rules){.burst = 1}); /* without keys nothing is displaced */
    size = SW_PLAN_BYTES / 2;
    assert_int_equal(add(p, NULL, "1", S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, NULL, "2", S), SW_PLAN_TAKEN);
    size = 1;
    assert_int_equal(add(p, NULL, "!", S), SW_PLAN_FULL);
    expect_next(p, S, "1");
    assert_int_equal(add(p, NULL, "3", S), SW_PLAN_TAKEN);
    expect_next(p, S, "2");
    sw_plan_close(p);
    assert_int_equal(dropped, 1);
}

/* What failed waits again, with its turn, unless a newer one of its key has come. */
static void test_again(void **state)
{
    struct sw_plan *p = opened((struct sw_plan_rules){.burst = 1, .per = true, .cooldown_ns = 5 * S});
    struct sw_plan_task task;

    (void)state;
    assert_int_equal(add(p, "k", "!calm", S), SW_PLAN_TAKEN);
    assert_int_equal(add(p, "l", "other", S), SW_PLAN_TAKEN);
    assert_string_equal(next(p, S, &task), "!calm");
    assert_true(sw_plan_again(p, &task, 9 * S));
    assert_int_equal(sw_plan_waiting(p), 2);
    expect_next(p, 9 * S - 1, "other");
    expect_next(p, 9 * S - 1, "-");
    assert_int_equal(sw_plan_due(p), 9 * S);
    assert_int_equal(add(p, "l", "other", 20 * S), SW_PLAN_TAKEN);
    assert_string_equal(next(p, 20 * S, &task), "!calm");
    assert_true(sw_plan_again(p, &task, 21 * S)); /* not within the cool-down either */
    expect_next(p, 24 * S, "other");
    expect_next(p, 25 * S - 1, "-");
    assert_string_equal(next(p, 25 * S, &task), "!calm");
    assert_int_equal(add(p, "k", "newer", 26 * S), SW_PLAN_TAKEN);
    assert_false(sw_plan_again(p, &task, 27 * S));
    expect_next(p, 30 * S, "newer");
    sw_plan_close(p);
    assert_int_equal(dropped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),         cmocka_unit_test(test_rate),     cmocka_unit_test(test_rate_of_keys),
        cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_cooldown), cmocka_unit_test(test_full),
        cmocka_unit_test(test_first),         cmocka_unit_test(test_bytes),    cmocka_unit_test(test_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
