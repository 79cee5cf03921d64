/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How often a forged cookie is taken. 2^-26 and 2^-50 cannot be waited for, so the same code compares fewer bits of the
 * MAC here, and the count must follow 2^-bits; syncookie.c proves how many bits there really are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static unsigned isn_mac, ts_mac; /* the masks, each test's own */
#define SW_COOKIE_ISN_MAC isn_mac
#define SW_COOKIE_TS_MAC ts_mac
#include "guard/syncookie.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define NOW (1000ull << SW_EPOCH_SHIFT)

enum { TRIES = 2000000 };

static const struct sw_keys keys = {.key = {{1, 2}, {0x0123456789abcdef, 0xfedcba9876543210}}};
static uint64_t seed;

/* xorshift64*, so that the counts are the same everywhere */
static uint32_t chance(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * 0x2545f4914f6cdd1dull >> 32);
}

static void masks(int isn_bits, int ts_bits)
{
    isn_mac = isn_bits ? ~0u << (32 - isn_bits) : 0;
    ts_mac = ts_bits ? ~0u << (32 - ts_bits) : 0;
}

/* Random acknowledgements of random handshakes, or of one and the same. */
static void count(int isn_bits, int ts_bits, bool ts, bool same, bool v6)
{
    struct sw_cookie_tuple f = {.src = {1, 2, 3, 4}, .dst = {5, 6, 7, 8}, .sport = 9, .dport = 10, .v6 = v6};
    double expected = (double)TRIES / (1 << (isn_bits + ts_bits));
    unsigned taken = 0;

    seed = 88172645463325252ull + isn_bits * 2 + same;
    masks(isn_bits, ts_bits);
    for (unsigned i = 0; i < TRIES; i++) {
        struct sw_cookie_opts o = {0};

        if (!same) {
            f.src[0] = chance();
            f.isn = chance();
        }
        taken += sw_cookie_check(&keys, &f, chance(), ts, chance(), NOW, &o) == SW_COOKIE_OK;
    }
    if ((taken - expected) * (taken - expected) > 25 * expected) /* five sigma of a binomial */
        fail_msg("%d + %d bits: %u of %u taken, expected %.0f", isn_bits, ts_bits, taken, TRIES, expected);
}

TEST(without_timestamps)
{
    for (int bits = 4; bits <= 12; bits += 2) {
        count(bits, 0, false, false, bits & 2);
        count(bits, 0, false, true, !(bits & 2));
    }
}

/* Both words must fit: their bits add up, however they are shared out. */
TEST(with_timestamps)
{
    for (int bits = 0; bits <= 10; bits += 2) {
        count(bits, 10 - bits, true, false, bits & 2);
        count(bits, 10 - bits, true, true, !(bits & 2));
    }
}

/* A client without timestamps is not helped by what it writes where the echo would be. */
TEST(echo_without_timestamps_is_nothing)
{
    struct sw_cookie_tuple f = {.src = {1}, .dst = {2}};
    struct sw_cookie_opts o = {0};

    masks(10, 24);
    seed = 1;
    for (int i = 0; i < 100000; i++) {
        uint32_t isn = chance();

        assert_int_equal(sw_cookie_check(&keys, &f, isn, 0, 0, NOW, &o),
                         sw_cookie_check(&keys, &f, isn, 0, chance(), NOW, &o));
    }
}

/*
 * All numbers there are, for one handshake at one time: with n bits of MAC, 2^(n+6) ISNs hold 64 that are valid
 * (32 options, two epochs). 64 / 2^32 = 2^-26.
 */
TEST(all_isns)
{
    enum { BITS = 12 };
    struct sw_cookie_tuple f = {.src = {0x0100000a}, .dst = {0x0200000a}, .sport = 1, .dport = 2, .isn = 3};
    unsigned taken = 0, by_code[64] = {0};

    masks(BITS, 0);
    for (uint32_t i = 0; i < 1u << (BITS + 6); i++) {
        struct sw_cookie_opts o = {0};
        uint32_t isn = (i >> 6) << (32 - BITS) | (i & 63);

        if (sw_cookie_check(&keys, &f, isn, 0, 0, NOW, &o) != SW_COOKIE_OK)
            continue;
        taken++;
        by_code[isn & 63]++;
    }
    assert_int_equal(taken, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(by_code[i], 1); /* one MAC for each mix of options and epoch */
}

/* The same with timestamps: 2^14 valid pairs (2^13 options, two epochs). 2^14 / 2^64 = 2^-50. */
TEST(all_pairs)
{
    enum { ISN_BITS = 4, TS_BITS = 4 };
    struct sw_cookie_tuple f = {.src = {1, 2, 3, 4}, .dst = {5, 6, 7, 8}, .sport = 1, .dport = 2, .isn = 3, .v6 = 1};
    unsigned taken = 0;

    masks(ISN_BITS, TS_BITS);
    for (uint32_t i = 0; i < 1u << (ISN_BITS + 6); i++)
        for (uint32_t j = 0; j < 1u << (TS_BITS + 8); j++) {
            struct sw_cookie_opts o = {0};
            uint32_t isn = (i >> 6) << (32 - ISN_BITS) | (i & 63), tsval = (j >> 8) << (32 - TS_BITS) | (j & 255);

            taken += sw_cookie_check(&keys, &f, isn, 1, tsval, NOW, &o) == SW_COOKIE_OK;
        }
    assert_int_equal(taken, 1 << 14);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(without_timestamps),
        cmocka_unit_test(with_timestamps),
        cmocka_unit_test(echo_without_timestamps_is_nothing),
        cmocka_unit_test(all_isns),
        cmocka_unit_test(all_pairs),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
