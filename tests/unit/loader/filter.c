/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A change of the filter: the slot that packets read is never written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/filter_rules.h"
#include "loader/filter.h"

#include <string.h>

static struct sw_filter_map map;

static struct sw_filter_rules of_port(const char *port)
{
    static struct sw_filter_rules rules;
    char why[160];

    memset(&rules, 0, sizeof(rules));
    if (*port)
        assert_int_equal(sw_filter_add(&rules, SW_FL_PORT, port, why, sizeof(why)), 0);
    return rules;
}

static void set(const char *port)
{
    static struct sw_filter_rules rules, before;
    __u32 active = map.active, generation = map.generation;

    if (active)
        before = map.slot[active - 1];
    rules = of_port(port);
    sw_filter_init(&map, &rules);
    assert_int_equal(map.generation, generation + 1);
    if (!*port) {
        assert_int_equal(map.active, 0);
        return;
    }
    assert_in_range(map.active, 1, 2);
    assert_int_not_equal(map.active, active);
    assert_memory_equal(&map.slot[map.active - 1], &rules, sizeof(rules));
    if (active)
        assert_memory_equal(&map.slot[active - 1], &before, sizeof(before));
}

static void get(const char *port)
{
    static struct sw_filter_rules rules, want;

    want = of_port(port);
    assert_int_equal(sw_filter_get(&map, &rules), 0);
    assert_memory_equal(&rules, &want, sizeof(rules));
}

static void test_slots(void **state)
{
    static const char *const ports[] = {"", "80", "81", "80", "", "82", "", "83", "84-90"};

    (void)state;
    memset(&map, 0, sizeof(map));
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
        set(ports[i]);
        get(ports[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
