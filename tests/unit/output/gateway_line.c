/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lines of a gateway that translates, in each format: right values, valid by the schemas, every name. */
#include "guard_lines.h"
#include "output/names.h"

static struct sw_report_opts format(enum sw_format format)
{
    struct sw_report_opts opts = live;

    opts.format = format;
    setenv("TZ", "UTC0", 1);
    tzset();
    return opts;
}

static void begin(struct out *o, const struct sw_report_opts *opts)
{
    out_open(o, *opts);
    assert_int_equal(sw_report_set_iface(o->r, 3, "eth0"), 0);
}

static void test_values(void **state)
{
    struct sw_guard_event t = emitted_gateway(), rest = gateway_rest(SW_GC_EARLY), changed = t;
    struct out o;

    (void)state;
    begin(&o, &live);
    emit(&o, &t);
    emit(&o, &rest);
    changed.reason = SW_GC_CHANGED;
    emit(&o, &changed);
    changed.grants = SW_BE_SACK | SW_BE_ECN;
    emit(&o, &changed);
    rest.reason = SW_GC_CHANGED; /* of none: nothing is known of it */
    emit(&o, &rest);
    take(&o);
    has(o.text,
        "{\"schema\":3,\"seq\":1,\"ts\":\"2023-11-14T22:13:20.123456789Z\",\"event\":\"gateway\","
        "\"host\":\"host.example\",\"iface\":\"eth0\",\"hook\":\"tc_egress\",\"what\":\"refused\",\"count\":3,"
        "\"orig_ip\":\"10.0.0.1\",\"orig_port\":40000,\"resp_ip\":\"10.0.0.2\",\"resp_port\":80,\"connections\":12}\n");
    has(line_n(o.text, 1), "\"seq\":2,");
    has(line_n(o.text, 1), "\"iface\":null,\"hook\":\"sweep\",\"what\":\"early\",\"count\":3,\"orig_ip\":null,"
                           "\"orig_port\":null,\"resp_ip\":null,\"resp_port\":null,\"connections\":12}\n");
    has(line_n(o.text, 2), "\"what\":\"changed\",");
    has(line_n(o.text, 2), "\"connections\":12,\"mss\":1460,\"wscale\":9,\"timestamps\":true,\"sack\":false,"
                           "\"ecn\":false}\n");
    has(line_n(o.text, 3), ",\"wscale\":null,\"timestamps\":false,\"sack\":true,\"ecn\":true}\n");
    has_not(line_n(o.text, 4), "mss");
    valid(o.text, 5);
    out_close(&o);
}

/* Each that has lines, in each format; those that have none are no names of the schema. */
static void test_every_name(void **state)
{
    char output[4096], want[64];
    int lines = 0;
    struct out o;

    (void)state;
    for (enum sw_format f = SW_FORMAT_JSON; f <= SW_FORMAT_ECS; f++) {
        const struct sw_report_opts opts = format(f);

        begin(&o, &opts);
        lines = 0;
        for (unsigned what = 0; what < SW_GC_MAX; what++) {
            struct sw_guard_event t = emitted_gateway(), rest = gateway_rest(what);

            if (!SW_GATEWAY_REPORTS(what))
                continue;
            t.reason = (__u8)what;
            t.hook = what % 2 ? SW_HOOK_TC_EGRESS : SW_HOOK_XDP_INGRESS;
            emit(&o, &t);
            emit(&o, &rest);
            lines += 2;
        }
        take(&o);
        if (f == SW_FORMAT_JSON)
            valid(o.text, lines);
        if (f == SW_FORMAT_ZEEK)
            assert_string_equal(o.text, "");
        else
            assert_null(strstr(o.text, "unknown"));
        snprintf(want, sizeof(want), "%d lines valid\n", lines);
        if (f == SW_FORMAT_ECS &&
            (schema_check("--ecs", o.text, strlen(o.text), output, sizeof(output)) || strcmp(output, want)))
            fail_msg("%s", output);
        out_close(&o);
    }
    assert_int_equal(lines, 2 * (SW_GC_MAX - 3));
}

static void test_ecs(void **state)
{
    const struct sw_report_opts opts = format(SW_FORMAT_ECS);
    struct sw_guard_event t = emitted_gateway(), rest = gateway_rest(SW_GC_DRAINING);
    struct out o;

    (void)state;
    begin(&o, &opts);
    emit(&o, &t);
    emit(&o, &rest);
    take(&o);
    has(o.text, "\"action\":\"gateway\",\"module\":\"synward\",\"dataset\":\"synward.guard\",\"reason\":\"refused\"}");
    has(o.text, "\"source\":{\"ip\":\"10.0.0.1\",\"port\":40000},\"destination\":{\"ip\":\"10.0.0.2\",\"port\":80}");
    has(o.text, "\"hook\":\"tc_egress\",\"what\":\"refused\",\"count\":3,");
    has_not(line_n(o.text, 1), "\"source\"");
    has_not(line_n(o.text, 1), "\"network\":{");
    out_close(&o);
}

static void narrow(const struct sw_guard_event *t, const char *want)
{
    const struct sw_report_opts opts = format(SW_FORMAT_TEXT);
    struct out o;

    begin(&o, &opts);
    emit(&o, t);
    take(&o);
    o.text[strlen(o.text) - 1] = 0;
    assert_string_equal(line_n(o.text, 1), want);
    out_close(&o);
}

static void test_text(void **state)
{
    struct sw_report_opts opts = format(SW_FORMAT_TEXT);
    struct sw_guard_event t = emitted_gateway(), rest = gateway_rest(SW_GC_DRAINING);
    struct out o;

    (void)state;
    narrow(&t, "22:13:20.123 gateway     10.0.0.1:40000 -> 10.0.0.2:80  refused x3");
    narrow(&rest, "22:13:20.123 gateway     draining x3; 12 connections");
    memcpy(t.src_ip, "\x20\x01\x0d\xb8\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c", 16);
    memcpy(t.dst_ip, t.src_ip, 16);
    t.reason = SW_GC_ANSWERED_AGAIN;
    t.count = 12345678;
    narrow(&t, "22:13:20.123 gateway [2001:~:b0c]:40000 -> [2001:~:90a:b0c]:80 x12M answered_ag~");
    opts.wide = true;
    begin(&o, &opts);
    t = emitted_gateway();
    t.reason = SW_GC_CHANGED;
    emit(&o, &t);
    emit(&o, &rest);
    take(&o);
    has(line_n(o.text, 1),
        " eth0 gateway 10.0.0.1:40000 -> 10.0.0.2:80 changed x3; 12 connections; now mss 1460 wscale 9 "
        "timestamps\n");
    has(line_n(o.text, 2), " gateway draining x3; 12 connections\n");
    out_close(&o);
}

/* The schema is closed for them. */
static void test_schema_rejects(void **state)
{
    static const char *const rows[][2] = {
        {"{\"schema\":3", "{\"extra\":1,\"schema\":3"},
        {"\"what\":\"changed\"", "\"what\":\"begun\""},
        {"\"what\":\"changed\"", "\"what\":\"refused\""},
        {"\"count\":3", "\"count\":0"},
        {"\"mss\":1460,", ""},
        {"\"sack\":false,", ""},
        {",\"connections\":12", ""},
        {"\"resp_ip\":\"10.0.0.2\"", "\"resp_ip\":\"x\""},
        {"\"event\":\"gateway\"", "\"event\":\"drop\""},
    };
    struct sw_guard_event t = emitted_gateway();
    size_t len = 0;
    char *texts = NULL;
    FILE *all = open_memstream(&texts, &len);

    (void)state;
    assert_non_null(all);
    t.reason = SW_GC_CHANGED;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct out o;
        char *bad;

        out_open(&o, live);
        emit(&o, &t);
        bad = changed(take(&o), rows[i][0], rows[i][1]);
        fwrite(bad, strlen(bad) + 1, 1, all);
        free(bad);
        out_close(&o);
    }
    fclose(all);
    none_valid(texts, len, sizeof(rows) / sizeof(rows[0]));
    free(texts);
}

/* Without them among --events there are none; what could not be written of them is lost with the guard's. */
static void test_unwanted(void **state)
{
    struct sw_guard_event t = emitted_gateway(), drop = emitted_drop();
    __u64 lost[SW_LOSSES] = {[SW_LOSS_GUARD] = 9};
    struct sw_report_opts opts = live;
    struct out o;

    (void)state;
    opts.event_mask = 1u << SW_LINE_DROP;
    out_open(&o, opts);
    emit(&o, &t);
    emit(&o, &drop);
    assert_int_equal(sw_report_lines(o.r), 1);
    out_close(&o);
    opts.event_mask = 1u << SW_LINE_GATEWAY | 1u << SW_LINE_LOSS;
    out_open(&o, opts);
    emit(&o, &drop);
    emit(&o, &t);
    assert_int_equal(sw_report_lines(o.r), 1);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    has(line_n(take(&o), 1), "\"lost\":9,");
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_every_name),     cmocka_unit_test(test_ecs),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_schema_rejects), cmocka_unit_test(test_unwanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
