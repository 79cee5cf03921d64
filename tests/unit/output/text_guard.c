/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's lines for people, and what other lines say of it. */
#include "guard_lines.h"
#include "output/figures.h"

static void test_wide(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_guard_event guard = emitted_guard(), drop = emitted_drop();
    struct sw_report_service s = service();
    struct sw_report_stats stats = {.services = 4, .services_active = 1};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 2, [SW_LOSS_GUARD] = 3};
    struct out o;
    const char *line;

    (void)state;
    opts.format = SW_FORMAT_TEXT;
    opts.wide = true;
    setenv("TZ", "UTC0", 1);
    tzset();
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    emit(&o, &guard);
    guard.ifindex = 0;
    guard.dry_run = 1;
    guard.in_state_ns = 0; /* it was in no other state before */
    emit(&o, &guard);
    emit(&o, &drop);
    assert_int_equal(sw_report_service(o.r, &s, 3000001000), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    stats.guard = s.tally;
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    s.service.mode = SW_GM_MONITOR;
    assert_int_equal(sw_report_service(o.r, &s, 3000001000), 0);
    take(&o);
    assert_null(strchr(o.text, 27));
    line = line_n(o.text, 1); /* after the heading */
    has(line, " eth0 guard 10.0.0.2:80 calm -> engaged by syn_rate after 12 s: half-open 901 (threshold 1024), "
              "SYNs 51234/s (threshold 4000/s), completed 17/s; mode auto, cookies by reqsk");
    has_not(line, "dry run");
    has(line_n(line, 1), "cookies by reqsk (dry run)");
    has(line_n(line, 1), "by syn_rate: half-open");
    has_not(line_n(line, 1), "eth0");
    has(line_n(line, 2),
        " eth0 drop  [2001:db8::1]:40000 -> 10.0.0.2:80 cookie_bad x4711: PSH,ACK seq 4294967295 ack 7 "
        "payload 12; service 10.0.0.2:80");
    has(line_n(line, 3), "# 1970-01-01"); /* these are of another day */
    has(line_n(line, 4), "service [2001:db8::1]:443 always, grace for 3 s, cookies by listener, MPTCP: half-open 3, "
                         "SYNs 100 (40/s), completed 39/s, cookies 104 sent 105 accepted, dropped 190: blocked 1 ");
    has(line_n(line, 5), "LOSS 5 events lost: conn 2 guard and drop 3");
    has(line_n(line, 6), "guard: 4 services, 1 active, cookies 104 sent 105 accepted, dropped 190");
    has(line_n(line, 7), ", would have dropped 190: ");
    assert_string_equal(line_n(line, 8), "");
    out_close(&o);
    opts.color = true;
    out_open(&o, opts);
    emit(&o, &drop);
    emit(&o, &guard);
    take(&o);
    has(line_n(o.text, 1), "\033[31mdrop \033[0m");
    has(line_n(o.text, 2), "\033[33mguard\033[0m");
    out_close(&o);
}

static void narrow(const struct sw_guard_event *t, const char *want)
{
    struct sw_report_opts opts = live;
    struct out o;

    opts.format = SW_FORMAT_TEXT;
    out_open(&o, opts);
    emit(&o, t);
    take(&o);
    o.text[strlen(o.text) - 1] = 0;
    assert_string_equal(line_n(o.text, 1), want);
    out_close(&o);
}

static void test_narrow(void **state)
{
    struct sw_guard_event t = emitted_guard();
    struct sw_report_opts opts = live;
    struct sw_report_service s = service();
    struct out o;

    (void)state;
    setenv("TZ", "UTC0", 1);
    tzset();
    narrow(&t, "22:13:20.123 guard       10.0.0.2:80  calm -> engaged by syn_rate: 51234/s");
    t.dry_run = 1;
    t.cause = SW_GW_HALF_OPEN;
    narrow(&t, "22:13:20.123 guard       10.0.0.2:80  calm -> engaged by half_open (dry run)");
    t.cause = SW_GW_BELOW_THRESHOLD;
    t.from = SW_GS_ENGAGED;
    t.to = SW_GS_GRACE;
    memcpy(t.svc_ip, "\x20\x01\x0d\xb8\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c", 16);
    narrow(&t, "22:13:20.123 guard    [2001:db8:~:90a:b0c]:80 grace by below_threshold (dry run)");
    t = emitted_drop();
    narrow(&t, "22:13:20.123 drop        [2001:db8::1]:40000 -> 10.0.0.2:80  cookie_bad x4711");
    t.count = 12345678;
    t.dry_run = 1;
    memcpy(t.src_ip, t.svc_ip, 16);
    narrow(&t, "22:13:20.123 drop        10.0.0.2:40000 -> 10.0.0.2:80  dry x12M cookie_bad");
    opts.format = SW_FORMAT_TEXT;
    out_open(&o, opts);
    assert_int_equal(sw_report_service(o.r, &s, 3000001000), 0);
    s.service.mode = SW_GM_MONITOR;
    s.service.state = SW_GS_CALM;
    s.tally.item[SW_T_COOKIES_SENT] = 0;
    assert_int_equal(sw_report_service(o.r, &s, 3000001000), 0);
    has(line_n(take(&o), 1), "00:00:03.000 service     [2001:db8::1]:443  always, grace for 3 s, dropped 190");
    has(line_n(o.text, 2), "00:00:03.000 service     [2001:db8::1]:443  monitor, calm, would drop 190");
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_narrow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
