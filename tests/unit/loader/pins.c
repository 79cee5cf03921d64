/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which maps are pinned: each map of the object is either state or known to be one daemon's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loader/pins.h"
#include "synward.skel.h"
#include "synward_old.skel.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

/* Configuration and scratch: not part of the state. */
static const char *const own[] = {"server_ports", "empty_histograms", "filter", "watched",   "scratch",
                                  "work",         "guard_scratch",    "clock",  "net_cache", "gate_scratch",
                                  "gateway_due"};

static bool is_own(const struct bpf_map *map)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!strcmp(bpf_map__name(map), own[i]))
            return true;
    return bpf_map__is_internal(map); /* .rodata, .bss */
}

static size_t check(struct bpf_object *obj)
{
    struct bpf_map *map;
    size_t state = 0;

    bpf_object__for_each_map(map, obj)
    {
        if (sw_pin_is_state(map) == is_own(map))
            fail_msg("map '%s' is %s: name it in state_maps of pins.c, or here", bpf_map__name(map),
                     is_own(map) ? "in both lists" : "in neither list");
        state += sw_pin_is_state(map);
    }
    return state;
}

static void test_each_map_is_in_one_list(void **state)
{
    struct synward_bpf *obj = synward_bpf__open();
    struct synward_old_bpf *old = synward_old_bpf__open();

    (void)state;
    assert_non_null(obj);
    assert_non_null(old);
    assert_int_equal(check(obj->obj), 36);
    assert_int_equal(check(old->obj), 36);
    synward_bpf__destroy(obj);
    synward_old_bpf__destroy(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_map_is_in_one_list)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
