/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The counters over a loaded object: what the guard lost is reported once, and its services with the stats. */
#include "lines.h"

#include "events/loss.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum { SECOND = 1000000000 };

static struct sw_account account;

static void load(int guard)
{
    struct sw_object_opts opts;
    const char *why = "";
    int err;

    if (geteuid()) {
        print_message("skip: the object needs root\n");
        skip();
    }
    sw_object_defaults(&opts);
    opts.max_flows = opts.max_half_open = opts.syn_cache_max = 64;
    opts.cfg.guard = guard;
    account = (struct sw_account){.event_mask = (1u << SW_EV_MAX) - 1};
    err = sw_object_new(&opts, &account.obj, &why);
    if (err)
        fail_msg("load: %s, %s", strerror(-err), why);
}

/* Counted by the last CPU: the sum is over all. */
static void set_counter(enum sw_counter counter, __u64 value)
{
    int cpus = libbpf_num_possible_cpus();
    __u64 *values = calloc(cpus, sizeof(*values));
    __u32 slot = counter;

    assert_non_null(values);
    values[cpus - 1] = value;
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(account.obj->maps.counters), &slot, values, 0), 0);
    free(values);
}

static void set_service(__u32 slot, int port, enum sw_guard_state state, __u64 syns, __u64 drops)
{
    int cpus = libbpf_num_possible_cpus();
    struct sw_svc_counters *values = calloc(cpus, sizeof(*values));
    struct sw_service s = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = htons(port), .state = state};

    assert_non_null(values);
    values[0].item[SW_T_SYNS] = syns;
    values[cpus - 1].drop[SW_DROP_RST] = drops;
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(account.obj->maps.services), &slot, &s, 0), 0);
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(account.obj->maps.svc_counters), &slot, values, 0), 0);
    free(values);
}

static void test_services_with_stats(void **state)
{
    struct out o;

    (void)state;
    load(1);
    out_open(&o, live);
    set_service(0, 0, SW_GS_CALM, 0, 1000); /* of no service */
    set_service(1, 80, SW_GS_ENGAGED, 10, 3);
    set_service(2, 81, SW_GS_CALM, 0, 0);  /* nothing came: no line */
    set_service(3, 0, SW_GS_CALM, 500, 0); /* a slot that is free */
    set_service(SW_SERVICES - 1, 443, SW_GS_GRACE, 0, 4);
    assert_int_equal(sw_account_update(&account, 1, 0, false), 0);
    assert_int_equal(sw_account_stats(&account, o.r, 1, false), 0);
    assert_int_equal(sw_account_stats(&account, o.r, 2, true), 0);
    valid(take(&o), 6);
    has(o.text, "\"final\":false,\"service\":\"10.0.0.2:80\",");
    has(o.text, "\"syns\":10,");
    has(o.text, "\"dropped\":3,");
    has(line_n(o.text, 1), "\"service\":\"10.0.0.2:443\",");
    has(line_n(o.text, 2), "\"event\":\"stats\"");
    has(line_n(o.text, 2), "\"services\":3,\"services_active\":2,");
    has(line_n(o.text, 2), "\"guard_syns\":510,");
    has(line_n(o.text, 2), "\"guard_dropped\":1007,");
    has(line_n(o.text, 2), "\"guard_drop_rst\":1007,");
    has(line_n(o.text, 3), "\"final\":true,\"service\":\"10.0.0.2:80\",");
    has(line_n(o.text, 5), "\"event\":\"stats\"");
    has(line_n(o.text, 5), "\"final\":true,");
    out_close(&o);
    sw_object_free(account.obj);
}

static void test_without_guard(void **state)
{
    struct out o;

    (void)state;
    load(0);
    out_open(&o, live);
    assert_int_equal(sw_account_update(&account, 1, 0, false), 0);
    assert_int_equal(sw_account_stats(&account, o.r, 1, true), 0);
    valid(take(&o), 1);
    has(o.text, "\"services\":0,\"services_active\":0,");
    has(o.text, "\"guard_dropped\":0,");
    out_close(&o);
    sw_object_free(account.obj);
}

/* Said when it happens, once; what is lost of a kind that is not wanted is nothing. */
static void test_loss_is_logged_once(void **state)
{
    struct out o;

    (void)state;
    load(1);
    account.event_mask = ~(1u << SW_EV_OPENING);
    out_open(&o, live);
    set_counter(SW_C_GUARD_LOST, 5);
    set_counter(SW_C_LOST_CONN, 2);
    set_counter(SW_C_LOST_OPENING, 100);
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            set_counter(SW_C_GUARD_LOST, 6);
        assert_int_equal(sw_account_update(&account, 1, 0, false), 0);
        assert_int_equal(sw_account_loss(&account, o.r, 1), 0);
    }
    assert_int_equal(sw_account_stats(&account, o.r, 1, true), 0);
    valid(take(&o), 3);
    has(o.text, "\"seq\":8,");
    has(o.text, "\"lost\":7,\"lost_opening\":0,");
    has(o.text, "\"lost_conn\":2,\"lost_guard\":5}");
    has(line_n(o.text, 1), "\"seq\":10,");
    has(line_n(o.text, 1), "\"lost_conn\":0,\"lost_guard\":1}");
    has(line_n(o.text, 2), "\"seq\":11,");
    has(line_n(o.text, 2), "\"lost_total\":8,");
    has(line_n(o.text, 2), "\"guard_lost\":6,");
    out_close(&o);
    sw_object_free(account.obj);
}

static void look(struct out *o, __u64 s, __u64 created, __u64 restored, bool final)
{
    set_counter(SW_C_HALF_OPEN_CREATED, created);
    set_counter(SW_C_HALF_OPEN_RESTORED, restored);
    set_counter(SW_C_OPENING_DEFERRED, created - restored);
    set_counter(SW_C_OPENING_RESOLVED, restored);
    assert_int_equal(sw_account_update(&account, s * SECOND, 0, final), 0);
    assert_int_equal(sw_account_loss(&account, o->r, 1), 0);
}

/* What was evicted is lost when no note can bring it back; who did come back before is never reported lost. */
static void test_evictions_that_last(void **state)
{
    const __u64 life = SW_SYN_CACHE_NS / SECOND;
    struct out o;

    (void)state;
    load(0);
    out_open(&o, live);
    look(&o, 100, 1000, 0, false); /* a flood's end: 1000 are gone */
    for (__u64 s = 1; s < life; s++)
        look(&o, 100 + s, 1000, 0, false);
    assert_int_equal(account.evicted, 0);
    look(&o, 100 + life, 1001, 1, false); /* a SYN comes again, and its half-open flow is evicted, too */
    assert_int_equal(account.evicted, 0);
    look(&o, 100 + life + 1, 1003, 3, false);
    look(&o, 100 + life + 2, 1003, 3, false);
    assert_int_equal(account.evicted, 997); /* of the look at 100; not one too many */
    assert_int_equal(account.openings_lost, 997);
    for (__u64 s = 3; s < life + 4; s++)
        look(&o, 100 + life + s, 1003, 3, false);
    assert_int_equal(account.evicted, 1000);
    set_counter(SW_C_HALF_OPEN_ENDED, 200);
    look(&o, 120 + life * 2, 1500, 3, false);
    assert_int_equal(account.evicted, 1000);
    look(&o, 121 + life * 2, 1500, 13, true); /* nothing comes any more: all that is missing */
    assert_int_equal(account.evicted, 1287);
    assert_int_equal(sw_account_stats(&account, o.r, 1, true), 0);
    valid(take(&o), 5);
    has(o.text, "\"lost_conn\":997,");
    has(line_n(o.text, 1), "\"lost_conn\":1,"); /* of the look when one had come back, and two more have since */
    has(line_n(o.text, 2), "\"lost_conn\":2,");
    has(line_n(o.text, 3), "\"lost_conn\":287,");
    has(line_n(o.text, 4), "\"half_open_evicted\":1287,");
    out_close(&o);
    sw_object_free(account.obj);
}

/* Many looks a second, a clock that stands still, a pause of an hour: late at worst, and right at the end. */
static void test_looks_at_odd_times(void **state)
{
    struct out o;

    (void)state;
    load(0);
    out_open(&o, live);
    for (__u64 i = 0; i < 1000; i++) {
        set_counter(SW_C_HALF_OPEN_CREATED, i + 1);
        assert_int_equal(sw_account_update(&account, SECOND + i * SECOND / 10, 0, false), 0);
        assert_true(account.evicted <= i + 1);
    }
    assert_true(account.evicted > 1000 - (SW_SYN_CACHE_NS / SECOND + 4) * 10);
    assert_int_equal(sw_account_update(&account, SECOND, 0, false), 0);
    look(&o, 3600, 1000, 0, false);
    assert_true(account.evicted < 1000);
    look(&o, 7200, 1000, 0, false);
    look(&o, 7300, 1000, 0, false);
    assert_int_equal(account.evicted, 1000);
    look(&o, 7300, 1000, 0, true);
    assert_int_equal(account.evicted, 1000);
    out_close(&o);
    sw_object_free(account.obj);
}

static struct {
    __u64 counters[SW_C_MAX];
    struct sw_sweep found;
    unsigned sweeps;
} tables;

static int table_counters(void *arg, __u64 ret[SW_C_MAX])
{
    (void)arg;
    memcpy(ret, tables.counters, sizeof(tables.counters));
    return 0;
}

static int table_sweep(void *arg, __u64 now, __u64 flush, struct sw_sweep *ret)
{
    (void)arg;
    (void)now;
    (void)flush;
    tables.sweeps++;
    *ret = tables.found;
    return 0;
}

static unsigned sweeps_at(__u64 s)
{
    unsigned before = tables.sweeps;

    assert_int_equal(sw_account_update(&account, s * SECOND, 0, false), 0);
    assert_int_equal(account.counters[SW_C_TCP], tables.counters[SW_C_TCP]);
    return tables.sweeps - before;
}

/* Once more after something may have changed, for what the sweep then missed; and when something expires. */
static void test_swept_by_need(void **state)
{
    static const struct sw_account_source source = {table_counters, table_sweep, NULL};

    (void)state;
    memset(&tables, 0, sizeof(tables));
    tables.found.next = ~0ULL;
    account = (struct sw_account){.source = &source, .by_need = true, .event_mask = (1u << SW_EV_MAX) - 1};
    assert_int_equal(sweeps_at(1), 1); /* the first */
    assert_int_equal(sweeps_at(2) + sweeps_at(3), 0);
    tables.counters[SW_C_TCP] += 5;
    tables.found.next = 20ULL * SECOND;
    tables.found.flows = 1;
    assert_int_equal(sweeps_at(5), 1);
    assert_int_equal(sweeps_at(6), 1);
    assert_int_equal(sweeps_at(7), 0);
    tables.counters[SW_C_TCP] += 9; /* data in order */
    tables.counters[SW_C_FAST_PATH] += 9;
    assert_int_equal(sweeps_at(8), 0);
    assert_int_equal(sweeps_at(20), 1); /* due, */
    tables.found.held_back = 1;
    assert_int_equal(sweeps_at(21), 1); /* and no room in the ring */
    assert_int_equal(sweeps_at(22), 1);
    tables.found = (struct sw_sweep){.next = ~0ULL};
    tables.counters[SW_C_FLOW_ENDED]++;
    assert_int_equal(sweeps_at(23), 1);
    assert_int_equal(sweeps_at(24), 1);
    assert_int_equal(sweeps_at(25), 0);
    tables.counters[SW_C_HALF_OPEN_ENDED]++; /* by another process */
    assert_int_equal(sweeps_at(26), 1);
    assert_int_equal(sw_account_update(&account, 27ULL * SECOND, 1, false), 0); /* asked for */
    assert_int_equal(sw_account_update(&account, 27ULL * SECOND, 0, true), 0);
    assert_int_equal(tables.sweeps, 11);
    account.by_need = false;
    assert_int_equal(sweeps_at(28) + sweeps_at(29) + sweeps_at(30), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_with_stats), cmocka_unit_test(test_without_guard),
        cmocka_unit_test(test_loss_is_logged_once), cmocka_unit_test(test_evictions_that_last),
        cmocka_unit_test(test_looks_at_odd_times),  cmocka_unit_test(test_swept_by_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
