/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters by name, from text as /proc/net/netstat has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/netstat.h"

#include <errno.h>

static const char *const names[] = {"ListenOverflows", "TCPReqQFullDrop"};

static int sum(const char *text, __u64 *ret)
{
    return sw_netstat_sum(text, "TcpExt", names, 2, ret);
}

static void by_name(void **state)
{
    (void)state;
    __u64 n;

    assert_int_equal(sum("TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop\n"
                         "TcpExt: 1 20 300 4000\n"
                         "IpExt: InNoRoutes ListenOverflows\nIpExt: 5 6\n",
                         &n),
                     0);
    assert_int_equal(n, 4020);
    assert_int_equal(sum("MPTcpExt: ListenOverflows\nMPTcpExt: 9\nTcpExt: ListenOverflowsX TCPReqQFullDrop\n"
                         "TcpExt: 7 18446744073709551615\n",
                         &n),
                     0);
    assert_true(n == 18446744073709551615ull);
}

/* One that the kernel does not have. */
static void unknown_ones(void **state)
{
    (void)state;
    __u64 n = 1;

    assert_int_equal(sum("TcpExt: SyncookiesSent\nTcpExt: 5\n", &n), 0);
    assert_int_equal(n, 0);
}

static void not_a_table(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "TcpExt",
        "TcpExt:",
        "TcpExt: ListenOverflows",
        "TcpExt: ListenOverflows\n",
        "IpExt: ListenOverflows\nIpExt: 4\n",
        "TcpExt: ListenOverflows TCPReqQFullDrop\nTcpExt: 1\n",
        "TcpExt: ListenOverflows\nTcpExt: 1 2\n",
        "TcpExt: ListenOverflows\nIpExt: 1\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        __u64 n;

        if (sum(texts[i], &n) != -ENOENT)
            fail_msg("taken: \"%s\"", texts[i]);
    }
}

/* This kernel's. */
static void the_file(void **state)
{
    (void)state;
    __u64 n;

    assert_int_equal(sw_netstat_read("TcpExt", names, 2, &n), 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(by_name),
        cmocka_unit_test(unknown_ones),
        cmocka_unit_test(not_a_table),
        cmocka_unit_test(the_file),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
