/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which devices are cards, from which frames come with whole checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/nic.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

TEST(cards)
{
    static const struct {
        const char *driver, *bus;
        bool card;
    } rows[] = {
        {"ixgbe", "0000:03:00.0", true},
        {"mlx5_core", "0000:3b:00.1", true},
        {"iavf", "10000:e1:02.7", true}, /* a virtual function: the card's own switch completes sums */
        {"ena", "0000:00:05.0", true},
        {"virtio_net", "0000:00:03.0", false},
        {"virtio_net", "virtio2", false},
        {"vmxnet3", "0000:0b:00.0", false},
        {"hv_netvsc", "vmbus_0_1", false},
        {"veth", "", false},
        {"tun", "tap", false},
        {"bridge", "N/A", false},
        {"bonding", "", false},
        {"r8152", "usb-0000:00:14.0-1", false},
        {"ixgbe", "0000:03:00.0 and more", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (sw_nic_is_card_by(rows[i].driver, rows[i].bus) != rows[i].card)
            fail_msg("%s at %s", rows[i].driver, rows[i].bus);
    assert_false(sw_nic_is_card("lo"));
    assert_false(sw_nic_is_card("none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cards)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
