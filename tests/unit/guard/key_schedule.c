/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys in turn, in real maps: which two are in map `keys`, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/key_schedule.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define SECOND 1000000000ull
#define FROM 1700000000ull
#define EVERY 600

static struct sw_key_schedule s;
static struct sw_guard guard;
static int map = -1;

static struct sw_key_set day(size_t n)
{
    struct sw_key_set set = {.len = n};

    for (size_t i = 0; i < n; i++)
        set.line[i] = (struct sw_key_line){.key = {1 + i, 9}, .from = FROM + i * EVERY};
    return set;
}

static void begin(void)
{
    map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "keys", sizeof(__u32), sizeof(struct sw_keys), 2, NULL);
    if (map < 0) {
        assert_true(geteuid() != 0);
        skip();
    }
    memset(&guard, 0, sizeof(guard));
    assert_int_equal(sw_key_schedule_open(&s, map), 0);
}

static void done(void)
{
    sw_key_schedule_close(&s);
    sw_key_schedule_close(&s);
    close(map);
}

static struct sw_keys in_map(void)
{
    __u32 slot = guard.key_slot;
    struct sw_keys k;

    assert_int_equal(bpf_map_lookup_elem(map, &slot, &k), 0);
    return k;
}

static __u64 made_at(__u64 second)
{
    struct sw_keys k = in_map();

    return k.key[(__s32)((__u32)(second * SECOND >> SW_EPOCH_SHIFT) - k.since) >= 0][0];
}

static __u32 print_of(__u64 i)
{
    const __u64 key[2] = {i, 9};

    return sw_key_fingerprint(&(struct sw_key_line){.key = {key[0], key[1]}});
}

/* With a look each second, as the daemon does, and with none for a while. */
TEST(keys_in_turn)
{
    struct sw_key_set set = day(20);

    begin();
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, FROM * SECOND, false, NULL), 0);
    for (__u64 now = FROM; now < FROM + 21 * EVERY; now++) {
        const __u64 key = 1 + (now - FROM) / EVERY;

        assert_int_equal(sw_key_schedule_turn(&s, &guard, now * SECOND), 0);
        if (now % EVERY == (FROM + 100) % EVERY && key <= 20) { /* an epoch has begun since */
            assert_true(made_at(now) == key);
            assert_int_equal(guard.key_notes, key < 20 ? 3 : 2);
        }
        if (now % EVERY == (FROM + 300) % EVERY && key < 19) { /* current, next, and the one after that */
            assert_true(made_at(now) == key);
            assert_true(in_map().key[1][0] == key + 1);
            for (int i = 0; i < 3; i++)
                assert_int_equal(guard.key_note[i].fingerprint, print_of(key + i));
        }
    }
    /* the clock is set, back and ahead */
    assert_int_equal(sw_key_schedule_turn(&s, &guard, (FROM + 300) * SECOND), 0);
    assert_true(made_at(FROM + 300) == 1);
    assert_int_equal(sw_key_schedule_turn(&s, &guard, (FROM + 10 * EVERY + 300) * SECOND), 0);
    assert_true(made_at(FROM + 10 * EVERY + 300) == 11);
    done();
}

TEST(nothing_is_written_without_a_cause)
{
    struct sw_key_set set = day(5);
    __u32 slot;

    begin();
    assert_int_equal(sw_key_schedule_turn(&s, &guard, FROM * SECOND), 0); /* there are none yet */
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, (FROM + 200) * SECOND, false, NULL), 0);
    slot = guard.key_slot;
    for (int i = 0; i < 300; i++)
        assert_int_equal(sw_key_schedule_turn(&s, &guard, (FROM + 200 + i) * SECOND), 0);
    assert_int_equal(guard.key_slot, slot);
    done();
}

TEST(a_file_that_is_read_again)
{
    const __u64 now = (FROM + 2 * EVERY + 300) * SECOND;
    struct sw_key_set set = day(5);
    bool changed = true;
    __u32 slot;

    begin();
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, now, false, NULL), 0);
    slot = guard.key_slot;
    set = day(5);
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, now, true, &changed), 0);
    assert_false(changed);
    assert_int_equal(guard.key_slot, slot);
    set = day(6);
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, now, true, &changed), 0);
    assert_true(changed);
    assert_int_equal(s.len, 6);
    assert_int_equal(s.preceding, 0);
    /* two lines are gone, the one that counts among them, and the first that is left has not begun */
    set = day(6);
    memmove(set.line, set.line + 3, 3 * sizeof(set.line[0]));
    set.len = 3;
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, now, true, &changed), 0);
    assert_true(changed);
    assert_int_equal(s.preceding, 1);
    assert_true(made_at(FROM + 2 * EVERY + 300) == 3);
    assert_int_equal(guard.key_note[0].fingerprint, print_of(3));
    assert_int_equal(guard.key_note[1].fingerprint, print_of(4));
    /* the same file again, also when its first key has begun */
    for (int later = 0; later < EVERY; later += 100) {
        set = day(6);
        memmove(set.line, set.line + 3, 3 * sizeof(set.line[0]));
        set.len = 3;
        assert_int_equal(sw_key_schedule_turn(&s, &guard, now + later * SECOND), 0);
        assert_int_equal(sw_key_schedule_set(&s, &guard, &set, now + later * SECOND, true, &changed), 0);
        assert_false(changed);
    }
    assert_true(made_at(FROM + 3 * EVERY + 250) == 4);
    done();
}

TEST(a_map_that_cannot_be_written)
{
    struct sw_key_set set = day(3);
    int fd;

    begin();
    assert_int_equal(sw_key_schedule_set(&s, &guard, &set, FROM * SECOND, false, NULL), 0);
    fd = s.keys_fd;
    s.keys_fd = -1;
    assert_int_equal(sw_key_schedule_turn(&s, &guard, (FROM + EVERY + 300) * SECOND), -EBADF);
    s.keys_fd = fd;
    assert_int_equal(sw_key_schedule_turn(&s, &guard, (FROM + EVERY + 300) * SECOND), 0);
    assert_true(made_at(FROM + EVERY + 300) == 2);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_in_turn),
        cmocka_unit_test(nothing_is_written_without_a_cause),
        cmocka_unit_test(a_file_that_is_read_again),
        cmocka_unit_test(a_map_that_cannot_be_written),
    };

    return cmocka_run_group_tests_name("key_schedule", tests, NULL, NULL);
}
