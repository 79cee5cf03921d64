/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What follows from --max-flows, --max-half-open and --syn-cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loader/map_sizes.h"

/* A quarter at least is left for connections that are confirmed. */
static void test_shares(void **state)
{
    static const struct {
        __u32 flows, unconfirmed, claimed;
    } rows[] = {
        {1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 2}, {7, 1, 3}, {131072, 32768, 65536}, {1u << 30, 1u << 28, 1u << 29}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        __u32 share[SW_SHARES];

        sw_object_size_shares(rows[i].flows, share);
        assert_int_equal(share[SW_SHARE_UNCONFIRMED], rows[i].unconfirmed);
        assert_int_equal(share[SW_SHARE_CLAIMED], rows[i].claimed);
    }
}

static void test_ended_slots(void **state)
{
    static const __u32 flows[] = {1, 2, 3, 131072, 131073, 1u << 30};
    static const __u8 bits[] = {10, 10, 10, 17, 18, 24};

    (void)state;
    for (size_t i = 0; i < sizeof(flows) / sizeof(*flows); i++)
        assert_int_equal(sw_ended_bits(flows[i]), bits[i]);
}

/* At least as many places as were asked for, in whole sets. */
static void test_syn_sets(void **state)
{
    static const __u32 notes[] = {1, 15, 16, 30, 31, 524288, 1u << 30}, sets[] = {1, 1, 2, 2, 3, 34953, 71582789};
    struct sw_object_opts opts = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
        opts.syn_cache_max = notes[i];
        assert_int_equal(sw_object_syn_sets(&opts), sets[i]);
    }
}

/* What is free, and a sixteenth at least; also if a count comes that the table cannot hold. */
static void test_room(void **state)
{
    static const struct {
        __u32 most;
        __u64 present;
        __s64 room;
    } rows[] = {{65536, 0, 65536},
                {65536, 1000, 64536},
                {65536, 61440, 4096},
                {65536, 61441, 4096},
                {65536, 65536, 4096},
                {65536, 70000, 4096},
                {65536, ~0ull, 4096},
                {16, 16, 1},
                {15, 15, 1},
                {1, 0, 1},
                {1, 1, 1},
                {1u << 30, 1u << 30, 1 << 26}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(sw_half_open_room(rows[i].most, rows[i].present), rows[i].room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_ended_slots),
                                       cmocka_unit_test(test_syn_sets), cmocka_unit_test(test_room)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
