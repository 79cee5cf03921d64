/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's figures as read from real maps: sums over CPUs and slots, and figures that time has overtaken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loader/service_stats.h"
#include "output/figures.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ULL

static int services, counters, cpus;
static struct sw_service_stats *t;

static int setup(void **state)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

    (void)state;
    cpus = libbpf_num_possible_cpus();
    t = malloc(sizeof(*t));
    services = bpf_map_create(BPF_MAP_TYPE_ARRAY, "services", 4, sizeof(struct sw_service), SW_SERVICES, &opts);
    counters =
        bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "tallies", 4, sizeof(struct sw_svc_counters), SW_SERVICES, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(t);
    close(services);
    close(counters);
    return 0;
}

static void need_maps(void)
{
    if (geteuid()) {
        print_message("skip: maps need root\n");
        skip();
    }
    assert_true(services >= 0);
    assert_true(counters >= 0);
}

static __u32 id_of(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
    return info.id;
}

/* Each slot and CPU another number, the first and the last slot of each batch among them. */
static void test_sums(void **state)
{
    struct sw_svc_counters *values, sum;
    __u64 n, active, want = 0, dropped = 0;

    (void)state;
    need_maps();
    values = calloc(cpus, sizeof(*values));
    for (__u32 i = 0; i < SW_SERVICES; i++) {
        struct sw_service s = {.port = i % 2 ? htons(i) : 0, .state = i % 3};

        for (int cpu = 0; cpu < cpus; cpu++) {
            values[cpu].item[SW_T_MAX - 1] = i * 1000 + cpu;
            values[cpu].drop[SW_DROP_NONE] = 5;
            values[cpu].drop[SW_DROP_MAX - 1] = i + 1;
            want += i * 1000 + cpu;
            dropped += i + 1;
        }
        assert_int_equal(bpf_map_update_elem(services, &i, &s, 0), 0);
        assert_int_equal(bpf_map_update_elem(counters, &i, values, 0), 0);
    }
    free(values);
    assert_int_equal(sw_service_stats_read_ids(id_of(services), id_of(counters), 1, t), 0);
    for (__u64 i = 0; i < SW_SERVICES; i++) {
        assert_int_equal(t->services[i].port, i % 2 ? htons(i) : 0);
        assert_int_equal(t->tally[i].item[SW_T_MAX - 1], i * 1000 * cpus + cpus * (cpus - 1) / 2);
        assert_int_equal(sw_svc_counters_dropped(&t->tally[i]), (i + 1) * cpus);
    }
    sw_service_stats_sum(t, &n, &active, &sum);
    assert_int_equal(n, SW_SERVICES / 2);
    assert_int_equal(active, 341); /* odd, and no multiple of 3 */
    assert_int_equal(sum.item[SW_T_MAX - 1], want);
    assert_int_equal(sw_svc_counters_dropped(&sum), dropped);
}

static void test_old_figures(void **state)
{
    static const struct {
        __u64 age, rate, half_open;
    } rows[] = {
        {0, 9, 7},           {SECOND, 9, 7},      {SECOND + 100000000, 9, 7},      {SECOND + 200000000, 0, 7},
        {63 * SECOND, 0, 7}, {64 * SECOND, 0, 7}, {64 * SECOND + 100000000, 0, 0},
    };
    struct sw_service s = {.port = htons(80), .half_open = 7, .syn_rate = 9, .completed_rate = 9, .tick = 5000};
    __u32 slot = 1;

    (void)state;
    need_maps();
    assert_int_equal(bpf_map_update_elem(services, &slot, &s, 0), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(sw_service_stats_read(services, counters, 5000 * SW_DETECT_NS + rows[i].age, t), 0);
        assert_int_equal(t->services[1].syn_rate, rows[i].rate);
        assert_int_equal(t->services[1].completed_rate, rows[i].rate);
        assert_int_equal(t->services[1].half_open, rows[i].half_open);
    }
    s.state = SW_GS_ENGAGED;
    assert_int_equal(bpf_map_update_elem(services, &slot, &s, 0), 0);
    for (int late = 0; late < 2; late++) {
        assert_int_equal(sw_service_stats_read(services, counters, (5040 + late) * SW_DETECT_NS, t), 0);
        assert_int_equal(t->services[1].half_open, late ? 0 : 7);
    }
    /* an evaluation that came after `now` was taken */
    assert_int_equal(sw_service_stats_read(services, counters, 4990 * SW_DETECT_NS, t), 0);
    assert_int_equal(t->services[1].syn_rate, 9);
}

static void test_no_such_map(void **state)
{
    (void)state;
    need_maps();
    assert_int_equal(sw_service_stats_read_ids(~0u, id_of(counters), 1, t), -2); /* ENOENT */
    assert_int_equal(sw_service_stats_read_ids(id_of(services), ~0u, 1, t), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_old_figures),
        cmocka_unit_test(test_no_such_map),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
