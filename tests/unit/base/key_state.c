/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which key counts, and how its times are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/key_state.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define EPOCH (1ull << SW_EPOCH_SHIFT)

static const struct sw_key_note three[] = {{0xa, 100}, {0xb, 200}, {0xc, 300}};

TEST(which_counts)
{
    struct sw_key_state k = sw_key_state_at(three, 0, 5 * EPOCH);

    assert_false(k.given || k.next);
    k = sw_key_state_at(three, 3, 5 * EPOCH); /* before its time */
    assert_true(k.given && k.next);
    assert_int_equal(k.now, 0xa);
    assert_true(k.from == 100 * EPOCH);
    k = sw_key_state_at(three, 3, 200 * EPOCH - 1);
    assert_int_equal(k.now, 0xa);
    assert_int_equal(k.next_key, 0xb);
    assert_true(k.next_from == 200 * EPOCH);
    k = sw_key_state_at(three, 3, 200 * EPOCH);
    assert_int_equal(k.now, 0xb);
    assert_int_equal(k.next_key, 0xc);
    k = sw_key_state_at(three, 3, 300 * EPOCH);
    assert_int_equal(k.now, 0xc);
    assert_false(k.next);
}

/* Without its daemon the third key never comes into the map. */
TEST(what_the_map_of_a_daemon_shows)
{
    struct sw_guard guard = {.key_notes = 3, .key_note = {three[0], three[1], three[2]}, .clock_offset = 150 * EPOCH};

    assert_int_equal(sw_key_state_of(&guard, 1, true).now, 0xa);
    assert_int_equal(sw_key_state_of(&guard, 50 * EPOCH, true).next_key, 0xc);
    assert_false(sw_key_state_of(&guard, 50 * EPOCH, false).next);
    assert_int_equal(sw_key_state_of(&guard, 150 * EPOCH, true).now, 0xc);
    assert_int_equal(sw_key_state_of(&guard, 150 * EPOCH, false).now, 0xb);
    guard.key_notes = 0;
    assert_false(sw_key_state_of(&guard, 1, true).given);
}

TEST(times)
{
    char text[SW_KEY_TIME + 1], second[SW_KEY_SECOND];

    *sw_put_key_time(text, 1764360013000000123ull) = 0;
    assert_string_equal(text, "2025-11-28T20:00:13.000000123Z");
    *sw_put_key_time(text, 1764360013987654321ull) = 0;
    assert_string_equal(text, "2025-11-28T20:00:13.987654321Z");
    sw_format_key_second(second, 1764360013000000001ull);
    assert_string_equal(second, "2025-11-28T20:00:14Z");
    sw_format_key_second(second, 1764360013000000000ull);
    assert_string_equal(second, "2025-11-28T20:00:13Z");
    sw_format_key_second(second, 9999999999ull * SW_SECOND); /* what ten digits can say */
    assert_string_equal(second, "2286-11-20T17:46:39Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_counts),
        cmocka_unit_test(what_the_map_of_a_daemon_shows),
        cmocka_unit_test(times),
    };

    return cmocka_run_group_tests_name("key_state", tests, NULL, NULL);
}
