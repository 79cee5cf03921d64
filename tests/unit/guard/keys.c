/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Key files, renewal, and that a cookie lives through both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/syncookie.h"
#include "guard/keys.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define EPOCH (1ull << SW_EPOCH_SHIFT)
#define SECOND 1000000000ull
#define START (1000 * EPOCH)
#define OLDER "00112233445566778899aabbccddeeff"
#define NEWER "0F0E0D0C0B0A09080706050403020100"

static char dir[32];

static void (*at_read)(void);

/* Ours comes before the C library's: what a writer does between the parts of a reading. */
ssize_t read(int fd, void *to, size_t len)
{
    ssize_t got = syscall(SYS_read, fd, to, at_read && len > 40 ? 40 : len);

    if (at_read)
        at_read();
    return got;
}

static const char *file_of(const char *text, size_t len, mode_t mode)
{
    static char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "%s/key", dir);
    unlink(path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static int read_text(const char *text, struct sw_key_set *set, char error[128])
{
    return sw_keys_read(file_of(text, strlen(text), 0600), set, NULL, error, 128);
}

TEST(a_file_of_one_key)
{
    struct sw_key_set set;
    char error[128];

    assert_int_equal(read_text("# ours\n\n  " OLDER " # since ever\r\n", &set, error), 0);
    assert_int_equal(set.len, 1);
    assert_int_equal(set.line[0].from, 0);
    assert_true(set.line[0].key[0] == 0x7766554433221100ull);
    assert_true(set.line[0].key[1] == 0xffeeddccbbaa9988ull);
    assert_int_equal(read_text(NEWER, &set, error), 0); /* no newline at the end */
    assert_true(set.line[0].key[0] == 0x08090a0b0c0d0e0full);
    assert_true(set.line[0].key[1] == 0x0001020304050607ull);
}

TEST(two_keys_come_older_first)
{
    struct sw_key_set set;
    char error[128];

    assert_int_equal(read_text("@1800000000\t" NEWER "\n@1700000000 " OLDER "\n", &set, error), 0);
    assert_int_equal(set.len, 2);
    assert_int_equal(set.line[0].from, 1700000000);
    assert_true(set.line[0].key[0] == 0x7766554433221100ull);
    assert_int_equal(set.line[1].from, 1800000000);
    /* without times, and with equal ones, as they stand */
    assert_int_equal(read_text(NEWER "\n" OLDER "\n", &set, error), 0);
    assert_true(set.line[1].key[0] == 0x7766554433221100ull);
}

/* as they stand where they have one time */
TEST(a_day_of_keys_comes_in_order)
{
    char text[65 * 64], *p = text, error[128];
    struct sw_key_set set;

    for (int i = 0; i < 64; i++)
        p += sprintf(p, "@%d %032x\n", 1700000000 + (i * 37 % 64) * 300, 1 + i * 37 % 64);
    assert_int_equal(read_text(text, &set, error), 0);
    assert_int_equal(set.len, 64);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(set.line[i].from, 1700000000 + i * 300);
        assert_true(set.line[i].key[1] == (__u64)(1 + i) << 56);
    }
    sprintf(p, "# and one more\n%032x\n", 99);
    assert_int_equal(read_text(text, &set, error), -EINVAL);
    assert_non_null(strstr(error, ":66: there are more than 64 keys"));
    assert_int_equal(set.len, 0);
}

TEST(bad_files_are_reported_without_their_keys)
{
    static const struct {
        const char *text;
        const char *error; /* after the path */
    } rows[] = {
        {"", ": there is no key in it"},
        {"# nothing\n\n", ": there is no key in it"},
        {"\n" OLDER "0\n", ":2: a key is 32 hexadecimal digits"},
        {"00112233445566778899aabbccddeef\n", ":1: a key is 32 hexadecimal digits"},
        {"00112233445566778899aabbccddeefg\n", ":1: a key is 32 hexadecimal digits"},
        {OLDER " " NEWER "\n", ":1: a key is 32 hexadecimal digits"},
        {"@1700000000 " OLDER "\n" OLDER "\n@1699999701 " NEWER "\n", ":3: keys begin less than 300 seconds apart"},
        {"@1700000299 " NEWER "\n@1700000000 " OLDER "\n", ":2: keys begin less than 300 seconds apart"},
        {"@1700000000 " NEWER "\n@1700000000 " OLDER "\n", ":2: keys begin less than 300 seconds apart"},
        {"@ " OLDER "\n", ":1: @ is followed by seconds since 1970 and a space"},
        {"@17x " OLDER "\n", ":1: @ is followed by seconds since 1970 and a space"},
        {"@-1 " OLDER "\n", ":1: @ is followed by seconds since 1970 and a space"},
        {"@12345678901 " OLDER "\n", ":1: @ is followed by seconds since 1970 and a space"},
        {"@1700000000\n", ":1: @ is followed by seconds since 1970 and a space"},
        {"@1700000000 \n", ":1: @ is followed by seconds since 1970 and a space"},
        {"00000000000000000000000000000000\n", ":1: a key of zeros is none"},
        {"v3:" OLDER "\n", ":1: a key is 32 hexadecimal digits"},
        {"v2: " OLDER "\n", ":1: a key is 32 hexadecimal digits"},
        {"v2:\n", ":1: a key is 32 hexadecimal digits"},
        {"v2:00000000000000000000000000000000\n", ":1: a key of zeros is none"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_key_set set = {.len = 7};
        char error[128] = "";

        assert_int_equal(read_text(rows[i].text, &set, error), -EINVAL);
        assert_int_equal(set.len, 0);
        assert_memory_equal(error, dir, strlen(dir));
        assert_string_equal(error + strlen(dir) + strlen("/key"), rows[i].error);
        assert_null(strstr(error, "00112233"));
    }
}

TEST(versions)
{
    struct sw_key_set set;
    char error[128];
    struct sw_keys k;

    assert_int_equal(read_text(OLDER "\n@1800000000 v2:" NEWER "\n", &set, error), 0);
    assert_int_equal(set.line[0].version, 1);
    assert_int_equal(set.line[1].version, 2);
    assert_true(set.line[1].key[0] == 0x08090a0b0c0d0e0full);
    sw_keys_from_lines(set.line, set.len, START, &k);
    assert_int_equal(k.bound, 2);
    sw_keys_from_lines(set.line, 1, START, &k);
    assert_int_equal(k.bound, 0);
    assert_int_equal(read_text("v2:" OLDER " # all\n@1800000000 " NEWER "\n", &set, error), 0);
    sw_keys_from_lines(set.line, set.len, START, &k);
    assert_int_equal(k.bound, 1);
    assert_int_equal(read_text("v2:" OLDER, &set, error), 0);
    sw_keys_from_lines(set.line, set.len, START, &k);
    assert_int_equal(k.bound, 3);
    assert_int_equal(sw_keys_random(&k, START), 0);
    assert_int_equal(k.bound, 0);
}

/* The same digits of the other version are another key: its fingerprint, and what precedes. */
TEST(a_version_is_a_part_of_the_key)
{
    const __u32 epoch = (__u32)(START / EPOCH);
    const __s64 soon = (__s64)((epoch + 1) * EPOCH / SECOND);
    const struct sw_key_line one = {.key = {1, 2}, .version = 1}, other = {.key = {1, 2}, .version = 2};
    struct sw_keys k;

    assert_int_not_equal(sw_key_fingerprint(&one), sw_key_fingerprint(&other));
    for (int v = 1; v <= 2; v++) {
        struct sw_key_set set = {.line = {v == 1 ? other : one}, .len = 1},
                          same = {.line = {v == 1 ? one : other}, .len = 1};

        sw_keys_from_lines(v == 1 ? &one : &other, 1, START, &k);
        set.line[0].from = same.line[0].from = soon;
        assert_false(sw_keys_precede(&same, &k, START));
        assert_true(sw_keys_precede(&set, &k, START));
        assert_int_equal(set.len, 2);
        assert_int_equal(set.line[0].version, v);
        assert_int_equal(set.line[1].version, 3 - v);
    }
}

TEST(a_nul_byte_and_a_large_file_are_refused)
{
    static const char text[] = OLDER "\0\n";
    struct sw_key_set set;
    char error[128], *big;

    assert_int_equal(sw_keys_read(file_of(text, sizeof(text) - 1, 0600), &set, NULL, error, sizeof(error)), -EINVAL);
    big = calloc(1, 32768);
    memset(big, '#', 32768);
    memcpy(big, OLDER "\n", 33);
    assert_int_equal(sw_keys_read(file_of(big, 32768, 0600), &set, NULL, error, sizeof(error)), -EFBIG);
    assert_non_null(strstr(error, "too large"));
    free(big);
}

TEST(who_may_read_the_file)
{
    static const mode_t bad[] = {0604, 0640, 0620, 0602, 0610};
    struct sw_key_set set;
    char error[128], path[64];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sw_keys_read(file_of(OLDER, 32, bad[i]), &set, NULL, error, sizeof(error)), -EPERM);
        assert_non_null(strstr(error, bad[i] & 044 ? "others can read it" : "others can change it"));
    }
    assert_int_equal(sw_keys_read(file_of(OLDER, 32, 0400), &set, NULL, error, sizeof(error)), 0);
    assert_int_equal(sw_keys_read(dir, &set, NULL, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "not a regular file"));
    snprintf(path, sizeof(path), "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sw_keys_read(path, &set, NULL, error, sizeof(error)), -EINVAL); /* and does not wait */
    unlink(path);
    assert_int_equal(sw_keys_read(path, &set, NULL, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "No such file"));
    if (!geteuid()) {
        const char *theirs = file_of(OLDER, 32, 0600);

        assert_int_equal(chown(theirs, 65534, 65534), 0);
        assert_int_equal(sw_keys_read(theirs, &set, NULL, error, sizeof(error)), -EPERM);
        assert_non_null(strstr(error, "belongs to another user"));
    }
}

static int changes, changes_most;

/* In place, with the same size: half of what was read so far is of the old file. */
static void change_in_place(void)
{
    const char *text = changes % 2 ? OLDER "\n@1700000000 " OLDER "\n" : NEWER "\n@1700000000 " NEWER "\n";
    char path[64];
    int fd;

    if (changes == changes_most)
        return;
    changes++;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* file times have the kernel's tick */
    snprintf(path, sizeof(path), "%s/key", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

TEST(a_file_that_changes_while_it_is_read_is_never_taken_half)
{
    static const char text[] = OLDER "\n@1700000000 " OLDER "\n";
    const char *path = file_of(text, sizeof(text) - 1, 0600);
    struct sw_key_set set;
    struct sw_file_id id, now;
    char error[128];

    at_read = change_in_place;
    for (int most = 1; most < 3; most++) {
        changes = 0;
        changes_most = most;
        assert_int_equal(sw_keys_read(path, &set, &id, error, sizeof(error)), 0);
        assert_int_equal(set.len, 2);
        assert_memory_equal(set.line[0].key, set.line[1].key, 16);
    }
    changes = 0;
    changes_most = 1000; /* it never rests */
    assert_int_equal(sw_keys_read(path, &set, &id, error, sizeof(error)), -EAGAIN);
    assert_non_null(strstr(error, ": changes while it is read"));
    assert_int_equal(set.len, 0);
    at_read = NULL;
    assert_int_equal(sw_keys_read(path, &set, &id, error, sizeof(error)), 0);
    sw_file_id_at(path, &now);
    assert_true(sw_file_id_same(&id, &now));
}

static struct sw_cookie cookie_at(const struct sw_keys *k, __u64 now)
{
    const struct sw_cookie_tuple f = {.src = {1}, .dst = {2}, .sport = 3, .dport = 4, .isn = 5};
    struct sw_cookie_opts o = {.mss = 1460, .wscale = 7, .sack = 1, .ts = 1};
    struct sw_cookie c;

    sw_cookie_make(k, &f, &o, now, &c);
    return c;
}

static enum sw_cookie_result check_at(const struct sw_keys *k, struct sw_cookie c, __u64 now)
{
    const struct sw_cookie_tuple f = {.src = {1}, .dst = {2}, .sport = 3, .dport = 4, .isn = 5};
    struct sw_cookie_opts o;

    return sw_cookie_check(k, &f, c.isn, 1, c.tsval, now, &o);
}

static const struct sw_key_line two[2] = {
    {.key = {1, 2}, .from = 1700000000},
    {.key = {3, 4}, .from = 1700000100},
};

TEST(the_newer_key_of_a_file_counts_from_its_time)
{
    /* the first epoch that begins at that second or later */
    const __u64 from = 1700000100 * SECOND, turn = (from / EPOCH + 1) * EPOCH;
    struct sw_keys k, early, only_old, only_new;

    sw_keys_from_lines(two, 1, turn, &only_old);
    sw_keys_from_lines(two + 1, 1, turn, &only_new);
    sw_keys_from_lines(two, 2, turn + 5 * EPOCH, &k);
    sw_keys_from_lines(two, 2, from - 10 * EPOCH, &early);
    assert_memory_equal(&k, &early, sizeof(k)); /* whenever and wherever it was read */

    assert_int_equal(cookie_at(&k, turn - 1).isn, cookie_at(&only_old, turn - 1).isn);
    assert_int_equal(cookie_at(&k, from).isn, cookie_at(&only_old, from).isn);
    assert_int_not_equal(cookie_at(&k, turn - 1).isn, cookie_at(&only_new, turn - 1).isn);
    assert_int_equal(cookie_at(&k, turn).isn, cookie_at(&only_new, turn).isn);
    assert_int_equal(cookie_at(&k, turn + 9 * EPOCH).isn, cookie_at(&only_new, turn + 9 * EPOCH).isn);
    /* a cookie from before the turn is good after it */
    assert_int_equal(check_at(&k, cookie_at(&k, turn - 1), turn + EPOCH / 2), SW_COOKIE_OK);
    assert_int_equal(check_at(&only_new, cookie_at(&k, turn - 1), turn), SW_COOKIE_BAD);
}

TEST(a_key_that_begins_with_an_epoch_begins_at_once)
{
    /* 2^36 ns times 5^9 are whole seconds */
    const __s64 from = EPOCH / 512;
    struct sw_key_line lines[2] = {{.key = {1, 2}}, {.key = {3, 4}, .from = from}};
    struct sw_keys k;

    assert_true((__u64)from * SECOND % EPOCH == 0);
    sw_keys_from_lines(lines, 2, 0, &k);
    assert_true(k.since == (__u64)from * SECOND / EPOCH);
}

TEST(two_hosts_that_share_a_file_accept_each_others_cookies)
{
    struct sw_key_set a, b;
    struct sw_keys one, other;
    char error[128];
    __u64 now = 1700000500 * SECOND;

    assert_int_equal(read_text("@1700000000 " OLDER "\n@1700000400 " NEWER "\n", &a, error), 0);
    sw_keys_from_lines(a.line, a.len, now, &one);
    assert_int_equal(read_text("@1700000400 " NEWER "\n@1700000000 " OLDER "\n", &b, error), 0);
    sw_keys_from_lines(b.line, b.len, now + 3 * EPOCH, &other);
    for (int i = -8; i < 8; i++)
        assert_int_equal(check_at(&other, cookie_at(&one, now + i * EPOCH), now + i * EPOCH + SECOND), SW_COOKIE_OK);
}

/* The key that makes the cookies of an epoch: what all hosts must agree on. */
static const __u64 *truth(const struct sw_key_line *lines, size_t len, __u32 epoch)
{
    size_t i = len - 1;

    while (i && sw_key_epoch(lines[i].from) > epoch)
        i--;
    return lines[i].key;
}

static void expect_key(const struct sw_keys *k, const struct sw_key_line *lines, size_t len, __u32 epoch)
{
    const __u64 *got = k->key[(__s32)(epoch - k->since) >= 0], *want = truth(lines, len, epoch);

    if (memcmp(got, want, 16))
        fail_msg("epoch %u: key %llu, not %llu", epoch, got[0], want[0]);
}

/* At any time of a day of keys the map has those of all cookies that may be about: of the epoch before the last one,
 * which is only for the drop's reason, to the next one, of a clock that is ahead. So it has a second later. */
static void expect_day(__s64 from, __s64 every, size_t n)
{
    struct sw_key_line lines[SW_KEY_LINES];

    for (size_t i = 0; i < n; i++)
        lines[i] = (struct sw_key_line){.key = {1 + i, 7}, .from = from + i * every};
    for (__u64 s = from - 2 * every; s < (__u64)(from + (n + 2) * every); s++) {
        const __u32 epoch = s * SECOND >> SW_EPOCH_SHIFT, later = (s + 1) * SECOND >> SW_EPOCH_SHIFT;
        struct sw_keys k;

        sw_keys_from_lines(lines, n, s * SECOND, &k);
        for (__u32 e = epoch - 2; e <= later + 1; e++)
            expect_key(&k, lines, n, e);
    }
}

TEST(keys_follow_each_other)
{
    expect_day(1700000000, SW_KEYS_APART, SW_KEY_LINES);
    expect_day(1700000000 + 17, SW_KEYS_APART + 1, 20);
    expect_day(EPOCH / 512, 1000, 7); /* the first begins with an epoch */
    expect_day(1700000000, SW_KEYS_APART, 1);
    expect_day(1700000000, SW_KEYS_APART, 2);
}

/* Nobody has to be there for the next one: a daemon that is stopped changes keys once. */
TEST(the_next_key_waits_in_the_map)
{
    const struct sw_key_line lines[4] = {{.key = {1}},
                                         {.key = {2}, .from = 1700003600},
                                         {.key = {3}, .from = 1700007200},
                                         {.key = {4}, .from = 1700010800}};
    const __u64 now = (1700003600 + 300) * SECOND;
    struct sw_keys k;

    sw_keys_from_lines(lines, 4, now, &k);
    for (__u64 e = now >> SW_EPOCH_SHIFT; e < (1700010800 * SECOND >> SW_EPOCH_SHIFT); e++)
        expect_key(&k, lines, 4, e);
}

TEST(the_fingerprint_is_siphash_of_zero)
{
    /* head -c 8 /dev/zero | openssl mac -macopt hexkey:00112233445566778899aabbccddeeff -macopt size:8 SIPHASH */
    struct sw_key_set set;
    struct sw_key_note notes[2];
    char error[128];

    assert_int_equal(read_text("@1700000000 " OLDER "\n@1800000000 " NEWER "\n", &set, error), 0);
    sw_keys_notes(&set, notes);
    assert_int_equal(notes[0].fingerprint, 0x8b4e1440);
    assert_int_equal(notes[0].since, sw_key_epoch(1700000000));
    assert_int_not_equal(notes[1].fingerprint, notes[0].fingerprint);
    assert_int_equal(sw_key_epoch(0), 0);
}

/* A line was taken out of the file too early: what it made is good as long as it can be. */
TEST(a_key_that_is_gone_from_the_file_counts_until_its_cookies_expire)
{
    const __s64 from = 1700003600;
    const __u32 first = sw_key_epoch(from);
    const struct sw_key_line was[3] = {
        {.key = {1, 1}}, {.key = {2, 2}, .from = from}, {.key = {3, 3}, .from = from + 600}};

    for (__s32 e = -400; e < 6; e++) {
        const __u64 now = ((__u64)(first + e) << SW_EPOCH_SHIFT) + 5;
        struct sw_key_set set = {.line = {was[1], was[2]}, .len = 2};
        struct sw_keys before, k;
        const bool want = e < 2;

        sw_keys_from_lines(was, 3, now, &before);
        assert_int_equal(sw_keys_precede(&set, &before, now), want);
        assert_int_equal(set.len, 2 + want);
        sw_keys_from_lines(set.line, set.len, now, &k);
        for (__u32 i = first + e - 1; i <= first + e + 1; i++)
            expect_key(&k, was, 3, i);
        if (!want)
            continue;
        assert_int_equal(set.line[0].from, 0);
        assert_true(set.line[0].key[0] == 1);
        /* and again, by the next change of the file */
        set = (struct sw_key_set){.line = {was[1], was[2]}, .len = 2};
        assert_true(sw_keys_precede(&set, &k, now));
        assert_true(set.line[0].key[0] == 1);
    }
}

/* One that was withdrawn before it counted does not come back, and one without a time counts at once. */
TEST(a_key_that_is_gone_before_its_time)
{
    const struct sw_key_line was[2] = {{.key = {1, 1}}, {.key = {2, 2}, .from = 1700003600}};
    const __u64 now = 1700000000 * SECOND;
    struct sw_key_set set = {.line = {{.key = {3, 3}, .from = 1700007200}}, .len = 1};
    struct sw_keys before, k;

    sw_keys_from_lines(was, 2, now, &before);
    assert_true(sw_keys_precede(&set, &before, now));
    sw_keys_from_lines(set.line, set.len, now, &k);
    assert_true(k.key[0][0] == 1 && k.key[1][0] == 3 && k.since == sw_key_epoch(1700007200));
    set = (struct sw_key_set){.line = {{.key = {4, 4}}}, .len = 1};
    assert_false(sw_keys_precede(&set, &before, now));
    set = (struct sw_key_set){.line = {{.key = {1, 1}, .from = 1700007200}}, .len = 1};
    assert_false(sw_keys_precede(&set, &before, now)); /* the same key */
    assert_int_equal(set.len, 1);
}

TEST(one_key_is_both_keys)
{
    struct sw_keys k;

    sw_keys_from_lines(two, 1, START, &k);
    assert_memory_equal(k.key[0], two[0].key, 16);
    assert_memory_equal(k.key[1], two[0].key, 16);
    assert_int_equal(check_at(&k, cookie_at(&k, START - 1), START), SW_COOKIE_OK);
}

TEST(random_keys_differ)
{
    struct sw_keys k, other;

    assert_int_equal(sw_keys_random(&k, START), 0);
    assert_int_equal(sw_keys_random(&other, START), 0);
    assert_true(k.key[0][0] && k.key[0][1] && k.key[1][0] && k.key[1][1]);
    assert_memory_not_equal(k.key[0], k.key[1], 16);
    assert_memory_not_equal(k.key[1], other.key[1], 16);
    assert_int_equal(k.since, 1000);
    assert_int_equal(check_at(&k, cookie_at(&k, START), START + EPOCH), SW_COOKIE_OK);
}

TEST(a_renewal_hurts_no_cookie)
{
    struct sw_keys old, k;

    assert_int_equal(sw_keys_random(&k, START), 0);
    for (int round = 1; round < 40; round++) {
        const __u64 now = START + round * 52 * EPOCH + 7 * SECOND;

        old = k;
        assert_int_equal(sw_keys_renew(&k, now), 0);
        assert_memory_not_equal(old.key[1], k.key[1], 16);
        assert_memory_equal(old.key[1], k.key[0], 16);
        /* made before, looked at after; each while it lives */
        for (int ago = 0; ago < 2; ago++)
            for (int later = 0; later + ago < 2; later++)
                assert_int_equal(check_at(&k, cookie_at(&old, now - ago * EPOCH), now + later * EPOCH), SW_COOKIE_OK);
        assert_int_equal(check_at(&k, cookie_at(&old, now - 2 * EPOCH), now), SW_COOKIE_EXPIRED);
        /* another CPU may still make one with the keys as they were */
        assert_int_equal(check_at(&k, cookie_at(&old, now + EPOCH), now + EPOCH), SW_COOKIE_OK);
        assert_int_equal(check_at(&k, cookie_at(&old, now + 2 * EPOCH), now + 2 * EPOCH), SW_COOKIE_BAD);
        for (int i = 0; i < 6; i++)
            assert_int_equal(check_at(&k, cookie_at(&k, now + i * EPOCH), now + (i + 1) * EPOCH), SW_COOKIE_OK);
        old = k;
        assert_int_equal(sw_keys_renew(&k, now + SECOND), -EAGAIN); /* too soon */
        assert_int_equal(sw_keys_renew(&k, now + 3 * EPOCH), -EAGAIN);
        assert_memory_equal(&old, &k, sizeof(k));
    }
}

TEST(install_flips_the_slot)
{
    struct sw_guard guard = {0};
    struct sw_keys a, b, got;
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "keys", sizeof(__u32), sizeof(struct sw_keys), 2, NULL);
    __u32 slot = 1;

    if (fd < 0) {
        assert_true(geteuid() != 0);
        skip();
    }
    assert_int_equal(sw_keys_random(&a, START), 0);
    assert_int_equal(sw_keys_random(&b, START), 0);
    assert_int_equal(sw_keys_install(fd, &guard, &a), 0);
    assert_int_equal(guard.key_slot, 1);
    assert_int_equal(bpf_map_lookup_elem(fd, &slot, &got), 0);
    assert_memory_equal(&got, &a, sizeof(a));
    assert_int_equal(sw_keys_install(fd, &guard, &b), 0);
    assert_int_equal(guard.key_slot, 0);
    assert_int_equal(bpf_map_lookup_elem(fd, &slot, &got), 0);
    assert_memory_equal(&got, &a, sizeof(a)); /* readers may still be there */
    slot = 0;
    assert_int_equal(bpf_map_lookup_elem(fd, &slot, &got), 0);
    assert_memory_equal(&got, &b, sizeof(b));
    close(fd);
    assert_int_equal(sw_keys_install(fd, &guard, &a), -EBADF);
    assert_int_equal(guard.key_slot, 0);
}

TEST(the_process_leaves_no_core)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (!pid) {
        struct rlimit r;

        sw_keys_protect_process();
        _exit(prctl(PR_GET_DUMPABLE) || getrlimit(RLIMIT_CORE, &r) || r.rlim_cur || r.rlim_max);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/sw_keys_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", dir);
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_one_key),
        cmocka_unit_test(two_keys_come_older_first),
        cmocka_unit_test(a_day_of_keys_comes_in_order),
        cmocka_unit_test(bad_files_are_reported_without_their_keys),
        cmocka_unit_test(versions),
        cmocka_unit_test(a_version_is_a_part_of_the_key),
        cmocka_unit_test(a_nul_byte_and_a_large_file_are_refused),
        cmocka_unit_test(who_may_read_the_file),
        cmocka_unit_test(the_newer_key_of_a_file_counts_from_its_time),
        cmocka_unit_test(a_key_that_begins_with_an_epoch_begins_at_once),
        cmocka_unit_test(two_hosts_that_share_a_file_accept_each_others_cookies),
        cmocka_unit_test(a_file_that_changes_while_it_is_read_is_never_taken_half),
        cmocka_unit_test(keys_follow_each_other),
        cmocka_unit_test(the_next_key_waits_in_the_map),
        cmocka_unit_test(the_fingerprint_is_siphash_of_zero),
        cmocka_unit_test(a_key_that_is_gone_from_the_file_counts_until_its_cookies_expire),
        cmocka_unit_test(a_key_that_is_gone_before_its_time),
        cmocka_unit_test(one_key_is_both_keys),
        cmocka_unit_test(random_keys_differ),
        cmocka_unit_test(a_renewal_hurts_no_cookie),
        cmocka_unit_test(install_flips_the_slot),
        cmocka_unit_test(the_process_leaves_no_core),
    };

    return cmocka_run_group_tests_name("keys", tests, make_dir, remove_dir);
}
