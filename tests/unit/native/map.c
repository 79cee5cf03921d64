/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps and rings in this process, against a plain list that does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "native/map.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

enum { KEYS = 300 };

struct key {
    __u8 bytes[36];
};

static struct sw_native_map made(enum bpf_map_type type, __u32 key_size, __u32 max)
{
    struct sw_native_map m = {.type = type, .key_size = key_size, .value_size = sizeof(__u64), .max_entries = max};

    assert_int_equal(sw_native_map_init(&m), 0);
    return m;
}

static struct key key_of(__u32 i)
{
    struct key k = {{0}};

    memcpy(k.bytes + 32, &i, sizeof(i));
    return k;
}

static __u64 random_number(void)
{
    static __u64 x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* All operations, in any order: the same results as those of an array by the key's number. */
TEST(hash_is_a_table)
{
    struct sw_native_map m = made(BPF_MAP_TYPE_HASH, sizeof(struct key), KEYS / 2);
    __u64 values[KEYS] = {0}; /* 0: not there */
    __u32 len = 0, full = 0;

    for (int n = 0; n < 100000; n++) {
        __u32 i = random_number() % KEYS;
        __u64 value = n + 1, flags = random_number() % 3, *got;
        struct key k = key_of(i);
        int want;

        switch (random_number() % 4) {
        case 0:
            want = values[i] ? 0 : -ENOENT;
            assert_int_equal(sw_native_map_delete(&m, &k), want);
            len -= !want;
            values[i] = 0;
            break;
        case 1:
            got = sw_native_hash_lookup(&m, &k);
            assert_int_equal(got ? *got : 0, values[i]);
            break;
        default:
            want = values[i] ? (flags == BPF_NOEXIST ? -EEXIST : 0)
                             : (flags == BPF_EXIST     ? -ENOENT
                                : len == m.max_entries ? -E2BIG
                                                       : 0);
            full += want == -E2BIG;
            assert_int_equal(sw_native_map_update(&m, &k, &value, flags), want);
            if (want)
                break;
            len += !values[i];
            values[i] = value;
        }
        assert_int_equal(m.len, len);
    }
    assert_true(full > 100);
    sw_native_map_free(&m);
}

/* A value is where it was until it is deleted, however many come. */
TEST(values_stay_where_they_are)
{
    struct sw_native_map m = made(BPF_MAP_TYPE_HASH, sizeof(struct key), 100000);
    __u64 zero = 0, *at[1000];

    for (__u32 i = 0; i < 1000; i++) {
        struct key k = key_of(i);

        assert_int_equal(sw_native_map_update(&m, &k, &zero, BPF_ANY), 0);
        at[i] = sw_native_hash_lookup(&m, &k);
        *at[i] = i;
    }
    for (__u32 i = 1000; i < 100000; i++) {
        struct key k = key_of(i);

        assert_int_equal(sw_native_map_update(&m, &k, &zero, BPF_NOEXIST), 0);
    }
    for (__u32 i = 0; i < 1000; i++) {
        struct key k = key_of(i);

        assert_ptr_equal(sw_native_hash_lookup(&m, &k), at[i]);
        assert_int_equal(*at[i], i);
    }
    sw_native_map_free(&m);
}

/* The one that was not used for longest goes, and a key that shares no more than its length with another is another. */
TEST(lru_evicts_the_oldest)
{
    struct sw_native_map m = made(BPF_MAP_TYPE_LRU_HASH, sizeof(__u64), 8);
    __u64 key;

    for (key = 1; key <= 8; key++)
        assert_int_equal(sw_native_map_update(&m, &key, &key, BPF_NOEXIST), 0);
    key = 1;
    assert_non_null(sw_native_hash_lookup(&m, &key));
    for (key = 9; key <= 11; key++)
        assert_int_equal(sw_native_map_update(&m, &key, &key, BPF_NOEXIST), 0);
    assert_int_equal(m.len, 8);
    for (key = 1; key <= 11; key++)
        assert_int_equal(!sw_native_hash_lookup(&m, &key), key >= 2 && key <= 4);
    key = 12; /* all were used, so the oldest of them goes */
    assert_int_equal(sw_native_map_update(&m, &key, &key, BPF_NOEXIST), 0);
    assert_int_equal(m.len, 8);
    sw_native_map_free(&m);
}

static long even_go(void *map, const void *key, void *value, void *arg)
{
    __u64 **next = arg;

    *(*next)++ = *(__u64 *)value;
    return *(__u64 *)value % 2 ? 0 : sw_native_map_delete(map, key);
}

/* By age, once each, also when some go meanwhile. */
TEST(walk)
{
    struct sw_native_map m = made(BPF_MAP_TYPE_HASH, sizeof(__u64), 5000);
    __u64 seen[5000], *next = seen;

    for (__u64 key = 0; key < 5000; key++)
        assert_int_equal(sw_native_map_update(&m, &key, &key, BPF_ANY), 0);
    assert_int_equal(sw_native_map_walk(&m, even_go, &next), 5000);
    for (__u64 i = 0; i < 5000; i++)
        assert_int_equal(seen[i], i);
    assert_int_equal(m.len, 2500);
    next = seen;
    assert_int_equal(sw_native_map_walk(&m, even_go, &next), 2500);
    for (__u64 i = 0; i < 2500; i++)
        assert_int_equal(seen[i], 2 * i + 1);
    sw_native_map_free(&m);
}

TEST(array_is_zero_and_ends)
{
    struct sw_native_map m = made(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), 3);
    __u64 *last = sw_native_array_lookup(&m, 2);

    assert_int_equal(*last, 0);
    assert_ptr_equal(last, (__u64 *)sw_native_array_lookup(&m, 0) + 2);
    assert_null(sw_native_array_lookup(&m, 3));
    sw_native_map_free(&m);
}

struct heard {
    int n, stop_at;
    __u64 first[8];
    size_t size[8];
};

static int hear(void *arg, void *record, size_t size)
{
    struct heard *h = arg;

    h->size[h->n] = size;
    h->first[h->n] = *(__u64 *)record;
    h->n++;
    return h->n == h->stop_at ? -EPIPE : 0;
}

/* As the kernel's: eight bytes more a record, never quite full, and empty once it was read. */
TEST(ring)
{
    struct sw_native_map m = {.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4096};
    struct heard h = {0};
    __u64 *record;

    assert_int_equal(sw_native_map_init(&m), 0);
    assert_null(sw_native_ring_reserve(&m, 4088)); /* with its eight bytes it would be full */
    for (__u64 i = 1; i <= 3; i++) {
        record = sw_native_ring_reserve(&m, 1000 + i);
        assert_non_null(record);
        *record = i;
    }
    assert_int_equal(m.used, 1016 * 3);
    assert_null(sw_native_ring_reserve(&m, 1040));
    assert_non_null(sw_native_ring_reserve(&m, 1032));
    assert_int_equal(sw_native_ring_read(&m, hear, &h), 0);
    assert_int_equal(h.n, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(h.first[i], i + 1);
        assert_int_equal(h.size[i], 1001 + i);
    }
    assert_int_equal(m.used, 0);
    for (int i = 0; i < 3; i++)
        assert_non_null(sw_native_ring_reserve(&m, 100));
    h = (struct heard){.stop_at = 2};
    assert_int_equal(sw_native_ring_read(&m, hear, &h), -EPIPE);
    assert_int_equal(h.n, 2);
    sw_native_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_a_table),        cmocka_unit_test(values_stay_where_they_are),
        cmocka_unit_test(lru_evicts_the_oldest),  cmocka_unit_test(walk),
        cmocka_unit_test(array_is_zero_and_ends), cmocka_unit_test(ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
