/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents of the Elastic Common Schema: valid against docs/schema/ecs.schema.json, right values, harmless names. */
#include "lines.h"
#include "guard_lines.h"
#include "output/ecs.h"
#include "output/torn_line.h"

#include <fcntl.h>

static struct sw_report_opts ecs(bool full)
{
    struct sw_report_opts opts = live;

    opts.format = SW_FORMAT_ECS;
    opts.full_events = full;
    return opts;
}

static void valid_ecs(const char *text, int lines)
{
    char output[4096], want[64];

    snprintf(want, sizeof(want), "%d lines valid\n", lines);
    if (schema_check("--ecs", text, strlen(text), output, sizeof(output)) || strcmp(output, want))
        fail_msg("%s", output);
}

/* Every kind with every name of every list, with few keys and with all. */
static void test_every_line_is_valid(void **state)
{
    struct sw_report_stats stats = {.flows = 1, .final = true};
    struct sw_report_service s = service();
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    __u64 lost[SW_LOSSES] = {1, 2, 3};
    struct sw_labels labels = {.count = 1, .len = 7, .json = "\"k\":\"v\""};
    struct sw_report_opts opts;
    struct out o;
    int n;

    (void)state;
    for (int full = 0; full < 2; full++) {
        opts = ecs(full);
        opts.labels = full ? &labels : NULL;
        opts.sample = full; /* one: it is none */
        out_open(&o, opts);
        assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
        n = add_every_name(&o);
        for (int i = 0; i < SW_DROP_MAX; i++, n += 2) {
            drop.reason = i ? i : SW_DROP_BLOCKED;
            drop.dry_run = i & 1;
            drop.vlan[0] = i & 2 ? 4095 : 0;
            drop.vlan[1] = i & 4 && i & 2 ? 1 : 0;
            drop.service = i & 8 ? 0 : 5;
            emit(&o, &drop);
            guard.to = i % SW_GS_MAX;
            guard.cause = 1 + i % (SW_GW_MAX - 1);
            guard.any = i % 3;
            guard.ifindex = i & 1 ? 3 : 0;
            emit(&o, &guard);
        }
        stats.keys = (struct sw_key_state){.given = full, .now = 7};
        assert_int_equal(sw_report_service(o.r, &s, 5), 0);
        s.service.any = SW_ANY_4;
        assert_int_equal(sw_report_service(o.r, &s, 5), 0);
        assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
        assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
        valid_ecs(take(&o), n + 4);
        for (int i = 0; i < n + 4; i++)
            if (full)
                has(line_n(o.text, i), "\"host\":{\"name\":\"host.example\"},\"labels\":{\"k\":\"v\"},\"observer\":{");
        assert_int_equal(!!strstr(o.text, "labels"), full);
        assert_null(strstr(o.text, "\"sample\""));
        has(line_n(o.text, n + 3), "\"kind\":\"pipeline_error\"");
        has(line_n(o.text, n + 3),
            "\"error\":{\"message\":\"6 events were lost\"},\"synward\":{\"schema\":3,\"lost\":6,");
        out_close(&o);
    }
}

/* Of a sample each document says so. */
static void test_sample(void **state)
{
    struct sw_report_opts opts = ecs(false);
    struct sw_report_stats stats = {.flows = 1};
    struct sw_guard_event guard = emitted_guard();
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    opts.sample = 2;
    out_open(&o, opts);
    for (int i = 0; i < 64; i++, ev.flow.start_ns++)
        add(&o, &ev);
    emit(&o, &guard);
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_true(sw_report_lines(o.r) > 2 && sw_report_lines(o.r) < 60);
    valid_ecs(take(&o), sw_report_lines(o.r));
    for (__u64 i = 0; i < sw_report_lines(o.r); i++) {
        has(line_n(o.text, i), "\"synward\":{\"schema\":3,\"sample\":2,");
        assert_int_equal(number(line_n(o.text, i), "\"sequence\":"), i + 1);
    }
    out_close(&o);
}

/* One line of each field that a connection can have. */
static void test_connection(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    char uid[24];
    struct out o;

    (void)state;
    out_open(&o, ecs(false));
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    ev.flow.vlan[0] = 7;
    ev.flow.vlan[1] = 4095;
    add(&o, &ev);
    ev.flow.orig_is_b = 1;
    memcpy(ev.key.a_ip, v6, 16);
    memcpy(ev.key.b_ip, v6, 16);
    ev.flow.vlan[0] = ev.flow.vlan[1] = 0;
    ev.kind = SW_EV_OPENING;
    ev.flow.reason = SW_WHY_NONE;
    add(&o, &ev);
    valid_ecs(take(&o), 2);
    memcpy(uid, strstr(o.text, "\"id\":\"C") + 6, SW_UID_LEN);
    uid[SW_UID_LEN] = 0;
    has(o.text,
        "{\"@timestamp\":\"2023-11-14T22:13:20.123456789Z\",\"event\":{\"sequence\":1,\"kind\":\"event\","
        "\"category\":[\"network\"],\"type\":[\"connection\",\"end\"],\"action\":\"conn\",\"module\":\"synward\","
        "\"dataset\":\"synward.connection\",\"outcome\":\"success\",\"reason\":\"fin\",\"id\":\"");
    has(o.text,
        "\",\"start\":\"2023-11-14T22:13:20.118456789Z\",\"end\":\"2023-11-14T22:13:20.123456789Z\","
        "\"duration\":5000000},\"ecs\":{\"version\":\"" SW_ECS_VERSION "\"},\"host\":{\"name\":\"host.example\"},"
        "\"observer\":{\"type\":\"sensor\",\"product\":\"synward\",\"version\":\"");
    has(o.text,
        "\",\"ingress\":{\"interface\":{\"name\":\"eth0\"}}},\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
        "\"vlan\":{\"id\":\"7\"},\"inner\":{\"vlan\":{\"id\":\"4095\"}},\"community_id\":\"1:");
    has(o.text,
        "=\",\"packets\":11,\"bytes\":1001},\"source\":{\"ip\":\"10.0.0.1\",\"port\":40000,\"packets\":5,\"bytes\":500}"
        ","
        "\"destination\":{\"ip\":\"10.0.0.2\",\"port\":80,\"packets\":6,\"bytes\":501},\"synward\":{\"schema\":3,"
        "\"hook\":\"xdp_ingress\",\"uid\":\"");
    has(o.text, uid);
    has_not(o.text, "_pkts\"");     /* they have a field of their own */
    has_not(o.text, "_ip_bytes\""); /* so have these */
    has(o.text, "\"orig_bytes\":240,\"orig_payload_bytes\":240,");
    has(line_n(o.text, 1), "\"type\":[\"connection\",\"start\"],\"action\":\"opening\"");
    has(line_n(o.text, 1), "\"type\":\"ipv6\"");
    has(line_n(o.text, 1), "\"source\":{\"ip\":\"2001:db8::1\",\"port\":80},\"destination\":{");
    has_not(line_n(o.text, 1), "\"outcome\"");
    has_not(line_n(o.text, 1), "\"id\"");
    out_close(&o);
}

static void test_outcomes(void **state)
{
    static const struct {
        enum sw_event_kind kind;
        enum sw_reason reason;
        const char *outcome; /* NULL: none */
    } rows[] = {
        {SW_EV_ESTABLISHED, SW_WHY_NONE, "success"}, {SW_EV_CLOSED, SW_WHY_FIN, "success"},
        {SW_EV_REFUSED, SW_WHY_REFUSED, "failure"},  {SW_EV_TIMEOUT, SW_WHY_UNANSWERED, "failure"},
        {SW_EV_TIMEOUT, SW_WHY_TIMEOUT, "unknown"},  {SW_EV_RESET, SW_WHY_RESET, "failure"},
        {SW_EV_RESET, SW_WHY_ABORTED, "failure"},    {SW_EV_CONN, SW_WHY_END_OF_INPUT, "unknown"},
        {SW_EV_CONN, SW_WHY_FILTERED, "unknown"},    {SW_EV_REUSED, SW_WHY_REUSED, "unknown"},
        {SW_EV_HALF_CLOSED, SW_WHY_NONE, NULL},      {SW_EV_UPDATE, SW_WHY_NONE, NULL},
        {SW_EV_MIDSTREAM, SW_WHY_NONE, NULL},
    };
    struct out o;

    (void)state;
    out_open(&o, ecs(false));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_event ev = sample(rows[i].kind);
        char want[64];

        ev.flow.reason = rows[i].reason;
        add(&o, &ev);
        snprintf(want, sizeof(want), "\"outcome\":\"%s\"", rows[i].outcome);
        (rows[i].outcome ? has : has_not)(line_n(take(&o), i), rows[i].outcome ? want : "\"outcome\"");
    }
    valid_ecs(o.text, sizeof(rows) / sizeof(rows[0]));
    out_close(&o);
}

/* Whose it is, and from that the direction: only where one end alone is this host's. */
static void test_direction(void **state)
{
    struct sw_report_opts opts = ecs(false);
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    assert_int_equal(sw_owners_new(SW_OWNER_SOCKET, 0, false, &opts.owners), 0);
    out_open(&o, opts);
    ev.flow.owner[0].cookie = ev.flow.owner[1].cookie = 4711;
    add(&o, &ev);
    ev.flow.local = SW_LOCAL_A;
    add(&o, &ev);
    ev.flow.orig_is_b = 1;
    add(&o, &ev);
    ev.flow.local = SW_LOCAL_A | SW_LOCAL_B;
    add(&o, &ev);
    valid_ecs(take(&o), 4);
    has_not(line_n(o.text, 0), "\"direction\"");
    has(line_n(o.text, 1), "\"direction\":\"egress\"");
    has(line_n(o.text, 1), "\"orig_socket_cookie\":4711");
    has(line_n(o.text, 2), "\"direction\":\"ingress\"");
    has_not(line_n(o.text, 3), "\"direction\"");
    has(line_n(o.text, 3), "\"orig_socket_cookie\":4711");
    has(line_n(o.text, 3), "\"resp_socket_cookie\":4711");
    has_not(line_n(o.text, 3), "\"process\"");
    out_close(&o);
    sw_owners_free(opts.owners);
}

static void test_guard(void **state)
{
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    struct out o;

    (void)state;
    out_open(&o, ecs(false));
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    emit(&o, &guard);
    emit(&o, &drop);
    drop.hook = SW_HOOK_SWEEP;
    drop.ifindex = drop.service = 0;
    emit(&o, &drop);
    guard.to = SW_GS_CALM;
    guard.any = SW_ANY_4 | SW_ANY_6;
    emit(&o, &guard);
    valid_ecs(take(&o), 4);
    has(o.text, "\"kind\":\"alert\",\"category\":[\"network\",\"intrusion_detection\"],\"type\":[\"info\"],\"action\":"
                "\"guard\"");
    has(o.text, "\"reason\":\"syn_rate\"}");
    has(o.text,
        "\"server\":{\"ip\":\"10.0.0.2\",\"port\":80},\"synward\":{\"schema\":3,\"hook\":\"xdp_ingress\",\"service\":"
        "\"10.0.0.2:80\"");
    has(line_n(o.text, 1), "\"type\":[\"denied\"],\"action\":\"drop\"");
    has(line_n(o.text, 1),
        "\"source\":{\"ip\":\"2001:db8::1\",\"port\":40000},\"destination\":{\"ip\":\"10.0.0.2\",\"port\":80}");
    has_not(line_n(o.text, 2), "\"source\""); /* what no line included has no packet */
    has_not(line_n(o.text, 2), "\"network\":{");
    has(line_n(o.text, 3), "\"kind\":\"event\"");
    has(line_n(o.text, 3), "\"server\":{\"port\":80}");
    out_close(&o);
}

static void test_hostile_names(void **state)
{
    struct sw_report_opts opts = ecs(true);
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    opts.host = "a\"},\"x\":{\"\n\xff\\\t";
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, "\"}}},\x01"), 0);
    add(&o, &ev);
    valid_ecs(take(&o), 1);
    has(o.text, "\"host\":{\"name\":\"a\\\"},\\\"x\\\":{\\\"\\n\xef\xbf\xbd\\\\\\t\"}");
    out_close(&o);
    opts.replay = true;
    opts.iface = "\"},{\n.pcap";
    out_open(&o, opts);
    add(&o, &ev);
    valid_ecs(take(&o), 1);
    has(o.text, "\"version\":\"" SW_VERSION "\"},\"network\"");
    has(o.text, "\"synward\":{\"schema\":3,\"iface\":\"\\\"},{\\n.pcap\",");
    out_close(&o);
}

/* The schema is closed: each of these is found. */
static void test_schema_rejects(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"\"kind\":\"event\"", "\"kind\":\"thing\""},
        {"[\"network\"]", "\"network\""},
        {"[\"network\"]", "[\"networks\"]"},
        {"[\"connection\",\"end\"]", "[\"connection\",\"start\"]"},
        {"[\"connection\",\"end\"]", "[\"end\"]"},
        {"\"outcome\":\"success\"", "\"outcome\":\"good\""},
        {"\"ecs\":{\"version\":\"" SW_ECS_VERSION "\"},", ""},
        {"\"duration\":5000000", "\"duration\":\"5000000\""},
        {"\"port\":80", "\"port\":65536"},
        {"\"destination\":", "\"dest\":"},
        {"\"packets\":5,", ""},
        {"\"synward\":{", "\"synward\":{\"extra\":1,"},
        {"\"conn_state\":\"SF\"", "\"conn_state\":\"XX\""},
        {"\"orig_mss\":1460", "\"orig_mss\":\"1460\""},
        {"{\"@timestamp\"", "{\"server\":{\"port\":1},\"@timestamp\""},
    };
    struct sw_event ev = sample(SW_EV_CONN);
    char output[4096];
    struct out o;

    (void)state;
    out_open(&o, ecs(false));
    add(&o, &ev);
    valid_ecs(take(&o), 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = changed(o.text, rows[i].from, rows[i].to);

        if (schema_check("--ecs", text, strlen(text), output, sizeof(output)) != 1)
            fail_msg("valid: %s", text);
        free(text);
    }
    out_close(&o);
}

/* The number has its place at the same distance in each line: readers put theirs there. */
static void test_number(void **state)
{
    struct sw_event ev = sample(SW_EV_OPENING);
    struct out o;

    (void)state;
    out_open(&o, ecs(false));
    add(&o, &ev);
    assert_int_equal(strncmp(take(&o) + SW_ECS_BEFORE_SEQ, "1,\"kind\"", 8), 0);
    out_close(&o);
}

static void test_torn(void **state)
{
    static const char whole[] = "{\"@timestamp\":\"x\"}\n";
    char path[] = "/tmp/ecs.XXXXXX", got[256] = "";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, whole, strlen(whole)), strlen(whole));
    assert_int_equal(write(fd, "{\"@timest", 9), 9);
    assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
    sw_torn_line_repair(fd, SW_FORMAT_ECS);
    assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
    assert_string_equal(got, whole);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_is_valid),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_direction),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_schema_rejects),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_torn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
