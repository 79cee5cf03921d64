/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Buckets, quantiles, and the picture. */
#include "random_lines.h"
#include "output/histogram.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Each bucket begins where the one before ends, and holds what lies between; it is an eighth wide at most. */
static void test_buckets(void **state)
{
    (void)state;
    for (__u32 i = 0; i < SW_HG_BUCKETS; i++) {
        const __u64 low = sw_histogram_bound(i), end = sw_histogram_bound(i + 1);

        assert_true(end > low);
        assert_int_equal(sw_histogram_bucket(low), i);
        assert_int_equal(sw_histogram_bucket(end - 1), i);
        assert_true(end - low <= 1 || (end - low) * 8 <= low);
        assert_int_equal(sw_histogram_bucket(sw_histogram_middle(i)), i);
    }
    assert_int_equal(sw_histogram_bound(SW_HG_BUCKETS), 1ULL << 48);
    assert_true(sw_histogram_bucket(1ULL << 48) >= SW_HG_BUCKETS); /* who fills them takes the last one */
    assert_true(sw_histogram_bucket(~0ULL) >= SW_HG_BUCKETS);
    for (int i = 0; i < 100000; i++) {
        const __u64 v = random_u64() >> (16 + random_u64() % 48);
        const __u32 bucket = sw_histogram_bucket(v);

        assert_true(bucket < SW_HG_BUCKETS && sw_histogram_bound(bucket) <= v && v < sw_histogram_bound(bucket + 1));
    }
}

static int ascending(const void *a, const void *b)
{
    const __u64 *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Against the sorted values themselves: to a tenth, also where they are all the same. */
static void test_quantiles(void **state)
{
    static const double share[] = {0.5, 0.9, 0.99};
    enum { N = 2000 };
    static __u64 value[N];

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct sw_histogram h = {0};
        const size_t n = 1 + random_u64() % N;
        const int bits = 1 + (int)(random_u64() % 47), spread = round & 1 ? 4 : 1;

        for (size_t i = 0; i < n; i++) {
            value[i] = round % 5 ? random_u64() >> (64 - bits) >> (random_u64() % spread) : 1ULL << bits;
            h.bucket[sw_histogram_bucket(value[i])]++;
        }
        qsort(value, n, sizeof(value[0]), ascending);
        assert_int_equal(sw_histogram_count(&h), n);
        for (int k = 0; k < 3; k++) {
            size_t at = (size_t)(share[k] * (double)n);
            const __u64 got = sw_histogram_quantile(&h, share[k]);
            __u64 exact;

            at -= at && (double)at >= share[k] * (double)n;
            exact = value[at];
            if (got > exact + exact / 10 || got < exact - exact / 10)
                fail_msg("%g of %zu is %llu, not %llu", share[k], n, got, exact);
        }
    }
    assert_int_equal(sw_histogram_quantile(&(struct sw_histogram){0}, 0.5), 0);
}

static char *print(const struct sw_histogram *h, const char *unit)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    assert_non_null(f);
    sw_histogram_print(h, unit, f);
    fclose(f);
    return text;
}

static void test_picture(void **state)
{
    struct sw_histogram h = {0};
    char *text;

    (void)state;
    text = print(&h, "nsecs");
    assert_string_equal(text, "");
    free(text);
    h.bucket[sw_histogram_bucket(40000)] = 10;
    h.bucket[sw_histogram_bucket(50000)] = 10;
    h.bucket[sw_histogram_bucket(150000)] = 5;
    text = print(&h, "nsecs");
    assert_string_equal(text, "     nsecs               : count     distribution\n"
                              "     32768 -> 65535      : 20       |****************************************|\n"
                              "     65536 -> 131071     : 0        |                                        |\n"
                              "    131072 -> 262143     : 5        |**********                              |\n");
    free(text);
    memset(&h, 0, sizeof(h));
    h.bucket[0] = 1;
    h.bucket[sw_histogram_bucket(1ULL << 33)] = 4;
    text = print(&h, "bytes");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
    assert_string_equal(text, "          bytes                    : count     distribution");
    free(text);
    h.bucket[SW_HG_BUCKETS - 1] = ~0ULL >> 8;
    text = print(&h, "bytes");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80 + 10); /* the count may be longer than its column */
    free(text);
}

static char *row_text(const struct sw_histograms *row, int kind, bool json)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    assert_non_null(f);
    if (!json)
        sw_histogram_text_head(row, f);
    (json ? sw_histogram_json : sw_histogram_text)(row, kind, f);
    fclose(f);
    return text;
}

static void expect_row(const struct sw_histograms *row, int kind, bool json, const char *want)
{
    char *text = row_text(row, kind, json);

    assert_string_equal(text, want);
    free(text);
}

/* A server's and a role's; with values, and where nothing has one. */
static void test_rows(void **state)
{
    struct sw_histograms *row = calloc(1, sizeof(*row));

    (void)state;
    row->key.role = SW_ROLE_FORWARDER;
    row->set.unmeasured = 2;
    expect_row(row, SW_HG_HANDSHAKE, false, "\nrole forwarder\nhandshake: 0, 2 unmeasured\n");
    expect_row(
        row, SW_HG_HANDSHAKE, true,
        ",\"role\":\"forwarder\",\"server_ip\":null,\"server_port\":null,\"histogram\":\"handshake\",\"unit\":\"ns\","
        "\"count\":0,\"sum\":0,\"p50\":null,\"p90\":null,\"p99\":null,\"unmeasured\":2,\"buckets\":[]");
    row->key.role = SW_ROLE_SERVER;
    row->key.port = htons(65535);
    memset(row->key.ip, 0xff, sizeof(row->key.ip));
    row->set.of[SW_HG_HANDSHAKE].bucket[sw_histogram_bucket(40000)] = 3;
    row->set.of[SW_HG_HANDSHAKE].sum = 120000;
    row->set.of[SW_HG_CLIENT].bucket[3] = 4;
    expect_row(row, SW_HG_HANDSHAKE, false,
               "\nrole server, [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535\n"
               "handshake: 3, p50 38.9 us, p90 38.9 us, p99 38.9 us; 2 unmeasured\n"
               "     nsecs               : count     distribution\n"
               "     32768 -> 65535      : 3        |****************************************|\n");
    expect_row(row, SW_HG_CLIENT, true,
               ",\"role\":\"server\",\"server_ip\":\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\",\"server_port\":65535,"
               "\"histogram\":\"client\",\"unit\":\"ns\",\"count\":4,\"sum\":0,\"p50\":3,\"p90\":3,\"p99\":3,"
               "\"unmeasured\":1,\"buckets\":[[3,4,4]]");
    row->set.of[SW_HG_ORIG_BYTES].bucket[1] = 1;
    expect_row(row, SW_HG_ORIG_BYTES, false,
               "\nrole server, [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535\n"
               "orig_bytes: 1, p50 1, p90 1, p99 1\n"
               "     bytes               : count     distribution\n"
               "         0 -> 1          : 1        |****************************************|\n");
    free(row);
}

/* What came in between. A server that left its place and came back counts from nothing. */
static void test_since(void **state)
{
    struct sw_histogram_set *s = calloc(3, sizeof(*s));

    (void)state;
    s[0].of[SW_HG_CLIENT].bucket[7] = 3;
    s[0].ended[SW_WHY_FIN] = 2;
    s[1] = s[0];
    s[1].of[SW_HG_CLIENT].bucket[7] = 5;
    s[1].of[SW_HG_CLIENT].sum = 35;
    s[1].ended[SW_WHY_FIN] = 9;
    s[1].unmeasured = 1;
    sw_histogram_set_since(&s[1], &s[0], &s[2]);
    assert_int_equal(s[2].of[SW_HG_CLIENT].bucket[7], 2);
    assert_int_equal(s[2].of[SW_HG_CLIENT].sum, 35);
    assert_int_equal(s[2].ended[SW_WHY_FIN], 7);
    assert_int_equal(s[2].unmeasured, 1);
    s[1].since_ns = 1;
    s[1].unmeasured = s[0].unmeasured = 5;
    sw_histogram_set_since(&s[1], &s[0], &s[2]);
    assert_memory_equal(&s[2], &s[1], sizeof(s[1]));
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets), cmocka_unit_test(test_quantiles), cmocka_unit_test(test_picture),
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
