/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a JSON line says: valid against the published schema, right values, harmless strings. */
#include "lines.h"
#include "base/fmt.h"
#include "output/figures.h"
#include "output/line.h"
#include "output/report.h"

static void test_every_line_is_valid(void **state)
{
    struct sw_report_stats stats = {.flows = 1, .flows_max = 2, .final = true};
    __u64 lost[SW_LOSSES] = {1, 2, 3};
    struct out o;
    int n;

    (void)state;
    out_open(&o, live);
    n = add_every_name(&o);
    for (int i = 0; i < SW_C_MAX; i++)
        stats.counters[i] = i;
    for (int i = 0; i < SW_T_MAX; i++)
        stats.guard.item[i] = 100 + i;
    for (int i = 0; i < SW_DROP_MAX; i++)
        stats.guard.drop[i] = 1ull << i;
    stats.services = 7;
    stats.services_awake = 3;
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    assert_int_equal(sw_report_lines(o.r), n + 2);
    valid(take(&o), n + 2);
    has(line_n(o.text, n), "\"embryos_evicted\":0,\"services\":7,\"services_awake\":3,\"packets\":0,");
    has(line_n(o.text, n), "\"guard_syns\":100,\"guard_opened\":101,");
    assert_int_equal(number(line_n(o.text, n), "\"guard_cookie_no_listener\":"), 100 + SW_T_COOKIE_NO_LISTENER);
    /* the slot of no reason is not in the sum */
    assert_int_equal(number(line_n(o.text, n), "\"guard_dropped\":"), (1ull << SW_DROP_MAX) - 2);
    assert_int_equal(number(line_n(o.text, n), "\"guard_drop_fin\":"), 1ull << SW_DROP_FIN);
    has(line_n(o.text, n + 1), "\"lost\":6,\"lost_opening\":1,\"lost_established\":2,\"lost_half_closed\":3,");
    has(line_n(o.text, n + 1), "\"lost_guard\":0}");
    out_close(&o);
}

static void test_replay_lines_are_valid(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_report_stats stats = {0};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 1};
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    opts.replay = true;
    opts.iface = "a \"file\".pcap";
    out_open(&o, opts);
    ev.hook = SW_HOOK_REPLAY;
    add(&o, &ev);
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    take(&o);
    for (int i = 0; i < 3; i++)
        has(line_n(o.text, i), "\"iface\":\"a \\\"file\\\".pcap\",\"hook\":\"replay\"");
    valid(o.text, 3);
    out_close(&o);
}

/* The schema is closed, and its checker can fail. */
static void test_schema_rejects(void **state)
{
    static const struct {
        enum sw_event_kind kind;
        const char *from, *to;
    } rows[] = {
        {SW_EV_CONN, "{\"schema\":2", "{\"schema\":3"},
        {SW_EV_CONN, "{\"schema\":2", "{\"schema\":1"},
        {SW_EV_CONN, "{\"schema\":2", "{\"extra\":1,\"schema\":2"},
        {SW_EV_CONN, "{\"schema\":2", "{\"anomaly\":\"syn_fin\",\"schema\":2"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":0"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":NaN"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":1,\"seq\":1"},
        {SW_EV_CONN, "\"event\":\"conn\"", "\"event\":\"unknown\""},
        {SW_EV_CONN, "\"event\":\"conn\"", "\"event\":\"opening\""},
        {SW_EV_CONN, "\"reason\":\"fin\"", "\"reason\":\"none\""},
        {SW_EV_CONN, "\"orig_pkts\":5,", ""},
        {SW_EV_CONN, "\"orig_mss\":1460", "\"orig_mss\":\"1460\""},
        {SW_EV_CONN, "\"orig_isn\":4294967290", "\"orig_isn\":null"},
        {SW_EV_CONN, "\"orig_sack\":true", "\"orig_sack\":null"},
        {SW_EV_CONN, "\"conn_state\":\"SF\"", "\"conn_state\":\"S9\""},
        {SW_EV_CONN, "\"history\":\"Sh", "\"history\":\"Sx"},
        {SW_EV_CONN, "}\n", "}"},
        {SW_EV_CONN, "}\n", "}}\n"},
        {SW_EV_ANOMALY, "\"by\":\"orig\",", ""},
        {SW_EV_RESET, "\"rst_by\":\"orig\"", "\"rst_by\":\"none\""},
        {SW_EV_UPDATE, "{\"schema\":2", "{\"rst_by\":\"orig\",\"schema\":2"},
    };
    char said[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_event ev = sample(rows[i].kind);
        struct out o;
        char *bad;
        int got;

        ev.anomaly = SW_AN_SYN_FIN;
        out_open(&o, live);
        add(&o, &ev);
        if (i == 0)
            valid(take(&o), 1);
        bad = changed(take(&o), rows[i].from, rows[i].to);
        got = schema_check(bad, said, sizeof(said));
        if (got != 1)
            fail_msg("row %zu, %s for %s: exit %d, %s", i, rows[i].to, rows[i].from, got, said);
        free(bad);
        out_close(&o);
    }
}

static void test_values(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;
    const char *line;

    (void)state;
    ev.flow.vlan[0] = 100;
    ev.flow.vlan[1] = 200;
    ev.flow.closed_by = 1;
    ev.flow.end[SW_ORIG].state = SW_ST_TIME_WAIT;
    out_open(&o, live);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    add(&o, &ev);
    line = take(&o);
    has(line, "{\"schema\":2,\"seq\":1,\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"conn\","
              "\"host\":\"host.example\",\"iface\":\"eth0\",\"hook\":\"xdp_ingress\",\"uid\":\"C");
    has(line, "\"orig_ip\":\"10.0.0.1\",\"orig_port\":40000,\"resp_ip\":\"10.0.0.2\",\"resp_port\":80,");
    has(line, "\"vlan\":[100,200],");
    has(line, "\"orig_state\":\"TIME_WAIT\",\"resp_state\":\"CLOSED\",\"conn_state\":\"SF\","
              "\"history\":\"ShADadFf\",\"history_full\":false,\"reason\":\"fin\",\"closed_by\":\"orig\",");
    has(line, "\"handshake_ns\":344,\"server_ns\":300,\"client_ns\":44,");
    has(line, "\"orig_isn\":4294967290,\"orig_mss\":1460,\"orig_wscale\":7,\"orig_sack\":true,\"orig_ts\":true,"
              "\"orig_ecn\":\"none\",\"orig_tfo\":\"none\",\"orig_mptcp\":false,\"orig_syn_bytes\":0,");
    has(line, "\"resp_pkts\":6,\"resp_ip_bytes\":501,\"resp_bytes\":241,");
    has(line, "\"start\":\"2023-11-14T22:13:20.118456789Z\",\"duration_ns\":5000000}");
    out_close(&o);
}

/* null is "not seen", and false or 0 is "seen, and not so" */
static void test_not_seen(void **state)
{
    struct sw_event ev = sample(SW_EV_MIDSTREAM);
    struct out o;
    const char *line;

    (void)state;
    ev.flow.flags = SW_F_MIDSTREAM;
    ev.flow.orig_is_b = 1;
    ev.flow.syn_ns = ev.flow.est_ns = 0;
    ev.flow.end[SW_ORIG].did = SW_E_SEEN | SW_E_INIT;
    ev.flow.end[SW_RESP].opts = SW_OPT_TFO | SW_OPT_TFO_COOKIE;
    ev.flow.last_ns = ev.flow.start_ns - 1; /* a capture's clock may step back */
    out_open(&o, live);
    add(&o, &ev);
    line = take(&o);
    has(line, "\"orig_ip\":\"10.0.0.2\",\"orig_port\":80,\"resp_ip\":\"10.0.0.1\",\"resp_port\":40000,");
    has(line, "\"iface\":\"#3\"");
    has(line, "\"handshake_ns\":null,\"server_ns\":null,\"client_ns\":null,");
    has(line, "\"orig_isn\":null,\"orig_mss\":null,\"orig_wscale\":null,\"orig_sack\":null,\"orig_ts\":null,"
              "\"orig_ecn\":null,\"orig_tfo\":null,\"orig_mptcp\":null,\"orig_syn_bytes\":null,");
    has(line, "\"resp_isn\":4294967291,\"resp_mss\":null,\"resp_wscale\":null,\"resp_sack\":false,");
    has(line, "\"resp_tfo\":\"cookie\"");
    has(line, "\"handshake\":\"unseen\"");
    has(line, "\"duration_ns\":0}");
    has_not(line, "\"vlan\"");
    has_not(line, "\"rst_by\"");
    out_close(&o);
}

static void test_escape(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain-0.9_Z", "plain-0.9_Z"},
        {"a\"b\\c/d", "a\\\"b\\\\c/d"},
        {"\b\f\n\r\t\x01\x1f\x7f", "\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac\xf0\x9f\x90\x9f", "\xe2\x82\xac\xf0\x9f\x90\x9f"},
        {"\xc2\x9b[31m", "\\u009b[31m"},                                          /* C1: a terminal would obey */
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* never in UTF-8 */
        {"a\x80z", "a\xef\xbf\xbdz"},                                             /* continuation alone */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* beyond U+10FFFF */
        {"\xe2\x82", "\xef\xbf\xbd"},                                             /* cut short at the end */
        {"\xe2\x82\"", "\xef\xbf\xbd\\\""},                                       /* cut short before a quote */
        {"\xf0\x9f\x90z", "\xef\xbf\xbdz"},
    };
    char buf[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *sw_json_escape(buf, rows[i].in) = 0;
        assert_string_equal(buf, rows[i].out);
    }
}

/* every byte there is, as host and as interface */
static void test_hostile_names(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_OPENING);
    char name[256];
    struct out o;

    (void)state;
    for (int i = 0; i < 255; i++)
        name[i] = 255 - i;
    name[255] = 0;
    opts.host = name;
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, name), 0);
    add(&o, &ev);
    valid(take(&o), 1);
    out_close(&o);
}

/* The kernel side writes letters; whatever else a record holds, the line stays a line. */
static void test_odd_history(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    memcpy(ev.flow.hist, "^S\"\\\n\0\xff[d", ev.flow.hist_len = 9);
    out_open(&o, live);
    add(&o, &ev);
    has(take(&o), "\"history\":\"^S??????d\",");
    out_close(&o);
}

static void test_time(void **state)
{
    static const struct {
        __s64 ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {951782399999999999, "2000-02-28T23:59:59.999999999Z"},
        {951782400000000000, "2000-02-29T00:00:00.000000000Z"},
        {4107542400000000001, "2100-03-01T00:00:00.000000001Z"},
        {1709164800000000000, "2024-02-29T00:00:00.000000000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };
    static struct sw_lines lines;
    char buf[40];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *sw_put_time(&lines, buf, rows[i].ns) = 0;
        assert_string_equal(buf, rows[i].text);
        *sw_put_time(&lines, buf, rows[i].ns) = 0; /* and from the cache */
        assert_string_equal(buf, rows[i].text);
    }
}

static void test_numbers(void **state)
{
    char got[24], want[24];
    __u64 v = 1;

    (void)state;
    for (int i = 0; i < 20; i++, v *= 10) {
        for (int d = -1; d <= 1; d++) {
            *sw_put_u64(got, v + d) = 0;
            snprintf(want, sizeof(want), "%llu", v + d);
            assert_string_equal(got, want);
        }
    }
    for (unsigned int i = 0; i < 1100; i++) {
        *sw_put_u64(got, i) = 0;
        snprintf(want, sizeof(want), "%u", i);
        assert_string_equal(got, want);
    }
    *sw_put_u64(got, ~0ULL) = 0;
    assert_string_equal(got, "18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_is_valid),
        cmocka_unit_test(test_replay_lines_are_valid),
        cmocka_unit_test(test_schema_rejects),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_not_seen),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_odd_history),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
