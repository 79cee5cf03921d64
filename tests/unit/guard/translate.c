/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The client's acknowledgement that the daemon makes anew for one that is silent: a legal frame, with what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "decode.h"
#include "guard/translate.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

static struct sw_gateway_due due(bool v6, bool ts, __u16 vlan)
{
    struct sw_gateway_due d = {.key = {.cport = htons(40000), .sport = htons(443)},
                               .x = {.client_isn = 0xffffffff,
                                     .cookie_isn = 0x12345678,
                                     .cookie_ts = 0xcafe0001,
                                     .client_ts = 77,
                                     .client_win = 502,
                                     .vlan = vlan,
                                     .mac = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}}};

    for (int i = 0; i < 16; i++) {
        d.key.client[i] = (__u8)(v6 ? 0x20 + i : i < 10 ? 0 : i < 12 ? 0xff : 10 + i);
        d.key.server[i] = (__u8)(v6 ? 0x30 + i : i < 10 ? 0 : i < 12 ? 0xff : 100 + i);
    }
    d.x.flags = (v6 ? SW_XF_V6 : 0) | (ts ? SW_XF_TS : 0);
    return d;
}

TEST(as_it_came_in)
{
    for (int bits = 0; bits < 8; bits++) {
        bool v6 = bits & 1, ts = bits & 2;
        struct sw_gateway_due d = due(v6, ts, bits & 4 ? 0x1000 | 0xe000 | 7 : 0);
        __u8 frame[SW_TRANSLATE_FRAME];
        size_t len = sw_translate_frame(&d, frame);
        struct decoded got;
        const char *wrong = decode(frame, len, &got);

        if (wrong)
            fail_msg("%s", wrong);
        assert_int_equal(len, 14 + (bits & 4 ? 4 : 0) + (v6 ? 40 : 20) + (ts ? 32 : 20));
        assert_memory_equal(got.mac_dst, d.x.mac, 6);
        assert_memory_equal(got.mac_src, d.x.mac + 6, 6);
        assert_int_equal(got.tags, !!(bits & 4));
        if (got.tags)
            assert_int_equal(got.tci[0], 0xe007);
        assert_memory_equal(got.src, d.key.client, 16);
        assert_memory_equal(got.dst, d.key.server, 16);
        assert_int_equal(got.sport, 40000);
        assert_int_equal(got.dport, 443);
        assert_int_equal(got.seq, 0); /* the wrap */
        assert_int_equal(got.ack, 0x12345679);
        assert_int_equal(got.flags, SW_TCP_ACK);
        assert_int_equal(got.win, 502);
        assert_int_equal(got.has_ts, ts);
        if (ts) {
            assert_int_equal(got.tsval, 77);
            assert_int_equal(got.tsecr, 0xcafe0001);
        }
        assert_int_equal(got.payload, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_it_came_in)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
