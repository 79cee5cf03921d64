/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who gets a place when there are fewer than listeners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "guard/service_share.h"
#include "synward.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PLACE(class, uid, born)                                                                                        \
    {                                                                                                                  \
        uid, born, SW_SHARE_##class                                                                                    \
    }

enum { ALICE = 1000, BOB = 1001, CAROL = 1002 };

static struct sw_share_newcomer newcomer(enum sw_share_class class, __u32 uid, size_t before)
{
    return (struct sw_share_newcomer){.uid = uid, .class = class, .before = before};
}

/* Eight places: a share is two. */
static void test_a_higher_class_takes_the_lowest(void **state)
{
    const struct sw_share_place places[8] = {PLACE(NAMED, 0, 9),    PLACE(PORT, 0, 9),    PLACE(ROOT, 0, 9),
                                             PLACE(USER, ALICE, 1), PLACE(USER, BOB, 9),  PLACE(USER, ALICE, 3),
                                             PLACE(USER, ALICE, 2), PLACE(USER, CAROL, 9)};
    struct sw_share_place fewer[8];
    static const struct {
        enum sw_share_class class;
        int victim[3]; /* with users, without, and without root too */
    } rows[] = {
        {SW_SHARE_ROOT, {5, -1, -1}},
        {SW_SHARE_PORT, {5, 2, -1}},
        {SW_SHARE_NAMED, {5, 2, 1}},
    };

    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct sw_share_newcomer one = newcomer(rows[i].class, 0, 0);

        assert_int_equal(sw_share_victim(places, 8, &one), rows[i].victim[0]);
        for (int k = 0; k < 8; k++)
            fewer[k] = k < 3 ? places[k] : places[0];
        assert_int_equal(sw_share_victim(fewer, 8, &one), rows[i].victim[1]);
        fewer[2] = places[1];
        fewer[2].born = 8;
        assert_int_equal(sw_share_victim(fewer, 8, &one), rows[i].victim[2]);
    }
}

static void test_what_is_gone_is_first(void **state)
{
    const struct sw_share_place places[8] = {PLACE(USER, ALICE, 1), PLACE(USER, ALICE, 1), PLACE(GONE, 0, 5),
                                             PLACE(USER, ALICE, 1), PLACE(GONE, 0, 6),     PLACE(GONE, BOB, 9),
                                             PLACE(USER, ALICE, 1), PLACE(FREE, 0, 0)};
    struct sw_share_newcomer root = newcomer(SW_SHARE_ROOT, 0, 0), within = newcomer(SW_SHARE_USER, BOB, 1),
                             over = newcomer(SW_SHARE_USER, ALICE, 2);

    (void)state;
    assert_int_equal(sw_share_victim(places, 8, &root), 4); /* two are of uid 0 */
    assert_int_equal(sw_share_victim(places, 8, &within), 4);
    assert_int_equal(sw_share_victim(places, 8, &over), -1); /* it waits until the place is free */
}

static void test_users_share(void **state)
{
    struct sw_share_place places[8] = {PLACE(USER, ALICE, 1), PLACE(USER, ALICE, 1), PLACE(USER, ALICE, 1),
                                       PLACE(USER, BOB, 1),   PLACE(USER, BOB, 1),   PLACE(ROOT, 0, 1),
                                       PLACE(ROOT, 0, 1),     PLACE(PORT, 0, 1)};
    struct sw_share_newcomer carol = newcomer(SW_SHARE_USER, CAROL, 0);

    (void)state;
    assert_int_equal(sw_share_victim(places, 8, &carol), 2); /* the last of Alice's, who has three */
    carol.before = 1;
    assert_int_equal(sw_share_victim(places, 8, &carol), 2);
    carol.before = 2;
    assert_int_equal(sw_share_victim(places, 8, &carol), -1);
    carol.before = 0;
    places[2].uid = CAROL; /* nobody has more than two */
    assert_int_equal(sw_share_victim(places, 8, &carol), -1);
}

static void test_order(void **state)
{
    const struct sw_share_place places[] = {PLACE(USER, BOB, 1), PLACE(USER, BOB, 1), PLACE(USER, CAROL, 1),
                                            PLACE(GONE, ALICE, 1), PLACE(ROOT, ALICE, 1)};
    struct sw_share_newcomer list[] = {
        {0, ALICE, SW_SHARE_USER, 0}, {1, ALICE, SW_SHARE_USER, 0}, {2, ALICE, SW_SHARE_USER, 0},
        {3, BOB, SW_SHARE_USER, 0},   {4, CAROL, SW_SHARE_USER, 0}, {5, 0, SW_SHARE_ROOT, 0},
        {6, ALICE, SW_SHARE_PORT, 0}, {7, 0, SW_SHARE_PORT, 0},     {8, BOB, SW_SHARE_NAMED, 0},
        {9, 0, SW_SHARE_ROOT, 0},
    };
    static const struct {
        size_t index, before;
    } want[] = {{8, 0}, {6, 0}, {7, 0}, {5, 0}, {9, 0}, {0, 0}, {1, 1}, {4, 1}, {2, 2}, {3, 2}};

    (void)state;
    sw_share_order(list, LEN(list), places, LEN(places));
    for (size_t i = 0; i < LEN(want); i++) {
        assert_int_equal(list[i].index, want[i].index);
        assert_int_equal(list[i].before, want[i].before);
    }
    sw_share_order(NULL, 0, places, LEN(places));
}

static void test_most(void **state)
{
    const struct sw_share_place places[] = {PLACE(USER, BOB, 1), PLACE(USER, ALICE, 1), PLACE(USER, BOB, 1),
                                            PLACE(ROOT, ALICE, 1), PLACE(ROOT, ALICE, 1)};
    __u32 uid;

    (void)state;
    assert_int_equal(sw_share_most(places, LEN(places), SW_SHARE_USER, &uid), 2);
    assert_int_equal(uid, BOB);
    assert_int_equal(sw_share_most(places, LEN(places), SW_SHARE_PORT, &uid), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(sw_share_held(places, LEN(places), ALICE), 1);
    assert_int_equal(sw_share_held(places, LEN(places), CAROL), 0);
}

/* Whoever comes, in whatever number and order: it ends, and then nobody has a reason to take from another. */
static void test_it_comes_to_rest(void **state)
{
    enum { PLACES = 32, LISTENERS = 200, USERS = 6 };
    unsigned int seed = 1;

    (void)state;
    for (int run = 0; run < 200; run++) {
        struct sw_share_place places[PLACES] = {0}, of[LISTENERS];
        struct sw_share_newcomer waiting[LISTENERS];
        bool in[LISTENERS] = {false};
        int at[PLACES], changes = 0, round = 0;

        for (int i = 0; i < LISTENERS; i++) {
            __u32 uid = rand_r(&seed) % 3 ? ALICE : BOB + rand_r(&seed) % (USERS - 1);

            of[i] = (struct sw_share_place){uid, 0, rand_r(&seed) % 20 ? SW_SHARE_USER : SW_SHARE_PORT};
        }
        do {
            size_t n = 0;

            changes = 0;
            round++;
            for (int i = 0; i < LISTENERS && i < round * 20; i++)
                if (!in[i])
                    waiting[n++] = (struct sw_share_newcomer){i, of[i].uid, of[i].class, 0};
            sw_share_order(waiting, n, places, PLACES);
            for (size_t k = 0; k < n; k++) {
                int slot = 0;

                while (slot < PLACES && places[slot].class)
                    slot++;
                if (slot == PLACES) {
                    slot = sw_share_victim(places, PLACES, &waiting[k]);
                    if (slot < 0)
                        continue;
                    assert_true(places[slot].class < SW_SHARE_PORT);
                    in[at[slot]] = false;
                }
                places[slot] = of[waiting[k].index];
                places[slot].born = round;
                at[slot] = (int)waiting[k].index;
                in[at[slot]] = true;
                changes++;
            }
            assert_in_range(round, 1, 100);
        } while (changes || round * 20 < LISTENERS);
        for (int i = 0; i < LISTENERS; i++)
            assert_true(in[i] || of[i].class == SW_SHARE_USER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_higher_class_takes_the_lowest),
        cmocka_unit_test(test_what_is_gone_is_first),
        cmocka_unit_test(test_users_share),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_it_comes_to_rest),
    };

    return cmocka_run_group_tests_name("service_share", tests, NULL, NULL);
}
