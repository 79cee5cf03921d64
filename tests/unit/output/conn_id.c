/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* uid and Community ID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "to_ip.h"
#include "output/conn_id.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SW_TCP_ROWS = 4 }; /* in each baseline file */

/* the contract's order: address, then port as a number */
static struct sw_key to_key(const char *a, unsigned int a_port, const char *b, unsigned int b_port)
{
    struct sw_key k;
    __u8 x[16], y[16];
    int order;

    to_ip(a, x);
    to_ip(b, y);
    order = memcmp(x, y, 16);
    if (order > 0 || (!order && a_port > b_port))
        return to_key(b, b_port, a, a_port);
    memcpy(k.a_ip, x, 16);
    memcpy(k.b_ip, y, 16);
    k.a_port = htons(a_port);
    k.b_port = htons(b_port);
    return k;
}

/* vectors of the reference implementation: key 00..0f, input 00, 01, ... */
static void test_siphash(void **state)
{
    static const __u64 key[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    static const __u8 want0[16] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                   0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
    static const __u8 want1[16] = {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
                                   0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45};
    __u64 got[2];
    __u8 zero = 0;

    (void)state;
    sw_siphash128(key, &zero, 0, got);
    assert_memory_equal(got, want0, 16);
    sw_siphash128(key, &zero, 1, got);
    assert_memory_equal(got, want1, 16);
}

static void test_uid(void **state)
{
    struct sw_key k = to_key("10.0.0.1", 40000, "10.0.0.2", 80), other = k;
    char first[24], again[24], later[24], port[24];

    (void)state;
    sw_format_uid(&k, 1234567890123456789ULL, first);
    sw_format_uid(&k, 1234567890123456789ULL, again);
    assert_string_equal(first, again);
    assert_int_equal(strlen(first), SW_UID_LEN);
    assert_int_equal(first[0], 'C');
    for (int i = 0; i < SW_UID_LEN; i++)
        assert_non_null(strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", first[i]));
    sw_format_uid(&k, 1234567890123456790ULL, later);
    assert_string_not_equal(first, later);
    other.a_port = htons(40001);
    sw_format_uid(&other, 1234567890123456789ULL, port);
    assert_string_not_equal(first, port);
}

/* Its digits, one by one. */
static void test_uid_digits(void **state)
{
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const __u64 fixed[2] = {0x73796e7761726421ULL, 0x756964206f6e6521ULL};
    struct sw_key k = to_key("10.0.0.1", 1, "10.0.0.2", 80);
    __u8 in[sizeof(k) + 8];
    char got[24], want[24];
    __u64 hash[2];

    (void)state;
    for (__u64 start = 1; start < 2000; start++) {
        memcpy(in, &k, sizeof(k));
        memcpy(in + sizeof(k), &start, 8);
        sw_siphash128(fixed, in, sizeof(in), hash);
        memset(want, 0, sizeof(want));
        want[0] = 'C';
        for (int i = 9; i >= 1; i--, hash[0] /= 62)
            want[i] = base62[hash[0] % 62];
        for (int i = 17; i >= 10; i--, hash[1] /= 62)
            want[i] = base62[hash[1] % 62];
        sw_format_uid(&k, start, got);
        assert_string_equal(got, want);
    }
}

static int compare_uid(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_uid_distinct(void **state)
{
    enum { MANY = 100000 };
    char(*uids)[24] = calloc(MANY, sizeof(*uids));
    struct sw_key k = to_key("10.0.0.1", 1, "10.0.0.2", 80);

    (void)state;
    assert_non_null(uids);
    for (int i = 0; i < MANY; i++) {
        k.b_port = htons(i % 50000);
        sw_format_uid(&k, 1000 + i / 50000, uids[i]);
    }
    qsort(uids, MANY, sizeof(*uids), compare_uid);
    for (int i = 1; i < MANY; i++)
        assert_string_not_equal(uids[i - 1], uids[i]);
    free(uids);
}

/* The value after "key": up to the next comma or brace, quotes left out. False: not in [at, end). */
static bool field(const char *at, const char *end, const char *key, char *ret_value, size_t room)
{
    char quoted[32];
    const char *v;
    size_t n;

    snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
    v = strstr(at, quoted);
    if (!v || v >= end)
        return false;
    v += strlen(quoted);
    if (*v == '"')
        v++;
    n = strcspn(v, "\",}");
    assert_true(n < room);
    memcpy(ret_value, v, n);
    ret_value[n] = 0;
    return true;
}

static char *baseline(const char *name)
{
    const char *corpus = getenv("SW_CORPUS");
    char path[512];
    char *text;
    FILE *f;
    long n;

    snprintf(path, sizeof(path), "%s/community-id/%s", corpus ? corpus : "../shared/corpus", name);
    f = fopen(path, "r");
    if (!f) {
        print_message("skip: %s is not there (set SW_CORPUS)\n", path);
        return NULL;
    }
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    text = calloc(1, n + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, n, f), n);
    fclose(f);
    return text;
}

static void check_baseline(const char *name, __u16 seed, int want_rows)
{
    char *text = baseline(name), *at, *end;
    int rows = 0;

    if (!text)
        skip();
    for (at = strchr(text, '{'); at; at = strchr(end, '{')) {
        char proto[8], src[46], dst[46], sport[8], dport[8], want[32], got[32];
        struct sw_key k;

        end = strchr(at, '}');
        assert_non_null(end);
        assert_true(field(at, end, "proto", proto, sizeof(proto)));
        if (strcmp(proto, "6"))
            continue;
        assert_true(field(at, end, "saddr", src, sizeof(src)) && field(at, end, "daddr", dst, sizeof(dst)) &&
                    field(at, end, "sport", sport, sizeof(sport)) && field(at, end, "dport", dport, sizeof(dport)) &&
                    field(at, end, "communityid", want, sizeof(want)));
        k = to_key(src, atoi(sport), dst, atoi(dport));
        sw_format_community_id(&k, seed, got);
        assert_string_equal(got, want);
        assert_int_equal(strlen(got), SW_CID_LEN);
        rows++;
    }
    free(text);
    assert_int_equal(rows, want_rows);
}

static void test_community_id_default(void **state)
{
    (void)state;
    check_baseline("baseline_deflt.json", 0, SW_TCP_ROWS);
}

static void test_community_id_seed(void **state)
{
    (void)state;
    check_baseline("baseline_seed1.json", 1, SW_TCP_ROWS);
}

/* the specification's own example, which needs no corpus */
static void test_community_id_example(void **state)
{
    struct sw_key k = to_key("128.232.110.120", 34855, "66.35.250.204", 80);
    char got[32];

    (void)state;
    sw_format_community_id(&k, 0, got);
    assert_string_equal(got, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    sw_format_community_id(&k, 1, got);
    assert_string_equal(got, "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
}

/* By the last eight digits of the uid, as docs/events.md says it: whoever has a line can compute it. */
static void test_sample(void **state)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const __u32 one_of[] = {1, 2, 3, 10, 100, 62, 1000000000};
    enum { CONNECTIONS = 20000 };
    unsigned int kept[sizeof(one_of) / sizeof(one_of[0])] = {0};

    (void)state;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct sw_key k = to_key("10.0.0.1", i, "10.0.0.2", 443);
        char uid[SW_UID_LEN + 1];
        __u64 number = 0;

        sw_format_uid(&k, 77 + i, uid);
        for (const char *p = uid + SW_UID_LEN - 8; *p; p++)
            number = 62 * number + (strchr(digits, *p) - digits);
        for (size_t j = 0; j < sizeof(one_of) / sizeof(one_of[0]); j++) {
            bool is = sw_uid_is_sampled(&k, 77 + i, one_of[j]);

            assert_int_equal(is, number % one_of[j] == 0);
            kept[j] += is;
        }
        if (sw_uid_is_sampled(&k, 77 + i, 100))
            assert_true(sw_uid_is_sampled(&k, 77 + i, 10));
    }
    assert_int_equal(kept[0], CONNECTIONS);
    for (size_t j = 1; j < 6; j++) { /* within four standard deviations, and always the same ones */
        __s64 off = (__s64)kept[j] * one_of[j] - CONNECTIONS;

        assert_true(off * off < 16ll * CONNECTIONS * one_of[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_uid),
        cmocka_unit_test(test_uid_digits),
        cmocka_unit_test(test_uid_distinct),
        cmocka_unit_test(test_community_id_default),
        cmocka_unit_test(test_community_id_seed),
        cmocka_unit_test(test_community_id_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
