/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The summary at the end: exact while targets fit, bounded and honest beyond. */
#include "random_lines.h"

#include "output/handshakes.h"
#include "output/summary.h"
#include "output/text_row.h"

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static struct sw_event to(enum sw_event_kind kind, const char *ip, unsigned int port, enum sw_reason reason)
{
    struct sw_event ev = sample(kind);

    assert_int_equal(inet_pton(AF_INET6, ip, ev.key.b_ip), 1);
    ev.key.b_port = htons(port);
    ev.flow.reason = reason;
    return ev;
}

static void text_is(const struct sw_summary *s, const struct sw_report_stats *end, const char *want)
{
    char text[SW_SUMMARY_ROOM];

    *sw_summary_put(s, end, false, text) = 0;
    assert_string_equal(text, want);
}

static void fits(const struct sw_summary *s, const struct sw_report_stats *end)
{
    char text[SW_SUMMARY_ROOM], *p = sw_summary_put(s, end, false, text);

    assert_true(p > text && p[-1] == '\n' && p < text + SW_SUMMARY_ROOM / 2);
    *p = 0;
    for (char *line = text, *stop; *line; line = stop + 1) {
        stop = strchr(line, '\n');
        if (stop - line > SW_TEXT_COLUMNS)
            fail_msg("%d columns: %.*s", (int)(stop - line), (int)(stop - line), line);
        for (char *c = line; c < stop; c++)
            assert_in_range(*c, ' ', '~');
    }
}

static void test_text(void **state)
{
    const struct sw_report_stats none = {0}, end = {.established = 2, .half_open = 3, .lost_total = 17};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 12, [SW_EV_OPENING] = 5};
    struct sw_summary *s;

    (void)state;
    assert_int_equal(sw_summary_new(ALL_LINES, &s), 0);
    text_is(s, &none, "\nSummary: 0 connections ended, 0 open, 0 half-open, 0 events lost\n");
    for (int i = 0; i < 40; i++) {
        struct sw_event ev = to(SW_EV_ESTABLISHED, "2001:db8::1", 443, SW_WHY_NONE);

        ev.flow.est_ns = ev.flow.syn_ns + (i < 35 ? 1000000 : 2000000000);
        sw_summary_event(s, &ev);
        ev = to(SW_EV_CONN, "2001:db8::1", 443, i < 30 ? SW_WHY_FIN : SW_WHY_RESET);
        sw_summary_event(s, &ev);
    }
    for (int i = 1; i <= 7; i++) {
        for (int k = 0; k < i; k++) {
            struct sw_event ev = to(SW_EV_CONN, "::ffff:10.0.0.9", i, SW_WHY_REFUSED);

            ev.flow.est_ns = 0;
            sw_summary_event(s, &ev);
            sw_summary_event(s, &(struct sw_event){.kind = SW_EV_REFUSED}); /* only conn counts */
        }
    }
    sw_summary_lost(s, lost);
    text_is(s, &end,
            "\nSummary: 68 connections ended, 2 open, 3 half-open, 17 events lost\n"
            "         12 more connections ended: their conn records are among the lost\n"
            "\nconnections  outcome\n"
            "         30  fin\n"
            "         10  reset\n"
            "         28  refused\n"
            "\n    refused  at\n"
            "          7  10.0.0.9:7\n"
            "          6  10.0.0.9:6\n"
            "          5  10.0.0.9:5\n"
            "          4  10.0.0.9:4\n"
            "          3  10.0.0.9:3\n"
            "          3  at 2 other targets\n"
            "\n      reset  at\n"
            "         10  [2001:db8::1]:443\n"
            "\n handshakes      p50      p90      p99  busiest servers\n"
            "         40  1.02 ms   1.95 s   1.95 s  [2001:db8::1]:443\n");
    sw_summary_free(s);
}

/* Without established records: from the handshakes of conn records. The responder may be either end of the key. */
static void test_handshakes_of_conn(void **state)
{
    const struct sw_report_stats none = {0};
    struct sw_event ev = to(SW_EV_CONN, "::ffff:10.0.0.2", 80, SW_WHY_FIN);
    struct sw_summary *s;

    (void)state;
    assert_int_equal(sw_summary_new(1u << SW_EV_CONN, &s), 0);
    ev.flow.orig_is_b = 1;
    sw_summary_event(s, &ev);
    ev.kind = SW_EV_ESTABLISHED;
    sw_summary_event(s, &ev);
    text_is(s, &none,
            "\nSummary: 1 connections ended, 0 open, 0 half-open, 0 events lost\n"
            "\nconnections  outcome\n"
            "          1  fin\n"
            "\n handshakes      p50      p90      p99  busiest servers\n"
            "          1   344 ns   344 ns   344 ns  10.0.0.1:40000\n");
    sw_summary_free(s);
}

static int ascending(const void *a, const void *b)
{
    const __u64 *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Against the sorted values themselves: to a tenth. */
static void test_percentiles(void **state)
{
    static const unsigned int percent[] = {50, 90, 99};
    enum { N = 2000 };
    static __u64 ns[N];

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct sw_handshakes h = {0};
        size_t n = 1 + random_u64() % N;
        int bits = 1 + random_u64() % 48;

        for (size_t i = 0; i < n; i++) {
            ns[i] = random_u64() >> (64 - bits) >> (random_u64() % 4);
            sw_handshakes_add(&h, ns[i]);
        }
        qsort(ns, n, sizeof(ns[0]), ascending);
        for (int k = 0; k < 3; k++) {
            __u64 exact = ns[(n * percent[k] + 99) / 100 - 1], got = sw_handshakes_percentile(&h, percent[k]);

            if (got > exact + exact / 10 || got < exact - exact / 10)
                fail_msg("p%u of %zu is %llu, not %llu", percent[k], n, got, exact);
        }
    }
    assert_int_equal(sw_handshakes_percentile(&(struct sw_handshakes){0}, 50), 0);
    for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
        assert_int_equal(sw_histogram_bucket(sw_histogram_middle(i)), i);
}

/* A scan of a million targets beside ten thousand connections to one: the memory stays, and so does the one. */
static void test_million(void **state)
{
    const struct sw_report_stats end = {.established = ~0ULL, .half_open = ~0ULL, .lost_total = ~0ULL};
    size_t before, after;
    char text[SW_SUMMARY_ROOM];
    struct sw_summary *s;

    (void)state;
    assert_int_equal(sw_summary_new(ALL_LINES, &s), 0);
    before = __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
    for (unsigned int i = 0; i < 1000000; i++) {
        static const __u8 reason[] = {SW_WHY_REFUSED, SW_WHY_RESET, SW_WHY_UNANSWERED};
        struct sw_event ev = sample(i & 1 ? SW_EV_CONN : SW_EV_ESTABLISHED);

        ev.flow.reason = reason[i / 2 % 3];
        if (i % 100 >= 6)
            memcpy(ev.key.b_ip, &(__u32[]){0xb80d0120, i * 2654435761u, ~i, i}, 16);
        sw_summary_event(s, &ev);
    }
    after = __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
    assert_int_equal(before, after);
    fits(s, &end);
    *sw_summary_put(s, &end, false, text) = 0;
    has(strstr(text, "refused  at\n") + 12, "  10.0.0.2:80");
    has(strstr(text, "unanswered  at\n") + 15, "  10.0.0.2:80");
    has(strstr(text, "busiest servers\n") + 16, "  344 ns   344 ns   344 ns  10.0.0.2:80");
    assert_non_null(strstr(text, "  at other targets, more than are counted exactly; >=: at least\n"));
    assert_non_null(strstr(text, ">="));
    sw_summary_free(s);
}

static void test_any_text_fits(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct sw_report_stats end = random_stats();
        __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = random_value()};
        struct sw_summary *s;

        assert_int_equal(sw_summary_new(random_u64(), &s), 0);
        for (int i = 0; i < 500; i++) {
            struct sw_event ev = random_event(random_u64() % SW_EV_MAX, random_u64());

            sw_summary_event(s, &ev);
        }
        sw_summary_lost(s, lost);
        fits(s, &end);
        sw_summary_free(s);
    }
}

/* The reporter: after the last line of text, with JSON on demand; without a number of its own, and only if asked for.
 */
static void test_report(void **state)
{
    struct sw_report_stats stats = {.established = 4};
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    char text[SW_SUMMARY_ROOM];
    struct out o;

    (void)state;
    opts.summary = true;
    opts.event_mask = 1u << SW_LINE_STATS; /* conn records come, and make no line */
    for (int format = SW_FORMAT_JSON; format <= SW_FORMAT_TEXT; format++) {
        opts.format = format;
        stats.final = false;
        out_open(&o, opts);
        add(&o, &ev);
        assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
        assert_null(strstr(take(&o), "Summary"));
        assert_int_equal(sw_report_summary(o.r, text), 0);
        stats.final = true;
        assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
        assert_int_equal(sw_report_seq(o.r), 2);
        assert_int_equal(sw_report_lines(o.r), 2);
        if (format == SW_FORMAT_TEXT) {
            assert_non_null(strstr(take(&o), "\n\nSummary: 1 connections ended, 4 open, "));
            assert_int_equal(sw_report_made(o.r), strlen(o.text));
            assert_int_equal(sw_report_summary(o.r, text), 0);
        } else {
            text[sw_report_summary(o.r, text)] = 0;
            assert_non_null(strstr(text, "\nSummary: 1 connections ended, 4 open, "));
            assert_null(strstr(take(&o), "Summary"));
        }
        out_close(&o);
    }
    opts.summary = false;
    out_open(&o, opts);
    add(&o, &ev);
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    assert_null(strstr(take(&o), "Summary"));
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),    cmocka_unit_test(test_handshakes_of_conn), cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_million), cmocka_unit_test(test_any_text_fits),      cmocka_unit_test(test_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
