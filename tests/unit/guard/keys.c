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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define EPOCH (1ull << SW_EPOCH_SHIFT)
#define SECOND 1000000000ull
#define START (1000 * EPOCH)
#define OLDER "00112233445566778899aabbccddeeff"
#define NEWER "0F0E0D0C0B0A09080706050403020100"

static char dir[32];

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

static int read_text(const char *text, struct sw_key_line lines[2], size_t *len, char error[128])
{
    return sw_keys_read(file_of(text, strlen(text), 0600), lines, len, error, 128);
}

TEST(a_file_of_one_key)
{
    struct sw_key_line lines[2];
    char error[128];
    size_t len;

    assert_int_equal(read_text("# ours\n\n  " OLDER " # since ever\r\n", lines, &len, error), 0);
    assert_int_equal(len, 1);
    assert_int_equal(lines[0].from, 0);
    assert_true(lines[0].key[0] == 0x7766554433221100ull);
    assert_true(lines[0].key[1] == 0xffeeddccbbaa9988ull);
    assert_int_equal(read_text(NEWER, lines, &len, error), 0); /* no newline at the end */
    assert_true(lines[0].key[0] == 0x08090a0b0c0d0e0full);
    assert_true(lines[0].key[1] == 0x0001020304050607ull);
}

TEST(two_keys_come_older_first)
{
    struct sw_key_line lines[2];
    char error[128];
    size_t len;

    assert_int_equal(read_text("@1800000000\t" NEWER "\n@1700000000 " OLDER "\n", lines, &len, error), 0);
    assert_int_equal(len, 2);
    assert_int_equal(lines[0].from, 1700000000);
    assert_true(lines[0].key[0] == 0x7766554433221100ull);
    assert_int_equal(lines[1].from, 1800000000);
    /* without times, and with equal ones, as they stand */
    assert_int_equal(read_text(NEWER "\n" OLDER "\n", lines, &len, error), 0);
    assert_true(lines[1].key[0] == 0x7766554433221100ull);
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
        {OLDER "\n" NEWER "\n#\n" OLDER "\n", ":4: there are more than two keys"},
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
        struct sw_key_line lines[2];
        char error[128] = "";
        size_t len = 7;

        assert_int_equal(read_text(rows[i].text, lines, &len, error), -EINVAL);
        assert_int_equal(len, 0);
        assert_memory_equal(error, dir, strlen(dir));
        assert_string_equal(error + strlen(dir) + strlen("/key"), rows[i].error);
        assert_null(strstr(error, "00112233"));
    }
}

TEST(versions)
{
    struct sw_key_line lines[2];
    char error[128];
    struct sw_keys k;
    size_t len;

    assert_int_equal(read_text(OLDER "\n@1800000000 v2:" NEWER "\n", lines, &len, error), 0);
    assert_int_equal(lines[0].version, 1);
    assert_int_equal(lines[1].version, 2);
    assert_true(lines[1].key[0] == 0x08090a0b0c0d0e0full);
    sw_keys_from_lines(lines, len, START, &k);
    assert_int_equal(k.bound, 2);
    sw_keys_from_lines(lines, 1, START, &k);
    assert_int_equal(k.bound, 0);
    assert_int_equal(read_text("v2:" OLDER " # all\n@1800000000 " NEWER "\n", lines, &len, error), 0);
    sw_keys_from_lines(lines, len, START, &k);
    assert_int_equal(k.bound, 1);
    assert_int_equal(read_text("v2:" OLDER, lines, &len, error), 0);
    sw_keys_from_lines(lines, len, START, &k);
    assert_int_equal(k.bound, 3);
    assert_int_equal(sw_keys_random(&k, START), 0);
    assert_int_equal(k.bound, 0);
}

TEST(a_nul_byte_and_a_large_file_are_refused)
{
    static const char text[] = OLDER "\0\n";
    struct sw_key_line lines[2];
    char error[128], *big;
    size_t len;

    assert_int_equal(sw_keys_read(file_of(text, sizeof(text) - 1, 0600), lines, &len, error, sizeof(error)), -EINVAL);
    big = calloc(1, 8192);
    memset(big, '#', 8192);
    memcpy(big, OLDER "\n", 33);
    assert_int_equal(sw_keys_read(file_of(big, 8192, 0600), lines, &len, error, sizeof(error)), -EFBIG);
    assert_non_null(strstr(error, "too large"));
    free(big);
}

TEST(who_may_read_the_file)
{
    static const mode_t bad[] = {0604, 0640, 0620, 0602, 0610};
    struct sw_key_line lines[2];
    char error[128], path[64];
    size_t len;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sw_keys_read(file_of(OLDER, 32, bad[i]), lines, &len, error, sizeof(error)), -EPERM);
        assert_non_null(strstr(error, bad[i] & 044 ? "others can read it" : "others can change it"));
    }
    assert_int_equal(sw_keys_read(file_of(OLDER, 32, 0400), lines, &len, error, sizeof(error)), 0);
    assert_int_equal(sw_keys_read(dir, lines, &len, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "not a regular file"));
    snprintf(path, sizeof(path), "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sw_keys_read(path, lines, &len, error, sizeof(error)), -EINVAL); /* and does not wait */
    unlink(path);
    assert_int_equal(sw_keys_read(path, lines, &len, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "No such file"));
    if (!geteuid()) {
        const char *theirs = file_of(OLDER, 32, 0600);

        assert_int_equal(chown(theirs, 65534, 65534), 0);
        assert_int_equal(sw_keys_read(theirs, lines, &len, error, sizeof(error)), -EPERM);
        assert_non_null(strstr(error, "belongs to another user"));
    }
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
    struct sw_key_line a[2], b[2];
    struct sw_keys one, other;
    char error[128];
    size_t len;
    __u64 now = 1700000500 * SECOND;

    assert_int_equal(read_text("@1700000000 " OLDER "\n@1700000400 " NEWER "\n", a, &len, error), 0);
    sw_keys_from_lines(a, len, now, &one);
    assert_int_equal(read_text("@1700000400 " NEWER "\n@1700000000 " OLDER "\n", b, &len, error), 0);
    sw_keys_from_lines(b, len, now + 3 * EPOCH, &other);
    for (int i = -8; i < 8; i++)
        assert_int_equal(check_at(&other, cookie_at(&one, now + i * EPOCH), now + i * EPOCH + SECOND), SW_COOKIE_OK);
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
        cmocka_unit_test(bad_files_are_reported_without_their_keys),
        cmocka_unit_test(versions),
        cmocka_unit_test(a_nul_byte_and_a_large_file_are_refused),
        cmocka_unit_test(who_may_read_the_file),
        cmocka_unit_test(the_newer_key_of_a_file_counts_from_its_time),
        cmocka_unit_test(a_key_that_begins_with_an_epoch_begins_at_once),
        cmocka_unit_test(two_hosts_that_share_a_file_accept_each_others_cookies),
        cmocka_unit_test(one_key_is_both_keys),
        cmocka_unit_test(random_keys_differ),
        cmocka_unit_test(a_renewal_hurts_no_cookie),
        cmocka_unit_test(install_flips_the_slot),
        cmocka_unit_test(the_process_leaves_no_core),
    };

    return cmocka_run_group_tests_name("keys", tests, make_dir, remove_dir);
}
