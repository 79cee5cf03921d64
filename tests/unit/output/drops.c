/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where drops came from and went to: by prefix, by service, of two minutes; the truth is within the bounds that are
 * said, whatever comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/drops.h"
#include "output/top.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE SW_DROPS_SPAN
#define NETS 20000

static struct sw_drops *opened(void)
{
    struct sw_drops *d;

    assert_int_equal(sw_drops_new(&d), 0);
    return d;
}

static void mapped(__u8 ip[16], __u32 host)
{
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xff;
    host = htonl(host);
    memcpy(ip + 12, &host, 4);
}

/* Records, of 1000 drops each: what they count is no matter of where one packet came from. */
static void add(struct sw_drops *d, __u32 src, __u32 service, int samples, __u64 ts)
{
    struct sw_guard_event drop = {
        .kind = SW_GUARD_EV_DROP, .service = service, .count = 1000, .ts = ts, .dst_port = htons(80)};

    mapped(drop.src_ip, src);
    mapped(drop.dst_ip, 0x0a000000 + service);
    for (int i = 0; i < samples; i++)
        sw_drops_add(d, &drop);
}

static void expect_total(struct sw_drops *d, __u32 service, __u64 now, __u64 drops, __u64 samples)
{
    struct sw_drops_sum sum;

    sw_drops_total(d, service, now, &sum);
    assert_int_equal(sum.drops, drops);
    assert_int_equal(sum.samples, samples);
}

static void expect_v4(const struct sw_drops_row *row, __u32 host, __u64 least, __u64 most)
{
    __u8 ip[16];

    mapped(ip, host);
    assert_memory_equal(row->ip, ip, 16);
    assert_int_equal(row->least, least);
    assert_int_equal(row->most, most);
}

static void test_prefixes(void **state)
{
    struct sw_drops_row rows[SW_DROPS_TOP];
    struct sw_drops *d = opened();
    struct sw_guard_event six = {.kind = SW_GUARD_EV_DROP,
                                 .service = 1,
                                 .count = 7,
                                 .ts = 5,
                                 .src_ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0xff, [15] = 9},
                                 .dst_ip = {0x20, 1, [15] = 2}};
    const __u8 net[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1};

    (void)state;
    add(d, 0xc6120101, 1, 10, 1);
    add(d, 0xc61201ff, 1, 5, 2); /* the same /24 */
    add(d, 0xc6120201, 1, 1, 3);
    add(d, 0xc6120101, 2, 100, 4);  /* of another service */
    add(d, 0xc6120301, 0, 1000, 5); /* of none */
    for (int i = 0; i < 7; i++)
        sw_drops_add(d, &six);
    six.hook = SW_HOOK_SWEEP; /* without a packet */
    sw_drops_add(d, &six);
    assert_int_equal(sw_drops_sources(d, 1, 6, rows), 3);
    expect_v4(&rows[0], 0xc6120100, 15, 15);
    assert_memory_equal(rows[1].ip, net, 16);
    assert_int_equal(rows[1].least, 7);
    expect_v4(&rows[2], 0xc6120200, 1, 1);
    assert_int_equal(sw_drops_sources(d, 2, 6, rows), 1);
    expect_v4(&rows[0], 0xc6120100, 100, 100);
    assert_int_equal(sw_drops_sources(d, 3, 6, rows), 0);
    assert_int_equal(sw_drops_services(d, 6, rows), 3);
    expect_v4(&rows[0], 0x0a000002, 100, 100);
    expect_v4(&rows[1], 0x0a000001, 16, 16);
    assert_int_equal(rows[1].port, htons(80));
    assert_int_equal(rows[2].least, 7);
    expect_total(d, 0, 6, 1116000 + 49, 1123);
    expect_total(d, 1, 6, 16000 + 49, 23);
    expect_total(d, 2, 6, 100000, 100);
    expect_total(d, SW_SERVICES - 1, 6, 0, 0);
    assert_int_equal(sw_drops_net(rows[0].ip), SW_NET + 120);
    assert_int_equal(sw_drops_net(net), SW_NET + 64);
    sw_drops_free(d);
    sw_drops_free(NULL);
}

static void test_minutes(void **state)
{
    struct sw_drops_row rows[SW_DROPS_TOP];
    struct sw_drops *d = opened();

    (void)state;
    add(d, 0xc6120101, 1, 10, 7 * MINUTE);
    add(d, 0xc6120101, 1, 4, 8 * MINUTE);
    add(d, 0xc6120201, 1, 12, 8 * MINUTE);
    add(d, 0xc6120301, 1, 1, 8 * MINUTE - 1); /* late: it counts in the minute that has begun */
    assert_int_equal(sw_drops_sources(d, 1, 9 * MINUTE - 1, rows), 3);
    expect_v4(&rows[0], 0xc6120100, 14, 14); /* of both */
    expect_v4(&rows[1], 0xc6120200, 12, 12);
    assert_int_equal(sw_drops_sources(d, 1, 9 * MINUTE, rows), 3);
    expect_v4(&rows[0], 0xc6120200, 12, 12);
    expect_v4(&rows[1], 0xc6120100, 4, 4);
    expect_total(d, 0, 9 * MINUTE, 17000, 17);
    expect_total(d, 1, 9 * MINUTE, 17000, 17);
    expect_total(d, 1, 10 * MINUTE, 0, 0);
    assert_int_equal(sw_drops_sources(d, 1, 10 * MINUTE, rows), 0);
    add(d, 0xc6120101, 1, 10, 11 * MINUTE);
    assert_int_equal(sw_drops_sources(d, 1, 14 * MINUTE, rows), 0); /* nothing came for long */
    add(d, 0xc6120101, 1, 10, 15 * MINUTE);
    assert_int_equal(sw_drops_services(d, 18 * MINUTE, rows), 0);
    sw_drops_free(d);
}

/* A flood from everywhere, weights of all sizes, and three that send more: more prefixes than there are slots. */
static void test_bounds(void **state)
{
    static __u64 is[2][NETS + 1];
    struct sw_drops_row rows[SW_DROPS_TOP];
    struct sw_drops *d = opened();
    __u64 random = 88172645463325252ULL, total[2] = {0};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        int minute = i >= 100000;
        __u32 net, weight;

        if (i % 100000 == 0) { /* one that sent much, and then so little that it has no slot */
            is[minute][NETS] = minute ? 1 : 20000;
            total[minute] += is[minute][NETS];
            add(d, 0x0b000000 + (NETS << 8), 1, is[minute][NETS], (5 + minute) * MINUTE);
        }

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        net = random % 8 ? (random >> 8) % NETS : random % 24 / 8;
        weight = random >> 40 & 3;
        is[minute][net] += weight;
        total[minute] += weight;
        add(d, 0x0b000000 + (net << 8) + (random & 0xff), 1, weight, (5 + minute) * MINUTE);
    }
    assert_int_equal(sw_drops_sources(d, 1, 6 * MINUTE, rows), SW_DROPS_TOP);
    for (int i = 0; i < SW_DROPS_TOP; i++) {
        __u32 host;

        memcpy(&host, rows[i].ip + 12, 4);
        host = (ntohl(host) - 0x0b000000) >> 8;
        assert_in_range(is[0][host] + is[1][host], rows[i].least, rows[i].most);
        assert_true(rows[i].most - rows[i].least <= total[0] / SW_TOP_SLOTS + total[1] / SW_TOP_SLOTS);
        assert_true(i > 3 || host < 3 || host == NETS);
        assert_true(host != NETS || rows[i].least == 20000);
        assert_true(!i || rows[i].least <= rows[i - 1].least);
    }
    sw_drops_free(d);
}

/* Of many that are alike not those of the smallest addresses are shown. */
static void test_alike(void **state)
{
    struct sw_drops_row rows[SW_DROPS_TOP];
    struct sw_drops *d = opened();
    int others = 0;

    (void)state;
    for (__u32 i = 0; i < 1000; i++)
        add(d, 0x0b000000 + (i << 8), 1, 1, 5);
    assert_int_equal(sw_drops_sources(d, 1, 6, rows), SW_DROPS_TOP);
    for (int i = 0; i < SW_DROPS_TOP; i++)
        others += rows[i].ip[13] || rows[i].ip[14] >= SW_DROPS_TOP;
    assert_true(others > 0);
    sw_drops_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_minutes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
