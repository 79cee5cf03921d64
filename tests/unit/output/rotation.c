/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a file is full, and the names of old ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/rotation.h"

#include <string.h>

#define DAY 86400ull

static void by_size(void **state)
{
    const struct sw_rotation r = {.size = 1000}, none = {0};

    (void)state;
    assert_false(sw_rotation_due(&r, 999, 0, 0));
    assert_true(sw_rotation_due(&r, 1000, 0, 0));
    assert_true(sw_rotation_due(&r, 5000, 0, 0));
    assert_int_equal(sw_rotation_room(&r, 0), 1000);
    assert_int_equal(sw_rotation_room(&r, 999), 1);
    assert_int_equal(sw_rotation_room(&r, 1000), 0);
    assert_int_equal(sw_rotation_room(&r, 5000), 0);
    assert_false(sw_rotation_due(&none, 5000, 0, 5 * DAY));
    assert_true(sw_rotation_room(&none, 1ull << 60) == SIZE_MAX);
}

/* At the turn of the day in UTC, whenever the file was begun; nothing for a file that is empty. */
static void by_time(void **state)
{
    const struct sw_rotation r = {.interval = DAY};
    const __u64 noon = 20000 * DAY + DAY / 2;

    (void)state;
    assert_false(sw_rotation_due(&r, 1, noon, noon));
    assert_false(sw_rotation_due(&r, 1, noon, 20001 * DAY - 1));
    assert_true(sw_rotation_due(&r, 1, noon, 20001 * DAY));
    assert_true(sw_rotation_due(&r, 1, noon, 20009 * DAY));
    assert_false(sw_rotation_due(&r, 0, noon, 20009 * DAY));
    assert_false(sw_rotation_due(&r, 1, noon, noon - 3 * DAY)); /* a clock that was set back */
    assert_true(sw_rotation_room(&r, 1ull << 60) == SIZE_MAX);
}

static void names(void **state)
{
    char suffix[SW_ROTATION_SUFFIX], next[SW_ROTATION_SUFFIX];

    (void)state;
    sw_rotation_suffix(1795839300123ull, suffix);
    assert_string_equal(suffix, ".20261128T041500.123Z");
    sw_rotation_suffix(0, suffix);
    assert_string_equal(suffix, ".19700101T000000.000Z");
    for (__u64 ms = 1795839300123ull; ms < 1795839300123ull + 400 * DAY * 1000; ms += 7777777) {
        sw_rotation_suffix(ms, suffix);
        sw_rotation_suffix(ms + 7777777, next);
        assert_true(strcmp(suffix, next) < 0);
    }
}

static void old_files(void **state)
{
    (void)state;
    assert_true(sw_rotation_is_old("a.ndjson", "a.ndjson.20261128T041500.123Z"));
    assert_true(sw_rotation_is_old("a.ndjson", "a.ndjson.20261128T041500.123Z.gz"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson.1"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson.20261128T041500.123"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson.20261128T041500.123Zx"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson.2026112xT041500.123Z"));
    assert_false(sw_rotation_is_old("a.ndjson", "b.ndjson.20261128T041500.123Z"));
    assert_false(sw_rotation_is_old("a.ndjson", "a.ndjson.bak.20261128T041500.123Z"));
    assert_false(sw_rotation_is_old("a.ndjson", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_size),
        cmocka_unit_test(by_time),
        cmocka_unit_test(names),
        cmocka_unit_test(old_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
