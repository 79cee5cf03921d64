/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What follows from --max-flows. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_ended_slots)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
