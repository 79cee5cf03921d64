/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The most frequent targets: exact while they fit, then within the error that is said, whatever comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/top.h"

#include <stdlib.h>
#include <string.h>

#define TARGETS 5000

static __u64 state = 88172645463325252ULL;

static __u64 next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static unsigned int add(struct sw_top *t, unsigned int target)
{
    __u8 ip[16] = {0x20, 0x01, [12] = target >> 24, target >> 16, target >> 8, target};
    bool new;

    return sw_top_add(t, ip, target % 7, &new);
}

static unsigned int target_of(const struct sw_top_slot *s)
{
    return (unsigned int)s->ip[12] << 24 | s->ip[13] << 16 | s->ip[14] << 8 | s->ip[15];
}

/* Heap and chains are what they should be: each slot is found, and none has a smaller count than its parent. */
static void whole(struct sw_top *t)
{
    unsigned int chained = 0;
    __u64 sum = 0;

    for (unsigned int i = 0; i < t->len; i++) {
        assert_int_equal(t->slot[t->heap[i]].place, i);
        assert_true(!i || t->slot[t->heap[(i - 1) / 2]].count <= t->slot[t->heap[i]].count);
        sum += t->slot[i].count;
    }
    for (int i = 0; i < SW_TOP_CHAINS; i++)
        for (unsigned int at = t->chain[i]; at; at = t->slot[at - 1].next)
            chained++;
    assert_int_equal(chained, t->len);
    assert_int_equal(sum, t->total);
}

static void test_exact(void **state_)
{
    struct sw_top *t = calloc(1, sizeof(*t));
    static __u64 counts[SW_TOP_SLOTS];
    unsigned int best[8];

    (void)state_;
    assert_non_null(t);
    for (int i = 0; i < 100000; i++) {
        unsigned int target = next() % SW_TOP_SLOTS * (next() % SW_TOP_SLOTS) / SW_TOP_SLOTS;

        counts[target]++;
        add(t, target);
    }
    whole(t);
    assert_false(t->over);
    for (unsigned int i = 0; i < t->len; i++) {
        assert_int_equal(t->slot[i].count, counts[target_of(&t->slot[i])]);
        assert_int_equal(t->slot[i].error, 0);
    }
    assert_int_equal(sw_top_best(t, best, 8), 8);
    for (int i = 0; i < 8; i++) {
        unsigned int greater = 0;

        for (int k = 0; k < SW_TOP_SLOTS; k++)
            greater += counts[k] > t->slot[best[i]].count;
        assert_true(greater <= (unsigned int)i);
    }
    free(t);
}

/* More targets than slots, some of them frequent. */
static void test_over(void **state_)
{
    struct sw_top *t = calloc(1, sizeof(*t));
    static __u64 counts[TARGETS];
    unsigned int best[5], present = 0;

    (void)state_;
    assert_non_null(t);
    for (int i = 0; i < 300000; i++) {
        unsigned int target = i % 10 ? next() % TARGETS : next() % 5;

        counts[target]++;
        add(t, target);
    }
    whole(t);
    assert_true(t->over);
    for (unsigned int i = 0; i < t->len; i++) {
        const struct sw_top_slot *s = &t->slot[i];
        __u64 is = counts[target_of(s)];

        assert_in_range(is, s->count - s->error, s->count);
        assert_true(s->error <= t->total / SW_TOP_SLOTS);
    }
    for (unsigned int target = 0; target < TARGETS; target++)
        for (unsigned int i = 0; i < t->len && counts[target] > t->total / SW_TOP_SLOTS; i++)
            present += target_of(&t->slot[i]) == target;
    assert_int_equal(present, 5);
    assert_int_equal(sw_top_best(t, best, 5), 5);
    for (int i = 0; i < 5; i++)
        assert_true(target_of(&t->slot[best[i]]) < 5);
    free(t);
}

static void test_none(void **state_)
{
    struct sw_top *t = calloc(1, sizeof(*t));
    unsigned int best[5];

    (void)state_;
    assert_non_null(t);
    assert_int_equal(sw_top_best(t, best, 5), 0);
    add(t, 7);
    assert_int_equal(sw_top_best(t, best, 5), 1);
    assert_int_equal(best[0], 0);
    assert_int_equal(sizeof(*t) < 64 << 10, 1);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
