/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What top takes of our own lines, as they are made; and that a name in a line cannot pretend to be a piece of it. */
#include "lines.h"

#include "cmd/top_events.h"

static enum sw_top_line_kind parse(const char *text, struct sw_top_id *id, enum sw_top_failure *failure, __u64 *lost)
{
    char line[8192];
    size_t len = strcspn(text, "\n");

    assert_true(len < sizeof(line));
    memcpy(line, text, len);
    line[len] = 0;
    return sw_top_line_parse(line, id, failure, lost);
}

/* Each kind of event, with every key and without. */
static void test_own_lines(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        struct sw_report_opts opts = live;

        opts.full_events = full;
        for (int kind = 0; kind < SW_EV_MAX; kind++) {
            bool wanted = kind == SW_EV_REFUSED || kind == SW_EV_RESET || kind == SW_EV_TIMEOUT;
            struct sw_event ev = sample(kind);
            enum sw_top_failure failure;
            struct sw_top_id id;
            struct out o;
            __u64 lost;

            ev.flow.reason = kind == SW_EV_TIMEOUT ? SW_WHY_UNANSWERED : ev.flow.reason;
            out_open(&o, opts);
            add(&o, &ev);
            assert_int_equal(parse(take(&o), &id, &failure, &lost), wanted ? SW_TOP_LINE_FAILURE : SW_TOP_LINE_OTHER);
            if (wanted) {
                assert_int_equal(failure, kind == SW_EV_REFUSED ? SW_TOP_REFUSED
                                          : kind == SW_EV_RESET ? SW_TOP_RESET
                                                                : SW_TOP_UNANSWERED);
                assert_int_equal(id.port, htons(80));
                assert_memory_equal(id.ip, ev.key.b_ip, 16);
            }
            out_close(&o);
        }
    }
}

static void test_other_timeouts(void **state)
{
    struct sw_event ev = sample(SW_EV_TIMEOUT);
    enum sw_top_failure failure;
    struct sw_top_id id;
    struct out o;
    __u64 lost;

    (void)state;
    ev.flow.reason = SW_WHY_TIMEOUT;
    out_open(&o, live);
    add(&o, &ev);
    assert_int_equal(parse(take(&o), &id, &failure, &lost), SW_TOP_LINE_OTHER);
    out_close(&o);
}

static void test_names(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_RESET);
    enum sw_top_failure failure;
    struct sw_top_id id;
    struct out o;
    __u64 lost;

    (void)state;
    opts.host = "\",\"event\":\"loss\",\"lost\":7,\"resp_ip\":\"1.2.3.4\",\"resp_port\":9,\"";
    out_open(&o, opts);
    add(&o, &ev);
    assert_int_equal(parse(take(&o), &id, &failure, &lost), SW_TOP_LINE_FAILURE);
    assert_int_equal(failure, SW_TOP_RESET);
    assert_int_equal(id.port, htons(80));
    out_close(&o);
}

static void test_broken(void **state)
{
    static const char *const lines[] = {"",
                                        "{",
                                        "{\"event\":",
                                        "{\"event\":\"reset\"",
                                        "\"resp_ip\":\"",
                                        "{\"event\":\"reset\",\"resp_ip\":\"not an address\",\"resp_port\":1}",
                                        "{\"event\":\"reset\",\"resp_ip\":\"1.2.3.4"};
    enum sw_top_failure failure;
    struct sw_top_id id;
    __u64 lost = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(sw_top_line_parse(lines[i], &id, &failure, &lost), SW_TOP_LINE_OTHER);
    assert_int_equal(sw_top_line_parse("{\"event\":\"loss\",\"lost\":12}", &id, &failure, &lost), SW_TOP_LINE_LOSS);
    assert_int_equal(lost, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_lines), cmocka_unit_test(test_other_timeouts),
                                       cmocka_unit_test(test_names), cmocka_unit_test(test_broken)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
