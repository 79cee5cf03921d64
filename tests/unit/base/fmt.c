/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers, addresses, services and JSON escapes as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "to_ip.h"
#include "base/fmt.h"
#include "synward.h"

#include <stdio.h>
#include <stdlib.h>

static const __u8 v4[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};
static const __u8 v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
/* the longest text that an address has */
static const __u8 long_ip[16] = {0x20, 0x01, 0x1d, 0xb8, 0x11, 0x11, 0x22, 0x22,
                                 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66};

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

static void test_ip_text(void **state)
{
    /* the rules of RFC 5952 section 4, and their corners */
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.254.100.9", "255.254.100.9"},
        {"10.0.99.199", "10.0.99.199"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},   /* equal runs: the first */
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* one zero group stays */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* the longest run */
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"0:2:3:4:5:6:7:0", "0:2:3:4:5:6:7:0"},
        {"fe80::a00:27ff:fe4e:66a1", "fe80::a00:27ff:fe4e:66a1"},
        {"64:ff9b::102:304", "64:ff9b::102:304"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char buf[46];
    __u8 ip[16];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        to_ip(rows[i].in, ip);
        sw_format_ip(ip, buf);
        assert_string_equal(buf, rows[i].out);
    }
}

/* whatever we print must read back as the same address */
static void test_ip_round_trip(void **state)
{
    unsigned int seed = 9293;
    char buf[46];
    __u8 ip[16], back[16];

    (void)state;
    for (int n = 0; n < 20000; n++) {
        for (int i = 0; i < 16; i += 2) {
            int zero = rand_r(&seed) % 3;

            ip[i] = zero ? 0 : rand_r(&seed);
            ip[i + 1] = zero == 2 ? 0 : rand_r(&seed);
        }
        sw_format_ip(ip, buf);
        assert_true(strlen(buf) <= SW_IP_LEN);
        to_ip(buf, back);
        assert_memory_equal(ip, back, 16);
    }
}

static void test_service_names(void **state)
{
    static const struct {
        const __u8 *ip;
        __u8 any;
        const char *text;
    } rows[] = {
        {v4, 0, "10.0.0.2:65535"},
        {v6, 0, "[2001:db8::1]:65535"},
        {long_ip, 0, "[2001:1db8:1111:2222:3333:4444:5555:6666]:65535"},
        {v4, SW_NET + 127, "10.0.0.2/31:65535"},
        {v6, SW_NET + 1, "[2001:db8::1]/1:65535"},
        {long_ip, SW_NET + 127, "[2001:1db8:1111:2222:3333:4444:5555:6666]/127:65535"},
        {v4, SW_ANY_4, "0.0.0.0:65535"},
        {v4, SW_ANY_6, "[::]:65535"},
        {v4, SW_ANY_4 | SW_ANY_6, "*:65535"},
    };
    char buf[SW_SERVICE_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_format_service(rows[i].ip, 0xffff, rows[i].any, buf);
        assert_string_equal(buf, rows[i].text);
    }
    assert_int_equal(strlen(rows[5].text) + 1, SW_SERVICE_TEXT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_ip_text), cmocka_unit_test(test_ip_round_trip),
        cmocka_unit_test(test_service_names), cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
