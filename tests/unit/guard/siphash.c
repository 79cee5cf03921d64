/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-2-4: the published vectors, by a plain byte-wise form that the word-wise one is then compared with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "synward_siphash.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

/* Key 00 01 ... 0f, message 00 01 02 ... of so many bytes. */
static const struct {
    size_t len;
    uint64_t hash;
} published[] = {
    {0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {2, 0x0d6c8009d9a94f5a},  {3, 0x85676696d7fb7e2d},
    {7, 0xab0200f58b01d137},  {8, 0x93f5f5799a932462},  {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb},
    {23, 0xa80c038ccd5ccec8}, {31, 0x32d892fad841c342}, {47, 0xd06c98cd5c0975eb},
};

/* --- the algorithm once more, from its paper: bytes in, no shortcuts --- */

static uint64_t v[4];

static uint64_t rot(uint64_t x, int n)
{
    return (x << n) | (x >> (64 - n));
}

static void rounds(int n)
{
    while (n--) {
        v[0] += v[1], v[1] = rot(v[1], 13), v[1] ^= v[0], v[0] = rot(v[0], 32);
        v[2] += v[3], v[3] = rot(v[3], 16), v[3] ^= v[2];
        v[0] += v[3], v[3] = rot(v[3], 21), v[3] ^= v[0];
        v[2] += v[1], v[1] = rot(v[1], 17), v[1] ^= v[2], v[2] = rot(v[2], 32);
    }
}

static uint64_t le64(const uint8_t *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static void compress(uint64_t m)
{
    v[3] ^= m;
    rounds(2);
    v[0] ^= m;
}

static uint64_t plain(const uint8_t key[16], const uint8_t *msg, size_t len)
{
    static const char init[] = "uespemosmodnarodarenegylsetybdet"; /* "somepseudorandomlygeneratedbytes", by words */

    for (int i = 0; i < 4; i++)
        v[i] = le64((const uint8_t *)init + 8 * i, 8) ^ le64(key + 8 * (i & 1), 8);
    for (size_t at = 0; at + 8 <= len; at += 8)
        compress(le64(msg + at, 8));
    compress(le64(msg + len / 8 * 8, len % 8) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    rounds(4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- ours --- */

static uint64_t ours(const uint8_t key[16], const uint8_t *msg, size_t len)
{
    const __u64 k[2] = {le64(key, 8), le64(key + 8, 8)};
    struct sw_sip s;

    sw_sip_begin(&s, k);
    for (size_t at = 0; at + 8 <= len; at += 8)
        sw_sip_word(&s, le64(msg + at, 8));
    sw_sip_word(&s, le64(msg + len / 8 * 8, len % 8) | (uint64_t)len << 56);
    return sw_sip_end(&s);
}

TEST(published_vectors)
{
    uint8_t key[16], msg[64];

    for (int i = 0; i < 64; i++)
        msg[i] = i;
    memcpy(key, msg, 16);
    for (size_t i = 0; i < sizeof(published) / sizeof(*published); i++) {
        if (plain(key, msg, published[i].len) != published[i].hash ||
            ours(key, msg, published[i].len) != published[i].hash)
            fail_msg("%zu bytes: plain %016llx ours %016llx published %016llx", published[i].len,
                     (unsigned long long)plain(key, msg, published[i].len),
                     (unsigned long long)ours(key, msg, published[i].len), (unsigned long long)published[i].hash);
    }
}

TEST(random_keys_and_messages)
{
    uint8_t key[16], msg[64];

    srandom(1);
    for (int n = 0; n < 20000; n++) {
        size_t len = random() % sizeof(msg);

        for (size_t i = 0; i < sizeof(key); i++)
            key[i] = random();
        for (size_t i = 0; i < len; i++)
            msg[i] = random();
        assert_int_equal(ours(key, msg, len), plain(key, msg, len));
    }
}

/* Every bit of the key and of the message changes about half of the hash. */
TEST(each_bit_counts)
{
    uint8_t key[16] = {1}, msg[47] = {2};
    uint64_t was = ours(key, msg, sizeof(msg)), total = 0;
    int n = 0;

    for (size_t bit = 0; bit < (sizeof(key) + sizeof(msg)) * 8; bit++, n++) {
        uint8_t *byte = bit < sizeof(key) * 8 ? &key[bit / 8] : &msg[bit / 8 - sizeof(key)];
        int differ;

        *byte ^= 1 << bit % 8;
        differ = __builtin_popcountll(was ^ ours(key, msg, sizeof(msg)));
        *byte ^= 1 << bit % 8;
        assert_in_range(differ, 8, 56);
        total += differ;
    }
    assert_in_range(total / n, 30, 34);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(random_keys_and_messages),
        cmocka_unit_test(each_bit_counts),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
