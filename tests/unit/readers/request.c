/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes over the socket before the lines: there and back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "readers/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST "synward-events 1\n"

static void test_there_and_back(void **state)
{
    static struct sw_request a, b;
    static char text[SW_REQUEST_MAX];
    char why[SW_REQUEST_WHY];
    int len;

    (void)state;
    a.format = SW_FORMAT_TEXT;
    a.color = a.wide = a.utc = true;
    a.event_mask = 1u << SW_EV_CONN | 1u << SW_LINE_LOSS | 1u << SW_LINE_SERVICE;
    assert_int_equal(sw_filter_add(&a.filter.rules, SW_FL_PORT, "22,443,8000-8100", why, sizeof(why)), 0);
    assert_int_equal(sw_filter_add(&a.filter.rules, SW_FL_NOT_SRC, "10.0.0.0/8,2001:db8::/32", why, sizeof(why)), 0);
    assert_int_equal(sw_filter_add_uids(&a.filter, "C12345678901234567", why, sizeof(why)), 0);
    a.filter.states = 1u << SW_ST_ESTABLISHED | 1u << (SW_ST_MAX + 1);
    a.filter.outcomes = 1u << SW_WHY_NONE | 1u << (SW_WHY_MAX - 1);
    a.filter.min_bytes = 1000;
    a.sample = 10;
    assert_int_equal(sw_filter_add_pids(&a.filter, "1,4711", why, sizeof(why)), 0);
    assert_int_equal(sw_filter_set_pattern(a.filter.cgroup, "/a b/*  c", why, sizeof(why)), 0);
    assert_int_equal(sw_filter_set_pattern(a.filter.comm, "\xff?", why, sizeof(why)), 0);
    a.filter.min_handshake_ns = ~0ull;
    len = sw_request_print(&a, text, sizeof(text));
    assert_true(len > 0);
    assert_int_equal(sw_request_whole(text, len), len);
    assert_int_equal(sw_request_whole(text, len - 1), 0);
    assert_int_equal(sw_request_parse(text, len, &b, why), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(sw_request_print(&a, text, 100), -E2BIG);
}

/* Zeek's rows are of connections: what else is asked for would make no line, but losses are said. */
static void test_formats(void **state)
{
    static const struct {
        const char *text;
        enum sw_format format;
        __u32 mask;
    } rows[] = {
        {"json", SW_FORMAT_JSON, (1u << SW_LINE_MAX) - 1},
        {"text", SW_FORMAT_TEXT, (1u << SW_LINE_MAX) - 1},
        {"color", SW_FORMAT_TEXT, (1u << SW_LINE_MAX) - 1},
        {"zeek", SW_FORMAT_ZEEK, 1u << SW_EV_CONN | 1u << SW_LINE_LOSS},
        {"ecs", SW_FORMAT_ECS, (1u << SW_LINE_MAX) - 1},
    };
    static struct sw_request r;
    static char text[SW_REQUEST_MAX], again[SW_REQUEST_MAX];
    char why[SW_REQUEST_WHY], line[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), FIRST "format %s\n\n", rows[i].text);
        assert_int_equal(sw_request_parse(text, strlen(text), &r, why), 0);
        assert_int_equal(r.format, rows[i].format);
        assert_int_equal(r.event_mask, rows[i].mask);
        assert_true(sw_request_print(&r, again, sizeof(again)) > 0);
        snprintf(line, sizeof(line), FIRST "format %s\n", rows[i].text);
        assert_int_equal(strncmp(again, line, strlen(line)), 0);
    }
}

static void test_defaults(void **state)
{
    static struct sw_request r;
    char text[] = FIRST "\n", why[SW_REQUEST_WHY];

    (void)state;
    assert_int_equal(sw_request_parse(text, strlen(text), &r, why), 0);
    assert_int_equal(r.format, SW_FORMAT_JSON);
    assert_int_equal(r.event_mask, (1u << SW_LINE_MAX) - 1);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "\n\n",
        "GET / HTTP/1.0\n\n",
        "synward-events 2\n\n",
        FIRST "format xml\n\n",
        FIRST "events conn,nonsense\n\n",
        FIRST "port\n\n",
        FIRST "port 0-65535,1\n\n",
        FIRST "port 70000\n\n",
        FIRST "port 5-4\n\n",
        FIRST "port 1\nport 2\n\n",
        FIRST "net 10.0.0.1/8\n\n",
        FIRST "uid C1\n\n",
        FIRST "pid 0\n\n",
        FIRST "pid 1,x\n\n",
        FIRST "cgroup \n\n",
        FIRST "comm a\x01\n\n",
        FIRST "min-bytes -1\n\n",
        FIRST "min-bytes 99999999999999999999\n\n",
        FIRST "\x01\x7f\xff 1\n\n",
        FIRST "state SYN\n\n",
        FIRST "sample 0\n\n",
        FIRST "sample 1000000001\n\n",
        FIRST "sample 2x\n\n",
    };
    static struct sw_request r;
    char why[SW_REQUEST_WHY], *text;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text = strdup(bad[i]);
        memset(why, 0, sizeof(why));
        if (sw_request_parse(text, strlen(text), &r, why) != -EINVAL || !*why)
            fail_msg("taken: %s", bad[i]);
        for (const char *p = why; *p; p++)
            assert_true(*p >= 0x20 && *p < 0x7f);
        free(text);
    }
}

static void test_hello(void **state)
{
    struct sw_hello a = {.pid = 77, .netns = 4026531840, .event_mask = 5, .version = "0.1.0", .pin = "eth0"}, b;
    char text[SW_HELLO_MAX + 100];
    int len;

    (void)state;
    for (int i = 0; i < SW_IFACES_MAX; i++)
        snprintf(a.ifaces[a.ifaces_len++], IF_NAMESIZE, "eth,0123456.%03d", i);
    len = sw_hello_print(&a, text);
    assert_true(len > 0);
    memcpy(text + len - 1, "later 1\n\n", 10); /* from a later version */
    len += 8;
    assert_int_equal(sw_request_whole(text, len), len);
    assert_int_equal(sw_hello_parse(text, len, &b), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    strcpy(text, "error not allowed\n");
    assert_int_equal(sw_hello_parse(text, strlen(text), &b), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_formats), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_hello),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
