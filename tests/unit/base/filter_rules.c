/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of ports and networks: what is taken, how it is shown, and what it decides of a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/filter_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sw_filter_rules rules;

static int list_of(const char *name)
{
    for (int list = 0; list < SW_FL_MAX; list++)
        if (!strcmp(name, sw_filter_list_names[list]))
            return list;
    fail_msg("there is no list '%s'", name);
    return -1;
}

/* "port 80 net 10.0.0.0/8" into empty rules */
static void set(const char *text)
{
    char copy[4096], why[160], *save, *name;

    memset(&rules, 0, sizeof(rules));
    snprintf(copy, sizeof(copy), "%s", text);
    for (name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
        if (sw_filter_add(&rules, list_of(name), strtok_r(NULL, " ", &save), why, sizeof(why)))
            fail_msg("%s: %s", text, why);
}

static const char *shown(void)
{
    static char text[8192];
    FILE *out = fmemopen(text, sizeof(text), "w");

    assert_non_null(out);
    sw_filter_print(&rules, out);
    fclose(out);
    return text;
}

static void test_shown(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"port 80", "--port 80"},
        {"port 443,80,80", "--port 80,443"},
        {"port 8000-8100,8101,22", "--port 22,8000-8101"},
        {"port 0-65535", "--port 0-65535"},
        {"port 63,64,65535", "--port 63-64,65535"},
        {"port 80 port 81", "--port 80-81"},
        {"not-port 9000 server 443", "--server 443 --not-port 9000"},
        {"net 2001:db8::/32,10.0.0.0/8,10.0.0.0/8", "--net 10.0.0.0/8,2001:db8::/32"},
        {"net 10.0.0.0/8 not-net 10.0.0.0/8,::/0", "--net 10.0.0.0/8 --not-net 10.0.0.0/8,::/0"},
        {"src 10.0.0.1 dst ::1 not-src 0.0.0.0/0 not-dst ::1",
         "--src 10.0.0.1/32 --dst ::1/128 --not-src 0.0.0.0/0 --not-dst ::1/128"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set(rows[i][0]);
        assert_string_equal(shown(), rows[i][1]);
    }
}

static void test_refused(void **state)
{
    static const struct {
        enum sw_filter_list list;
        const char *text, *says;
    } rows[] = {
        {SW_FL_PORT, "", "'' is not a port or a range of ports, like 443 or 8000-8100"},
        {SW_FL_PORT, "80,", "'' is not a port or a range of ports, like 443 or 8000-8100"},
        {SW_FL_PORT, "65536", "'65536' is not a port"},
        {SW_FL_PORT, "080", "'080' is not a port"},
        {SW_FL_PORT, "0x50", "'0x50' is not a port"},
        {SW_FL_PORT, "-1", "'-1' is not a port"},
        {SW_FL_PORT, "1-", "'1-' is not a port"},
        {SW_FL_PORT, "2-1", "'2-1' is not a port"},
        {SW_FL_PORT, "1-2-3", "'1-2-3' is not a port"},
        {SW_FL_PORT, "http", "'http' is not a port"},
        {SW_FL_SERVER, " 80", "' 80' is not a port"},
        {SW_FL_NOT_PORT, "4294967376", "'4294967376' is not a port"},
        {SW_FL_NET, "10.0.0.1/8", "10.0.0.1/8 has bits beyond its prefix (10.0.0.0/8?)"},
        {SW_FL_SRC, "", "'' is not a CIDR, like 192.0.2.0/24 or 2001:db8::/32"},
        {SW_FL_DST, "::1,example.org", "'example.org' is not a CIDR"},
    };
    char why[160], longer[400];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set("");
        assert_int_equal(sw_filter_add(&rules, rows[i].list, rows[i].text, why, sizeof(why)), -EINVAL);
        if (strncmp(why, rows[i].says, strlen(rows[i].says)))
            fail_msg("'%s': '%s', not '%s'", rows[i].text, why, rows[i].says);
    }
    memset(longer, '1', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(sw_filter_add(&rules, SW_FL_PORT, longer, why, sizeof(why)), -EINVAL);
    assert_int_equal(sw_filter_add(&rules, SW_FL_NET, longer, why, sizeof(why)), -EINVAL);
}

static void test_full(void **state)
{
    char text[32], why[160];

    (void)state;
    set("");
    for (int i = 0; i < SW_FILTER_NETS; i++) {
        snprintf(text, sizeof(text), "10.0.0.%d", i);
        assert_int_equal(sw_filter_add(&rules, SW_FL_NET, text, why, sizeof(why)), 0);
    }
    assert_int_equal(sw_filter_add(&rules, SW_FL_SRC, "10.0.0.63", why, sizeof(why)), 0); /* the same network */
    assert_int_equal(sw_filter_add(&rules, SW_FL_NET, "10.0.0.64", why, sizeof(why)), -EINVAL);
    assert_string_equal(why, "more than 64 networks in all");
    assert_int_equal(rules.nets_len, SW_FILTER_NETS);
}

/* "10.0.0.1 40000", "2001:db8::1 80" */
static void endpoint(const char *text, __u8 ip[16], __be16 *ret_port)
{
    static const __u8 mapped[12] = {[10] = 0xff, 0xff};
    char address[64];
    int port;

    assert_int_equal(sscanf(text, "%63s %d", address, &port), 2);
    memcpy(ip, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, address, ip + 12) != 1 && inet_pton(AF_INET6, address, ip) != 1)
        fail_msg("'%s' is no address", address);
    *ret_port = htons(port);
}

/* The same answer whichever end the key names first. */
static bool match(const char *orig, const char *resp)
{
    struct sw_key key, turned;
    bool is;

    endpoint(orig, key.a_ip, &key.a_port);
    endpoint(resp, key.b_ip, &key.b_port);
    endpoint(resp, turned.a_ip, &turned.a_port);
    endpoint(orig, turned.b_ip, &turned.b_port);
    is = sw_filter_rules_match(&rules, &key, false);
    if (is != sw_filter_rules_match(&rules, &turned, true))
        fail_msg("%s -> %s: the order of the key decides", orig, resp);
    return is;
}

static void test_match(void **state)
{
    static const struct {
        const char *rules, *orig, *resp;
        bool match;
    } rows[] = {
        {"", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"port 80", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"port 40000", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"port 81", "10.0.0.1 40000", "10.0.0.2 80", false},
        {"port 79-81", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"port 0", "10.0.0.1 0", "10.0.0.2 80", true},
        {"port 65535", "10.0.0.1 65535", "10.0.0.2 80", true},
        {"server 80", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"server 40000", "10.0.0.1 40000", "10.0.0.2 80", false},
        {"not-port 80", "10.0.0.1 40000", "10.0.0.2 80", false},
        {"not-port 40000", "10.0.0.1 40000", "10.0.0.2 80", false},
        {"not-port 81", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"not-server 80", "10.0.0.1 40000", "10.0.0.2 80", false},
        {"not-server 40000", "10.0.0.1 40000", "10.0.0.2 80", true},
        {"net 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"net 192.0.2.2", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"net 192.0.2.3", "10.0.0.1 40000", "192.0.2.2 80", false},
        {"net 172.16.0.0/12", "172.15.255.255 1", "172.32.0.0 2", false},
        {"net 172.16.0.0/12", "172.15.255.255 1", "172.31.255.255 2", true},
        {"net 0.0.0.0/0", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"net 0.0.0.0/0", "2001:db8::1 40000", "2001:db8::2 80", false},
        {"net ::/0", "2001:db8::1 40000", "2001:db8::2 80", true},
        {"net ::/0", "10.0.0.1 40000", "192.0.2.2 80", false},
        {"not-net ::/1", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"net ::ffff:10.0.0.0/104", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"net 2001:db8::/32", "2001:db8:ffff::1 40000", "2001:db9::2 80", true},
        {"net 2001:db8::/65", "2001:db8:0:0:8000::1 1", "2001:db8:0:1::2 80", false},
        {"src 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"src 10.0.0.0/8", "192.0.2.2 40000", "10.0.0.1 80", false},
        {"dst 10.0.0.0/8", "192.0.2.2 40000", "10.0.0.1 80", true},
        {"dst 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", false},
        {"not-src 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", false},
        {"not-src 10.0.0.0/8", "192.0.2.2 40000", "10.0.0.1 80", true},
        {"not-dst 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"not-dst 10.0.0.0/8", "192.0.2.2 40000", "10.0.0.1 80", false},
        {"not-net 10.0.0.0/8", "192.0.2.2 40000", "10.0.0.1 80", false},
        /* all of them together */
        {"port 80 net 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", true},
        {"port 80 net 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 81", false},
        {"port 80 net 10.0.0.0/8", "192.0.2.1 40000", "192.0.2.2 80", false},
        {"src 10.0.0.0/8 dst 10.0.0.0/8", "10.0.0.1 40000", "10.1.0.1 80", true},
        {"src 10.0.0.0/8 dst 10.0.0.0/8", "10.0.0.1 40000", "192.0.2.2 80", false},
        {"src 10.0.0.0/8 server 80", "10.0.0.1 80", "192.0.2.2 40000", false},
        {"net 10.0.0.0/8 not-net 10.9.0.0/16", "10.0.0.1 40000", "10.9.0.1 80", false},
        {"net 10.0.0.0/8 not-net 10.9.0.0/16", "10.0.0.1 40000", "10.8.0.1 80", true},
        {"port 443 not-net 10.0.0.9,10.0.0.8", "10.0.0.8 40000", "10.0.0.1 443", false},
        {"port 443 not-net 10.0.0.9,10.0.0.8", "10.0.0.7 40000", "10.0.0.1 443", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set(rows[i].rules);
        if (match(rows[i].orig, rows[i].resp) != rows[i].match)
            fail_msg("%s: %s -> %s: %d, not %d", rows[i].rules, rows[i].orig, rows[i].resp, !rows[i].match,
                     rows[i].match);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
