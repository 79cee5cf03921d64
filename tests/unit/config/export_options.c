/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where --export goes: what is a collector, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/export_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_collectors(void **state)
{
    static const struct {
        const char *url;
        enum sw_export_protocol protocol;
        const char *host, *port;
    } good[] = {
        {"ipfix://192.0.2.1:4739", SW_EXPORT_IPFIX, "192.0.2.1", "4739"},
        {"netflow9://[2001:db8::1]:2055", SW_EXPORT_NETFLOW9, "2001:db8::1", "2055"},
        {"ipfix://[fe80::1%eth0.5]:1", SW_EXPORT_IPFIX, "fe80::1%eth0.5", "1"},
        {"ipfix://[::ffff:192.0.2.1]:65535", SW_EXPORT_IPFIX, "::ffff:192.0.2.1", "65535"},
        {"netflow9://collector_1.example-x.net:9995", SW_EXPORT_NETFLOW9, "collector_1.example-x.net", "9995"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sw_export_opts opts;

        sw_export_defaults(&opts);
        assert_false(opts.given);
        assert_int_equal(sw_export_parse(good[i].url, &opts), 0);
        assert_true(opts.given);
        assert_int_equal(opts.message.protocol, good[i].protocol);
        assert_string_equal(opts.host, good[i].host);
        assert_string_equal(opts.port, good[i].port);
        assert_string_equal(opts.url, good[i].url);
        assert_int_equal(opts.message.size, 1400);
        assert_int_equal(opts.message.domain, 1);
    }
}

static void test_others(void **state)
{
    static const char *const bad[] = {"",
                                      "ipfix",
                                      "ipfix:",
                                      "ipfix://",
                                      "ipfix://:4739",
                                      "ipfix://a",
                                      "ipfix://a:",
                                      "ipfix://a:0",
                                      "ipfix://a:65536",
                                      "ipfix://a:047",
                                      "ipfix://a:+47",
                                      "ipfix://a:4739/",
                                      "ipfix://a:4739 ",
                                      "ipfix://a b:1",
                                      "ipfix://a\n:1",
                                      "ipfix://a\":1",
                                      "ipfix://[::1:1",
                                      "ipfix://::1:1",
                                      "ipfix://[]:1",
                                      "ipfix://[a:1",
                                      "ipfix://[::1]",
                                      "ipfix://]:1",
                                      "ipfix://[:1",
                                      "ipfix://[::1]x:1",
                                      "ipfix://[%a]:1",
                                      "ipfix://[::1%]\":1",
                                      "ipfix://user@a:1",
                                      "netflow5://a:1",
                                      "IPFIX://a:1",
                                      "//a:1",
                                      "a:1",
                                      "netflow9:/a:1",
                                      "ipfix://a:4739:1"};
    char longest[SW_EXPORT_URL + 64];
    struct sw_export_opts opts;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sw_export_defaults(&opts);
        if (sw_export_parse(bad[i], &opts) != -EINVAL || opts.given)
            fail_msg("taken: %s", bad[i]);
    }
    for (int len = SW_EXPORT_HOST - 2; len <= SW_EXPORT_HOST + 1; len++) {
        snprintf(longest, sizeof(longest), "netflow9://%0*d:65535", len, 0);
        sw_export_defaults(&opts);
        assert_int_equal(sw_export_parse(longest, &opts), len < SW_EXPORT_HOST ? 0 : -EINVAL);
        if (len < SW_EXPORT_HOST)
            assert_string_equal(opts.url, longest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_collectors), cmocka_unit_test(test_others)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
