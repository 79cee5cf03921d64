/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What only a view can ask: states, outcomes, uids, bytes, handshakes. */
#include "lines.h"

#include "output/filter.h"

static struct sw_filter filter;

static bool match(const struct sw_event *ev)
{
    return sw_filter_match(&filter, &ev->key, &ev->flow, NULL);
}

static int setup(void **state)
{
    (void)state;
    memset(&filter, 0, sizeof(filter));
    return 0;
}

static void test_owner_words(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    char why[160], much[300];

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    much[sizeof(much) - 1] = 0;
    assert_false(sw_filter_asks_owner(&filter));
    assert_int_equal(sw_filter_set_pattern(filter.cgroup, "/a*", why, sizeof(why)), 0);
    assert_true(sw_filter_asks_owner(&filter));
    assert_false(sw_filter_asks_process(&filter));
    assert_false(match(&ev)); /* what is not known does not fit */
    assert_int_equal(sw_filter_set_pattern(filter.comm, "", why, sizeof(why)), -EINVAL);
    assert_int_equal(sw_filter_set_pattern(filter.comm, "a\nb", why, sizeof(why)), -EINVAL);
    assert_int_equal(sw_filter_set_pattern(filter.comm, much, why, sizeof(why)), -EINVAL);
    assert_int_equal(sw_filter_set_pattern(filter.comm, much + sizeof(much) - 256, why, sizeof(why)), 0);
    assert_int_equal(sw_filter_add_pids(&filter, "1,4194304", why, sizeof(why)), 0);
    assert_int_equal(filter.pids_len, 2);
    assert_int_equal(filter.pids[1], 4194304);
    for (const char *const *bad = (const char *const[]){"", "0", "-1", "a", "1,", ",1", "4194305", "1x", " 1", NULL};
         *bad; bad++)
        if (sw_filter_add_pids(&filter, *bad, why, sizeof(why)) != -EINVAL)
            fail_msg("'%s' was taken", *bad);
}

static void test_empty(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    assert_true(match(&ev));
    memset(&ev, 0, sizeof(ev));
    assert_true(match(&ev));
}

static void test_rules(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    char why[160];

    (void)state;
    assert_int_equal(sw_filter_add(&filter.rules, SW_FL_SERVER, "80", why, sizeof(why)), 0);
    assert_true(match(&ev));
    ev.flow.orig_is_b = 1;
    assert_false(match(&ev));
}

static void test_states(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    ev.flow.end[SW_ORIG].state = SW_ST_FIN_WAIT_2;
    ev.flow.end[SW_RESP].state = SW_ST_CLOSE_WAIT;
    for (int st = 0; st < SW_ST_MAX; st++) {
        filter.states = 1u << st;
        assert_int_equal(match(&ev), st == SW_ST_FIN_WAIT_2 || st == SW_ST_CLOSE_WAIT);
    }
    for (int cs = 0; cs < SW_CS_MAX; cs++) {
        filter.states = 1u << (SW_ST_MAX + cs);
        assert_int_equal(match(&ev), cs == SW_CS_SF);
    }
    filter.states = 1u << SW_ST_LISTEN | 1u << (SW_ST_MAX + SW_CS_SF);
    assert_true(match(&ev));
    memset(&ev, 0xff, sizeof(ev)); /* of another version, or broken: any answer, no crash */
    match(&ev);
}

static void test_outcomes(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    filter.outcomes = 1u << SW_WHY_FIN | 1u << SW_WHY_REFUSED;
    assert_true(match(&ev));
    ev.flow.reason = SW_WHY_NONE;
    assert_false(match(&ev));
    filter.outcomes = 1u << SW_WHY_NONE;
    assert_true(match(&ev));
}

static void test_bytes(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    filter.min_bytes = 1001;
    assert_true(match(&ev));
    filter.min_bytes = 1002;
    assert_false(match(&ev));
}

static void test_handshake(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    filter.min_handshake_ns = 344;
    assert_true(match(&ev));
    filter.min_handshake_ns = 345;
    assert_false(match(&ev));
    filter.min_handshake_ns = 1;
    ev.flow.est_ns = 0;
    assert_false(match(&ev));
    ev.flow.est_ns = ev.ts;
    ev.flow.syn_ns = 0;
    assert_false(match(&ev));
}

static void test_uids(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    char uid[SW_UID_LEN + 1], list[2 * SW_UID_LEN + 2], why[160];

    (void)state;
    sw_format_uid(&ev.key, ev.flow.start_ns, uid);
    snprintf(list, sizeof(list), "C00000000000000000,%s", uid);
    assert_int_equal(sw_filter_add_uids(&filter, list, why, sizeof(why)), 0);
    assert_int_equal(filter.uids_len, 2);
    assert_true(match(&ev));
    ev.flow.start_ns++;
    assert_false(match(&ev));
}

static void test_uids_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "C",
                                       "C0000000000000000",
                                       "C000000000000000000",
                                       "D00000000000000000",
                                       "C0000000000000000-",
                                       "C00000000000000000,"};
    char why[160];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup(NULL);
        if (!sw_filter_add_uids(&filter, rows[i], why, sizeof(why)))
            fail_msg("'%s' is taken", rows[i]);
        assert_non_null(strstr(why, " is not a uid: C and 17 letters and digits"));
    }
    setup(NULL);
    for (int i = 0; i < SW_FILTER_UIDS; i++)
        assert_int_equal(sw_filter_add_uids(&filter, "C00000000000000000", why, sizeof(why)), 0);
    assert_int_equal(sw_filter_add_uids(&filter, "C00000000000000000", why, sizeof(why)), -EINVAL);
    assert_string_equal(why, "more than 16 of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty, setup),        cmocka_unit_test_setup(test_owner_words, setup),
        cmocka_unit_test_setup(test_rules, setup),        cmocka_unit_test_setup(test_states, setup),
        cmocka_unit_test_setup(test_outcomes, setup),     cmocka_unit_test_setup(test_bytes, setup),
        cmocka_unit_test_setup(test_handshake, setup),    cmocka_unit_test_setup(test_uids, setup),
        cmocka_unit_test_setup(test_uids_refused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
