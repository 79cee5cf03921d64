/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a JSON line says: valid against the published schema, right values, harmless strings. */
#include "lines.h"

#include <libgen.h>
#include <limits.h>
#include <sys/wait.h>

static void has_not(const char *line, const char *piece)
{
    size_t n = strcspn(line, "\n");
    const char *at = strstr(line, piece);

    if (at && at < line + n)
        fail_msg("%s should not be in %.*s", piece, (int)n, line);
}

static void top_path(const char *name, char *ret_path, size_t room)
{
    char exe[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    assert_true(n > 0);
    snprintf(ret_path, room, "%s/../../%s", dirname(exe), name);
    if (access(ret_path, R_OK))
        snprintf(ret_path, room, "%s", name);
}

/* Exit status of tests/schema_check over text; 2 (cannot check) skips the test with its reason. */
static int schema_check(const char *text, char *ret_said, size_t room)
{
    int in = memfd_create("in", 0), said = memfd_create("said", 0), status;
    char path[PATH_MAX + 64];
    ssize_t n;
    pid_t pid;

    top_path("tests/schema_check", path, sizeof(path));
    assert_true(in >= 0 && said >= 0);
    assert_int_equal(write(in, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(in, 0);
        dup2(said, 1);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    n = pread(said, ret_said, room - 1, 0);
    ret_said[n > 0 ? n : 0] = 0;
    close(in);
    close(said);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        print_message("skip: python3-jsonschema is not installed\n");
        skip();
    }
    return WEXITSTATUS(status);
}

static void valid(const char *text, int lines)
{
    char said[4096], want[64];

    snprintf(want, sizeof(want), "%d lines valid\n", lines);
    assert_int_equal(schema_check(text, said, sizeof(said)), 0);
    assert_string_equal(said, want);
}

static void test_every_line_is_valid(void **state)
{
    struct sw_report_stats stats = {.flows = 1, .flows_max = 2, .final = true};
    __u64 lost[SW_EV_MAX] = {1, 2, 3};
    struct out o;
    int n;

    (void)state;
    out_open(&o, live);
    n = add_every_name(&o);
    for (int i = 0; i < SW_C_MAX; i++)
        stats.counters[i] = i;
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    assert_int_equal(sw_report_lines(o.r), n + 2);
    valid(take(&o), n + 2);
    out_close(&o);
}

static void test_replay_lines_are_valid(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_report_stats stats = {0};
    __u64 lost[SW_EV_MAX] = {[SW_EV_CONN] = 1};
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

/* text with its first `from` replaced */
static char *changed(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *out = calloc(1, strlen(text) + strlen(to) + 1);

    if (!at)
        fail_msg("%s is not in %s", from, text);
    assert_non_null(out);
    memcpy(out, text, at - text);
    strcat(out, to);
    return strcat(out, at + strlen(from));
}

/* The schema is closed, and its checker can fail. */
static void test_schema_rejects(void **state)
{
    static const struct {
        enum sw_event_kind kind;
        const char *from, *to;
    } rows[] = {
        {SW_EV_CONN, "{\"schema\":1", "{\"schema\":2"},
        {SW_EV_CONN, "{\"schema\":1", "{\"extra\":1,\"schema\":1"},
        {SW_EV_CONN, "{\"schema\":1", "{\"anomaly\":\"syn_fin\",\"schema\":1"},
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
        {SW_EV_UPDATE, "{\"schema\":1", "{\"rst_by\":\"orig\",\"schema\":1"},
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
    has(line, "{\"schema\":1,\"seq\":1,\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"conn\","
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
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
