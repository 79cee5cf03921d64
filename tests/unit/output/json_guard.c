/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's lines in JSON: right values, valid by the schema, within their room, numbered. */
#include "guard_lines.h"
#include "base/fmt.h"
#include "output/figures.h"
#include "output/json_guard.h"
#include "output/line.h"
#include "output/report.h"
#include "tcp/flow.h"

/* the longest text that an address has */
static const __u8 long_ip[16] = {0x20, 0x01, 0x1d, 0xb8, 0x11, 0x11, 0x22, 0x22,
                                 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66};

static void test_guard_values(void **state)
{
    struct sw_guard_event t = emitted_guard();
    struct out o;

    (void)state;
    out_open(&o, live);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    emit(&o, &t);
    t.any = SW_ANY_4 | SW_ANY_6;
    t.ifindex = 0;
    t.hook = SW_HOOK_SWEEP;
    t.dry_run = 1;
    emit(&o, &t);
    take(&o);
    has(o.text,
        "{\"schema\":3,\"seq\":1,\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"guard\","
        "\"host\":\"host.example\",\"iface\":\"eth0\",\"hook\":\"xdp_ingress\",\"service\":\"10.0.0.2:80\","
        "\"service_ip\":\"10.0.0.2\",\"service_port\":80,\"mode\":\"auto\",\"from\":\"calm\",\"to\":\"engaged\","
        "\"cause\":\"syn_rate\",\"backend\":\"reqsk\",\"dry_run\":false,\"half_open\":901,"
        "\"half_open_threshold\":1024,\"syn_rate\":51234,\"syn_rate_threshold\":4000,\"completed_rate\":17,\"kernel_"
        "half_open\":950,"
        "\"in_state_ns\":12000000000,\"recent_drops\":null,\"recent_drop_samples\":null,"
        "\"recent_service_drops\":null,\"recent_service_drop_samples\":null,"
        "\"recent_drop_sources\":null,\"recent_drop_services\":null}\n");
    has(line_n(o.text, 1), "\"seq\":2,");
    has(line_n(o.text, 1), "\"iface\":null,\"hook\":\"sweep\",\"service\":\"*:80\",\"service_ip\":null,"
                           "\"service_port\":80,");
    has(line_n(o.text, 1), "\"dry_run\":true,");
    valid(o.text, 2);
    out_close(&o);
}

/* Where drops of late came from, whether they have lines of their own or not. */
static void test_guard_drops(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_guard_event t = emitted_guard(), drop = emitted_drop();
    struct out o;

    (void)state;
    opts.kinds = opts.event_mask = 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP;
    opts.event_mask = 1u << SW_LINE_GUARD;
    out_open(&o, opts);
    emit(&o, &t);
    emit(&o, &drop);
    memcpy(drop.src_ip, drop.dst_ip, 16);
    drop.count = 5;
    emit(&o, &drop);
    drop.count = 4;
    emit(&o, &drop);
    emit(&o, &t);
    take(&o);
    has(line_n(o.text, 0), ",\"recent_drops\":0,\"recent_drop_samples\":0,\"recent_service_drops\":0,"
                           "\"recent_service_drop_samples\":0,\"recent_drop_sources\":[],"
                           "\"recent_drop_services\":[]}\n");
    has(line_n(o.text, 1),
        ",\"recent_drops\":4720,\"recent_drop_samples\":3,\"recent_service_drops\":4720,"
        "\"recent_service_drop_samples\":3,\"recent_drop_sources\":["
        "{\"net\":\"10.0.0.0/24\",\"samples_at_least\":2,\"samples_at_most\":2},"
        "{\"net\":\"2001:db8::/64\",\"samples_at_least\":1,\"samples_at_most\":1}],"
        "\"recent_drop_services\":[{\"service\":\"10.0.0.2:80\",\"samples_at_least\":3,\"samples_at_most\":3}]}\n");
    valid(o.text, 2);
    out_close(&o);
}

static void test_drop_values(void **state)
{
    struct sw_guard_event t = emitted_drop();
    struct out o;

    (void)state;
    out_open(&o, live);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    emit(&o, &t);
    t.vlan[0] = 100;
    t.vlan[1] = 200;
    t.service = 0;
    t.flags = 0;
    t.dry_run = 1;
    emit(&o, &t);
    take(&o);
    has(o.text, "\"event\":\"drop\",\"host\":\"host.example\",\"iface\":\"eth0\",\"hook\":\"xdp_ingress\","
                "\"service\":\"10.0.0.2:80\",\"dry_run\":false,\"reason\":\"cookie_bad\",\"count\":4711,"
                "\"src_ip\":\"2001:db8::1\",\"src_port\":40000,\"dst_ip\":\"10.0.0.2\",\"dst_port\":80,"
                "\"vlan\":null,\"tcp_flags\":\"PSH,ACK\",\"tcp_seq\":4294967295,\"tcp_ack\":7,\"payload\":12}");
    has(line_n(o.text, 1), "\"service\":null,\"dry_run\":true,");
    has(line_n(o.text, 1), "\"dst_port\":80,\"vlan\":[100,200],\"tcp_flags\":\"none\",");
    valid(o.text, 2);
    out_close(&o);
}

static void test_service_values(void **state)
{
    struct sw_report_service s = service();
    struct out o;

    (void)state;
    out_open(&o, live);
    assert_int_equal(sw_report_service(o.r, &s, 1700000000123456789ULL), 0);
    s.final = true;
    s.service.since = 0;
    s.service.flags = SW_SV_NAMED | SW_SV_NO_LISTENER;
    assert_int_equal(sw_report_service(o.r, &s, 2000), 0);
    take(&o);
    has(o.text,
        "\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"service\",\"host\":\"host.example\","
        "\"iface\":null,\"hook\":null,\"final\":false,\"service\":\"[2001:db8::1]:443\","
        "\"service_ip\":\"2001:db8::1\",\"service_port\":443,\"mode\":\"always\",\"state\":\"grace\","
        "\"cause\":\"below_threshold\",\"state_ns\":1700000000123455789,\"backend\":\"listener\",\"named\":false,"
        "\"mptcp\":true,\"no_listener\":false,\"wscale\":7,\"half_open\":3,\"kernel_half_open\":4,\"syn_rate\":40,"
        "\"completed_rate\":39,"
        "\"syns\":100,\"opened\":101,\"resolved\":102,\"completed\":103,\"cookies_sent\":104,"
        "\"cookies_accepted\":105,\"cookies_replayed\":106,\"probes_sent\":107,\"resets_sent\":108,"
        "\"passed_known\":109,\"passed_allowed\":110,\"passed_backend\":111,\"passed_socket\":112,"
        "\"cookie_refused\":113,\"cookie_no_listener\":114,\"reopened\":115,\"kernel_cookies\":116,"
        "\"over_limit\":117,\"reset_undone\":118,\"stray_acks\":119,\"time_waits_ended\":120,\"dropped\":190,"
        "\"drop_blocked\":1,\"drop_rate_source\":2,\"drop_rate_prefix\":3,\"drop_budget\":4,"
        "\"drop_bad_flags\":5,\"drop_fragment\":6,\"drop_ext_limit\":7,\"drop_bad_option\":8,"
        "\"drop_synack\":9,\"drop_rst\":10,\"drop_fin\":11,\"drop_null\":12,\"drop_xmas\":13,"
        "\"drop_no_ack\":14,\"drop_cookie_bad\":15,\"drop_cookie_expired\":16,\"drop_bad_source\":17,"
        "\"drop_rate_passed\":18,\"drop_reverse_path\":19}");
    has(line_n(o.text, 1), "\"final\":true,");
    has(line_n(o.text, 1), "\"state_ns\":null,");
    has(line_n(o.text, 1), "\"named\":true,\"mptcp\":false,\"no_listener\":true,");
    valid(o.text, 2);
    out_close(&o);
}

static void test_prefixes(void **state)
{
    struct sw_report_service s = service();
    struct out o;

    (void)state;
    out_open(&o, live);
    s.service.any = SW_NET + 48;
    assert_int_equal(sw_report_service(o.r, &s, 2000), 0);
    memcpy(s.service.ip, (const __u8[16])SW_V4_MAPPED, 12);
    memcpy(s.service.ip + 12, "\xcb\x00\x71\x00", 4);
    s.service.any = SW_NET + 96 + 24;
    assert_int_equal(sw_report_service(o.r, &s, 2000), 0);
    take(&o);
    has(o.text, "\"service\":\"[2001:db8::1]/48:443\",\"service_ip\":\"2001:db8::1/48\",\"service_port\":443,");
    has(line_n(o.text, 1), "\"service\":\"203.0.113.0/24:443\",\"service_ip\":\"203.0.113.0/24\",");
    valid(o.text, 2);
    out_close(&o);
}

/* Each name of each list, each set of flags, each kind of wildcard: valid, and none is "unknown". */
static void test_every_name(void **state)
{
    enum { LINES = 512 };
    struct out o;

    (void)state;
    out_open(&o, live);
    for (int i = 0; i < LINES; i++) {
        struct sw_guard_event t = i & 1 ? emitted_drop() : emitted_guard();
        struct sw_report_service s = service();

        t.hook = i / 2 % SW_HOOK_MAX;
        t.mode = s.service.mode = i / 2 % SW_GM_MAX;
        t.from = s.service.state = i / 2 % SW_GS_MAX;
        t.to = i / 3 % SW_GS_MAX;
        t.cause = s.service.cause = i / 2 % SW_GW_MAX;
        t.backend = s.service.backend = i / 2 % SW_BK_MAX;
        t.reason = 1 + i / 2 % (SW_DROP_MAX - 1);
        t.any = s.service.any = i % 3 ? i / 2 % 4 : SW_NET + 97 + i % 32;
        t.flags = i & 1 ? i | SW_TCP_FIN : 0;
        t.ifindex = i % 5;
        t.vlan[0] = i % 3 ? 0 : 4095;
        t.vlan[1] = i % 6 ? 0 : 7;
        t.service = i % 7;
        s.service.flags = i % 16;
        emit(&o, &t);
        assert_int_equal(sw_report_service(o.r, &s, i), 0);
    }
    assert_null(strstr(take(&o), "unknown"));
    valid(o.text, 2 * LINES);
    out_close(&o);
    /* the flags in full, in their order, and each alone */
    for (int bit = -1; bit < 9; bit++) {
        static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"};
        struct sw_guard_event t = emitted_drop();
        char want[80];

        t.flags = bit < 0 ? 0x1ff : 1 << bit;
        snprintf(want, sizeof(want), "\"tcp_flags\":\"%s\"",
                 bit < 0 ? "SYN,FIN,RST,PSH,ACK,URG,ECE,CWR,AE" : names[bit]);
        out_open(&o, live);
        emit(&o, &t);
        has(take(&o), want);
        out_close(&o);
    }
}

/* All numbers at their largest, with legal names: valid, and each kind within its room. With illegal ones: within it.
 */
static void test_extremes(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_report_service s, wild;
    struct sw_guard_event t[2], bad;
    static struct sw_lines lines;
    char *body = malloc(SW_SERVICE_ROOM), *end;
    size_t room, longest = 0;
    struct out o;

    (void)state;
    memset(&s, 0xff, sizeof(s));
    memset(&wild, 0xff, sizeof(wild));
    s.final = wild.final = true;
    memcpy(s.service.ip, long_ip, 16);
    s.service.any = 0;
    s.service.mode = SW_GM_MONITOR;
    s.service.state = SW_GS_ENGAGED;
    s.service.cause = SW_GW_NO_LISTENER;
    s.service.backend = SW_BK_LISTENER;
    s.service.since = 1;
    for (int i = 0; i < SW_DROP_MAX; i++) /* so that the sum is as long as its parts */
        s.tally.drop[i] = wild.tally.drop[i] = ~0ULL / SW_DROP_MAX;
    memset(&bad, 0xff, sizeof(bad));
    bad.version = SW_CONTRACT_VERSION;
    bad.size = sizeof(bad);
    for (int kind = 0; kind < 2; kind++) {
        t[kind] = bad;
        t[kind].kind = kind;
        t[kind].hook = SW_HOOK_XDP_INGRESS;
        t[kind].mode = SW_GM_MONITOR;
        memcpy(t[kind].svc_ip, long_ip, 16);
        memcpy(t[kind].src_ip, long_ip, 16);
        memcpy(t[kind].dst_ip, long_ip, 16);
        t[kind].any = 0;
        t[kind].reason = SW_DROP_COOKIE_EXPIRED;
        t[kind].from = t[kind].to = SW_GS_ENGAGED;
        t[kind].cause = SW_GW_NO_LISTENER;
        t[kind].backend = SW_BK_LISTENER;
        t[kind].vlan[0] = t[kind].vlan[1] = 4095;
    }
    end = sw_json_service_body(body, &s, ~0ULL);
    assert_true(end + sizeof(struct sw_name) <= body + SW_SERVICE_ROOM);
    print_message("longest service %zu, room %d\n", (size_t)(end - body), SW_SERVICE_ROOM);
    free(body);
    for (int format = SW_FORMAT_JSON; format <= SW_FORMAT_ECS; format++) {
        opts.format = format;
        opts.color = true;
        opts.clock_offset_ns = 1;
        out_open(&o, opts);
        assert_int_equal(sw_lines_init(&lines, &opts), 0);
        room = sw_lines_room(&lines);
        sw_lines_fini(&lines);
        assert_int_equal(sw_report_service(o.r, &s, ~0ULL), 0);
        emit(&o, &t[0]);
        emit(&o, &t[1]);
        if (format == SW_FORMAT_JSON)
            valid(take(&o), 3);
        assert_int_equal(sw_report_service(o.r, &wild, ~0ULL), 0);
        for (int kind = 0; kind < 2; kind++) {
            bad.kind = kind;
            emit(&o, &bad);
        }
        for (const char *line = take(&o); *line; line = line_n(line, 1))
            if (strcspn(line, "\n") > longest)
                longest = strcspn(line, "\n");
        out_close(&o);
    }
    print_message("longest line %zu, room %zu\n", longest, room);
    assert_true(longest + 1024 < room); /* pieces of text are made in room of 512 */
}

/* The schema is closed for these kinds too. */
static void test_schema_rejects(void **state)
{
    enum { GUARD, DROP, SERVICE };
    static const struct {
        int line;
        const char *from, *to;
    } rows[] = {
        {GUARD, "{\"schema\":3", "{\"schema\":1"},
        {GUARD, "{\"schema\":3", "{\"extra\":1,\"schema\":3"},
        {GUARD, "{\"schema\":3", "{\"count\":1,\"schema\":3"},
        {GUARD, "\"event\":\"guard\"", "\"event\":\"drop\""},
        {GUARD, "\"from\":\"calm\"", "\"from\":\"unknown\""},
        {GUARD, "\"backend\":\"reqsk\",", ""},
        {GUARD, "\"half_open\":901", "\"half_open\":-1"},
        {GUARD, "\"service_ip\":\"10.0.0.2\"", "\"service_ip\":null"},
        {GUARD, "\"service\":\"10.0.0.2:80\"", "\"service\":\"*:80\""},
        {GUARD, "\"service\":\"10.0.0.2:80\"", "\"service\":null"},
        {DROP, "\"reason\":\"cookie_bad\"", "\"reason\":\"none\""},
        {DROP, "\"count\":4711", "\"count\":0"},
        {DROP, "\"tcp_flags\":\"PSH,ACK\"", "\"tcp_flags\":\"ACK,PSH\""},
        {DROP, "\"tcp_flags\":\"PSH,ACK\"", "\"tcp_flags\":\",PSH\""},
        {DROP, "\"tcp_flags\":\"PSH,ACK\"", "\"tcp_flags\":\"\""},
        {DROP, "\"tcp_ack\":7", "\"tcp_ack\":4294967296"},
        {DROP, "\"dry_run\":false", "\"dry_run\":0"},
        {SERVICE, "\"syns\":100,", ""},
        {SERVICE, "\"drop_fin\":11,", ""},
        {SERVICE, "\"drop_fin\":11,", "\"drop_fin\":11,\"drop_none\":1,"},
        {SERVICE, "\"hook\":null", "\"hook\":\"sweep\""},
        {SERVICE, "\"service\":\"[2001:db8::1]:443\"", "\"service\":\"2001:db8::1:443\""},
    };
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    struct sw_report_service s = service();
    size_t len = 0;
    char *texts = NULL;
    FILE *all = open_memstream(&texts, &len);

    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct out o;
        char *bad;

        out_open(&o, live);
        if (rows[i].line == SERVICE)
            assert_int_equal(sw_report_service(o.r, &s, 1), 0);
        else
            emit(&o, rows[i].line == GUARD ? &guard : &drop);
        bad = changed(take(&o), rows[i].from, rows[i].to);
        fwrite(bad, strlen(bad) + 1, 1, all);
        free(bad);
        out_close(&o);
    }
    fclose(all);
    none_valid(texts, len, sizeof(rows) / sizeof(rows[0]));
    free(texts);
}

/* every byte there is, as host and as interface */
static void test_hostile_names(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    struct sw_report_service s = service();
    char name[256];
    struct out o;

    (void)state;
    for (int i = 0; i < 255; i++)
        name[i] = 255 - i;
    name[255] = 0;
    opts.host = name;
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, name), 0);
    emit(&o, &guard);
    emit(&o, &drop);
    assert_int_equal(sw_report_service(o.r, &s, 1), 0);
    valid(take(&o), 3);
    has(o.text, "\\u007f~}|");
    assert_int_equal(sw_report_set_iface(o.r, 3, "\"\n\x1b[31m"), 0);
    emit(&o, &drop);
    take(&o);
    has(line_n(o.text, 3), "\"iface\":\"\\\"\\n\\u001b[31m\",");
    out_close(&o);
}

static void test_foreign_and_unwanted(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    struct sw_report_service s = service();
    struct out o;

    (void)state;
    opts.event_mask = 1u << SW_LINE_DROP;
    out_open(&o, opts);
    emit(&o, &guard);
    assert_int_equal(sw_report_service(o.r, &s, 1), 0);
    assert_int_equal(sw_report_lines(o.r), 0);
    emit(&o, &drop);
    assert_int_equal(sw_report_lines(o.r), 1);
    drop.version++;
    assert_int_equal(sw_report_guard_event(o.r, &drop), -EINVAL);
    drop.version--;
    drop.size--;
    assert_int_equal(sw_report_guard_event(o.r, &drop), -EINVAL);
    drop.size++;
    drop.kind = SW_GUARD_EV_MAX;
    assert_int_equal(sw_report_guard_event(o.r, &drop), -EINVAL);
    assert_int_equal(sw_report_lines(o.r), 1);
    has(take(&o), "\"seq\":1,");
    out_close(&o);
}

/* Guard records that did not fit make a gap and are in the loss line, unless no kind is wanted. */
static void test_loss(void **state)
{
    static const struct {
        __u32 mask;
        __u64 gap;
    } rows[] = {
        {ALL_LINES, 9},
        {ALL_LINES & ~(1u << SW_LINE_GUARD), 9},
        {ALL_LINES & ~(1u << SW_LINE_DROP), 9},
        {ALL_LINES & ~(1u << SW_LINE_GUARD | 1u << SW_LINE_DROP), 9}, /* a gateway's */
        {ALL_LINES & ~SW_LINES_OF_GUARD, 0},
    };
    __u64 lost[SW_LOSSES] = {[SW_LOSS_GUARD] = 9};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_report_opts opts = live;
        struct sw_report_stats stats = {0};
        struct out o;

        opts.event_mask = rows[i].mask;
        out_open(&o, opts);
        assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
        assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
        take(&o);
        if (rows[i].gap) {
            has(o.text, "\"seq\":10,");
            has(o.text, "\"lost\":9,");
            has(o.text, "\"lost_guard\":9}");
            valid(o.text, 2);
        } else {
            has(o.text, "\"seq\":1,");
            has(o.text, "\"event\":\"stats\"");
        }
        out_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_values),  cmocka_unit_test(test_guard_drops),
        cmocka_unit_test(test_drop_values),   cmocka_unit_test(test_service_values),
        cmocka_unit_test(test_prefixes),      cmocka_unit_test(test_every_name),
        cmocka_unit_test(test_extremes),      cmocka_unit_test(test_schema_rejects),
        cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_foreign_and_unwanted),
        cmocka_unit_test(test_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
