/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a JSON line says: valid against the published schema, right values, harmless names. */
#include "lines.h"
#include "base/fmt.h"
#include "output/figures.h"
#include "output/json_ladder.h"
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
    stats.services_active = 3;
    stats.services_unprotected = 2;
    stats.owners_found = 4;
    stats.owners_unknown = 5;
    stats.exports = (struct sw_export_counts){.exported = 6, .lost = 7};
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    assert_int_equal(sw_report_lines(o.r), n + 2);
    valid(take(&o), n + 2);
    has(line_n(o.text, n), "\"half_open_evicted\":0,\"services\":7,\"services_active\":3,\"services_unprotected\":2,"
                           "\"owners_found\":4,\"owners_unknown\":5,\"exported\":6,\"export_lost\":7,"
                           "\"packets\":0,");
    has(line_n(o.text, n), "\"guard_syns\":100,\"guard_opened\":101,");
    assert_int_equal(number(line_n(o.text, n), "\"guard_cookie_no_listener\":"), 100 + SW_T_COOKIE_NO_LISTENER);
    /* the slot of no reason is not in the sum */
    assert_int_equal(number(line_n(o.text, n), "\"guard_dropped\":"), (1ull << SW_DROP_MAX) - 2);
    assert_int_equal(number(line_n(o.text, n), "\"guard_drop_fin\":"), 1ull << SW_DROP_FIN);
    has(line_n(o.text, n + 1), "\"lost\":6,\"lost_opening\":1,\"lost_established\":2,\"lost_half_closed\":3,");
    has(line_n(o.text, n + 1), "\"lost_guard\":0}");
    out_close(&o);
}

/* In each line; what is not valid as one is refused. */
static void test_labels(void **state)
{
    struct sw_labels labels = {0};
    struct sw_report_opts opts = live;
    struct sw_report_stats stats = {.flows = 1};
    __u64 lost[SW_LOSSES] = {1};
    char why[SW_LABELS_WHY], *text;
    struct out o;
    int n;

    (void)state;
    assert_int_equal(sw_labels_add(&labels, "dc=fra \"1\"", why), 0);
    assert_int_equal(sw_labels_add(&labels, "host=\n", why), 0);
    opts.labels = &labels;
    opts.host = "\"h\"";
    out_open(&o, opts);
    n = add_every_name(&o);
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    valid(take(&o), n + 2);
    for (int i = 0; i < n + 2; i++)
        has(line_n(o.text, i),
            "\",\"labels\":{\"dc\":\"fra \\\"1\\\"\",\"host\":\"\\n\"},\"host\":\"\\\"h\\\"\",\"iface\":");
    text = changed(line_n(o.text, 0), "\"host\":\"\\n\"}", "\"host\":1}");
    none_valid(text, strlen(text) + 1, 1);
    free(text);
    text = changed(line_n(o.text, 0), ",\"labels\"", ",\"sample\":1,\"labels\"");
    none_valid(text, strlen(text) + 1, 1);
    free(text);
    out_close(&o);
}

static bool says(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at && at < line + strcspn(line, "\n");
}

/* With a key file alone there are keys, all four of them. */
static void test_keys(void **state)
{
    struct sw_report_stats stats = {0};
    char *text;
    struct out o;

    (void)state;
    out_open(&o, live);
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    stats.keys = (struct sw_key_state){.given = true, .now = 0x00abcdef};
    assert_int_equal(sw_report_stats(o.r, &stats, 6), 0);
    stats.keys = (struct sw_key_state){.given = true,
                                       .now = 0x8b4e1440,
                                       .from = 1764360013000000123ull,
                                       .next = true,
                                       .next_key = 1,
                                       .next_from = 1764363600999999999ull};
    assert_int_equal(sw_report_stats(o.r, &stats, 7), 0);
    valid(take(&o), 3);
    assert_false(says(line_n(o.text, 0), "guard_key"));
    has(line_n(o.text, 1), ",\"guard_key\":\"00abcdef\",\"guard_key_from\":null,\"guard_key_next\":null,"
                           "\"guard_key_next_from\":null}");
    has(line_n(o.text, 2),
        ",\"guard_key\":\"8b4e1440\",\"guard_key_from\":\"2025-11-28T20:00:13.000000123Z\","
        "\"guard_key_next\":\"00000001\",\"guard_key_next_from\":\"2025-11-28T21:00:00.999999999Z\"}");
    text = changed(line_n(o.text, 1), ",\"guard_key_next\":null", "");
    none_valid(text, strlen(text) + 1, 1);
    free(text);
    out_close(&o);
}

/* Of ends that are this host's alone, by the key's endpoints, whoever began. */
static void test_owner(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    opts.full_events = false;
    assert_int_equal(sw_owners_new(SW_OWNER_SOCKET, 0, false, &opts.owners), 0);
    out_open(&o, opts);
    ev.flow.owner[0] = (struct sw_owner){.cookie = 662428, .cgroup = ~0ull};
    ev.flow.owner[1] = (struct sw_owner){.cookie = ~0ull}; /* SW_OWNER_REQUEST is none of it */
    add(&o, &ev);                                          /* neither has sent */
    ev.flow.local = SW_LOCAL_A;
    add(&o, &ev);
    ev.flow.local = SW_LOCAL_B;
    add(&o, &ev);
    ev.flow.orig_is_b = 1;
    add(&o, &ev);
    ev.flow.local = SW_LOCAL_A | SW_LOCAL_B;
    ev.flow.owner[0].cookie = 0;
    add(&o, &ev);
    ev.kind = SW_EV_ESTABLISHED;
    add(&o, &ev);
    valid(take(&o), 6);
    assert_false(says(line_n(o.text, 0), "_cookie\""));
    has(line_n(o.text, 1), ",\"orig_socket_cookie\":662428,\"orig_cgroup\":null}");
    assert_false(says(line_n(o.text, 1), "resp_socket"));
    has(line_n(o.text, 2), ",\"resp_socket_cookie\":9223372036854775807,\"resp_cgroup\":null}");
    has(line_n(o.text, 3), ",\"orig_socket_cookie\":9223372036854775807,\"orig_cgroup\":null}");
    has(line_n(o.text, 4), ",\"orig_socket_cookie\":9223372036854775807,\"orig_cgroup\":null,"
                           "\"resp_socket_cookie\":null,\"resp_cgroup\":null}");
    assert_false(says(line_n(o.text, 5), "_cookie\"")); /* without processes it can wait for conn */
    out_close(&o);
    sw_owners_free(opts.owners);
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
        {SW_EV_CONN, "{\"schema\":3", "{\"schema\":2"},
        {SW_EV_CONN, "{\"schema\":3", "{\"schema\":1"},
        {SW_EV_CONN, "{\"schema\":3", "{\"extra\":1,\"schema\":3"},
        {SW_EV_CONN, "{\"schema\":3", "{\"anomaly\":\"syn_fin\",\"schema\":3"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":0"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":NaN"},
        {SW_EV_CONN, "\"seq\":1", "\"seq\":1,\"seq\":1"},
        {SW_EV_CONN, "\"event\":\"conn\"", "\"event\":\"unknown\""},
        {SW_EV_CONN, "\"event\":\"conn\"", "\"event\":\"opening\""},
        {SW_EV_CONN, "\"reason\":\"fin\"", "\"reason\":null"},
        {SW_EV_CONN, "\"orig_pkts\":5,", ""},
        {SW_EV_CONN, "\"orig_mss\":1460", "\"orig_mss\":\"1460\""},
        {SW_EV_CONN, "\"orig_isn\":4294967290", "\"orig_isn\":null"},
        {SW_EV_CONN, "\"orig_ecn\":\"none\"", "\"orig_ecn\":null"},
        {SW_EV_CONN, "\"vlan\":null,", ""},
        {SW_EV_CONN, "\"community_id\":", "\"community\":"},
        {SW_EV_CONN, "\"ip_version\":4", "\"ip_version\":5"},
        {SW_EV_CONN, "\"conn_state\":\"SF\"", "\"conn_state\":\"S9\""},
        {SW_EV_CONN, "\"history\":\"Sh", "\"history\":\"Sx"},
        {SW_EV_CONN, "}\n", "}"},
        {SW_EV_CONN, "}\n", "}}\n"},
        {SW_EV_ANOMALY, "\"by\":\"orig\",", ""},
        {SW_EV_RESET, "\"rst_by\":\"orig\"", "\"rst_by\":null"},
        {SW_EV_UPDATE, "{\"schema\":3", "{\"rst_by\":\"orig\",\"schema\":3"},
    };
    size_t len = 0;
    char *texts = NULL;
    FILE *all = open_memstream(&texts, &len);

    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_event ev = sample(rows[i].kind);
        struct out o;
        char *bad;

        ev.anomaly = SW_AN_SYN_FIN;
        out_open(&o, live);
        add(&o, &ev);
        if (i == 0)
            valid(take(&o), 1);
        bad = changed(take(&o), rows[i].from, rows[i].to);
        fwrite(bad, strlen(bad) + 1, 1, all);
        free(bad);
        out_close(&o);
    }
    fclose(all);
    none_valid(texts, len, sizeof(rows) / sizeof(rows[0]));
    free(texts);
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
    ev.flow.missed = 77;
    ev.flow.end[SW_ORIG].state = SW_ST_TIME_WAIT;
    out_open(&o, live);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    add(&o, &ev);
    line = take(&o);
    has(line, "{\"schema\":3,\"seq\":1,\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"conn\","
              "\"host\":\"host.example\",\"iface\":\"eth0\",\"hook\":\"xdp_ingress\",\"uid\":\"C");
    has(line, "\"proto\":\"tcp\",\"ip_version\":4,\"orig_ip\":\"10.0.0.1\",\"orig_port\":40000,\"resp_ip\":\"10.0.0."
              "2\",\"resp_port\":80,");
    has(line, "\"vlan\":[100,200],");
    has(line, "\"orig_state\":\"TIME_WAIT\",\"resp_state\":\"CLOSED\",\"conn_state\":\"SF\","
              "\"history\":\"ShADadFf\",\"history_full\":false,\"reason\":\"fin\",\"closed_by\":\"orig\",");
    has(line, "\"handshake_ns\":344,\"server_ns\":300,\"client_ns\":44,");
    has(line, "\"orig_isn\":4294967290,\"orig_mss\":1460,\"orig_wscale\":7,\"orig_sack\":true,\"orig_ts\":true,"
              "\"orig_ecn\":\"none\",\"orig_tfo\":\"none\",\"orig_mptcp\":false,\"orig_syn_bytes\":0,");
    has(line, "\"resp_payload_bytes\":241,\"resp_ip_bytes\":501,\"resp_rexmit\":");
    has(line,
        ",\"missed_bytes\":77,\"start\":\"2023-11-14T22:13:20.118456789Z\",\"end\":\"2023-11-14T22:13:20.123456789Z\","
        "\"duration_ns\":5000000}");
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
    has(line, "\"vlan\":null,");
    has(line, "\"reason\":null,\"closed_by\":null,");
    has_not(line, "\"rst_by\"");
    out_close(&o);
}

/* Each key of `line` is in `all` with the same value. Returns how many. */
static int keys_in(const char *line, const char *all)
{
    const char *end = strchr(line, '}');
    int n = 0;

    for (const char *p = strstr(line, "\"event\":"); p < end; n++) {
        const char *next = strstr(p + 1, ",\"");
        size_t len = (next && next < end ? next : end) - p;
        char piece[256];

        assert_in_range(len, 3, sizeof(piece) - 1);
        memcpy(piece, p, len);
        piece[len] = 0;
        has(all, piece);
        p += len + 1;
    }
    return n;
}

/* Without --full-events a line has what is new with its event; the values are those of the full line. */
static void test_brief_lines(void **state)
{
    static const size_t most[SW_EV_MAX] = {[SW_EV_OPENING] = 400, [SW_EV_ESTABLISHED] = 500, [SW_EV_HALF_CLOSED] = 450,
                                           [SW_EV_CLOSED] = 450,  [SW_EV_RESET] = 450,       [SW_EV_REFUSED] = 450};
    struct sw_report_opts opts = live;
    struct out brief, full;
    int sum = 0;

    (void)state;
    opts.full_events = false;
    out_open(&brief, opts);
    out_open(&full, live);
    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        struct sw_event ev = sample(kind);

        ev.anomaly = SW_AN_ACK_BAD;
        ev.flow.closed_by = 1;
        ev.flow.end[SW_ORIG].pkts = ev.flow.end[SW_RESP].pkts = 12345;
        ev.flow.end[SW_ORIG].payload = ev.flow.end[SW_RESP].payload = 123456789;
        for (int side = 0; side < 2; side++)
            ev.flow.end[side].seq_hi = ev.flow.end[side].isn + 1 + 123456789;
        for (int i = 0; i < 4; i++)
            ev.key.a_ip[12 + i] = ev.key.b_ip[12 + i] = 255; /* as long as they can be */
        for (int side = 0; side < 2; side++)
            ev.flow.end[side].state = kind == SW_EV_OPENING ? SW_ST_SYN_SENT : SW_ST_ESTABLISHED;
        ev.flow.synack_ns = ev.flow.syn_ns + 12345678;
        ev.flow.est_ns = ev.flow.synack_ns + 12345678;
        assert_int_equal(sw_report_set_iface(brief.r, 3, "eth0"), 0);
        assert_int_equal(sw_report_set_iface(full.r, 3, "eth0"), 0);
        add(&brief, &ev);
        add(&full, &ev);
    }
    valid(take(&brief), SW_EV_MAX);
    valid(take(&full), SW_EV_MAX);
    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        const char *line = line_n(brief.text, kind), *all = line_n(full.text, kind);
        size_t len = strcspn(line, "\n");

        sum += keys_in(line, all);
        assert_true(!memmem(line, len, "\"hook\"", 6) || kind == SW_EV_CONN || kind == SW_EV_ANOMALY);
        if (kind == SW_EV_CONN)
            assert_int_equal(len, strcspn(all, "\n"));
        else
            assert_true(len < strcspn(all, "\n") / 2);
        if (most[kind] && len > most[kind])
            fail_msg("%zu bytes, more than %zu: %.*s", len, most[kind], (int)len, line);
    }
    assert_true(sum > SW_EV_MAX * 15);
    has(line_n(brief.text, SW_EV_ESTABLISHED),
        "\"handshake_ns\":24691356,\"server_ns\":12345678,\"client_ns\":12345678,");
    has_not(line_n(brief.text, SW_EV_OPENING), "community_id");
    out_close(&brief);
    out_close(&full);
}

/* A `conn` record with a ladder of n segments, all as long as they can be. */
static struct sw_conn_event laddered(__u32 n)
{
    struct sw_conn_event c = {.event = sample(SW_EV_CONN)};
    const __u64 start = c.event.flow.start_ns;

    c.event.size = sizeof(c);
    c.ladder = (struct sw_ladder){.start_ns = start, .next = n + 3, .kept = n, .lost = 5};
    for (__u32 i = 0; i < SW_LADDER; i++)
        c.ladder.seg[(3 + i) % SW_LADDER] = (struct sw_ladder_seg){.ns = start + 1000 * i,
                                                                   .seq = ~0u - i,
                                                                   .ack = ~0u,
                                                                   .len = ~0u,
                                                                   .flags = 0x1ff,
                                                                   .src_is_b = i & 1,
                                                                   .states = SW_ST_SYN_SENT | SW_ST_LISTEN << 4};
    return c;
}

static void test_ladder(void **state)
{
    struct sw_conn_event c = laddered(SW_LADDER);
    struct out o;

    (void)state;
    out_open(&o, live);
    add(&o, &c.event);
    c.ladder.lost = SW_LADDER_UNKNOWN;
    c.event.flow.orig_is_b = 1;
    add(&o, &c.event);
    c = laddered(0);
    add(&o, &c.event);
    c = laddered(2);
    c.ladder.seg[3].flags = SW_TCP_SYN;
    c.ladder.seg[3].ns = 0; /* before it began: no negative time */
    c.ladder.seg[4].flags = 0;
    c.ladder.seg[4].states = 0xff; /* no state */
    add(&o, &c.event);
    valid(take(&o), 4);
    has(o.text,
        ",\"ladder\":[{\"ns\":0,\"from\":\"orig\",\"flags\":\"SYN,FIN,RST,PSH,ACK,URG,ECE,CWR,AE\",\"seq\":4294967295,"
        "\"ack\":4294967295,\"len\":4294967295,\"orig_state\":\"SYN_SENT\",\"resp_state\":\"LISTEN\"},{\"ns\":1000,"
        "\"from\":"
        "\"resp\",\"flags\":\"SYN,FIN");
    has(o.text, "\"seq\":4294967280,\"ack\":4294967295,\"len\":4294967295,\"orig_state\":\"SYN_SENT\",\"resp_state\":"
                "\"LISTEN\"}],"
                "\"ladder_more\":5}");
    has(line_n(o.text, 1), ",\"ladder\":[{\"ns\":0,\"from\":\"resp\",");
    has(line_n(o.text, 1), "\"orig_state\":\"LISTEN\",\"resp_state\":\"SYN_SENT\"}],\"ladder_more\":null}");
    has(line_n(o.text, 2), ",\"ladder\":[],\"ladder_more\":5}");
    has(line_n(o.text, 3),
        ",\"ladder\":[{\"ns\":0,\"from\":\"orig\",\"flags\":\"SYN\",\"seq\":4294967295,\"ack\":null,");
    has(line_n(o.text, 3), "{\"ns\":1000,\"from\":\"resp\",\"flags\":\"none\",");
    out_close(&o);
}

/* Only of `conn`, and only if the size says so. */
static void test_ladder_of_others(void **state)
{
    struct sw_conn_event c = laddered(1);
    struct out o;

    (void)state;
    out_open(&o, live);
    c.event.kind = SW_EV_CLOSED;
    assert_int_equal(sw_report_event(o.r, &c.event), -EINVAL);
    c.event.kind = SW_EV_CONN;
    c.event.size--;
    assert_int_equal(sw_report_event(o.r, &c.event), -EINVAL);
    c.event.size = sizeof(c.event);
    add(&o, &c.event);
    has_not(take(&o), "ladder");
    valid(o.text, 1);
    out_close(&o);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_is_valid),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_replay_lines_are_valid),
        cmocka_unit_test(test_schema_rejects),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_not_seen),
        cmocka_unit_test(test_brief_lines),
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_ladder_of_others),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_odd_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
