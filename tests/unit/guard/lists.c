/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists in a real trie: differences, sources, undoing, taking turns, the hole for IPv4, many entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "guard/lists.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/synward-lists-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static struct sw_cidr cidr(const char *text)
{
    struct sw_cidr c;

    if (sw_cidr_parse(text, &c))
        fail_msg("'%s' is not taken", text);
    return c;
}

static int new_trie(__u32 max)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
    int fd;

    if (geteuid())
        skip();
    fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "test", sizeof(struct sw_cidr), sizeof(__u32), max, &opts);
    assert_true(fd >= 0);
    return fd;
}

/* "10.0.0.0/8 ::/0": sorted, as the functions want it. */
static struct sw_cidrs set_of(const char *words)
{
    struct sw_cidrs cidrs = {0};
    char copy[512], *save, *word;

    snprintf(copy, sizeof(copy), "%s", words);
    for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        struct sw_cidr c = cidr(word);

        assert_int_equal(sw_cidrs_add(&cidrs, &c), 0);
    }
    sw_cidrs_sort(&cidrs);
    return cidrs;
}

/* The trie as text, "10.0.0.0/8=1 ::/0=2". */
static const char *trie(int fd)
{
    static char text[1024];
    struct sw_list_entry *entries;
    char one[SW_CIDR_LEN];
    size_t len, used = 0;

    text[0] = 0;
    assert_int_equal(sw_list_dump(fd, &entries, &len), 0);
    for (size_t i = 0; i < len && used < sizeof(text); i++) {
        sw_cidr_format(&entries[i].cidr, one, sizeof(one));
        used += snprintf(text + used, sizeof(text) - used, "%s%s=%u", i ? " " : "", one, entries[i].from);
    }
    free(entries);
    return text;
}

static int apply(int fd, __u32 source, const char *words, __u32 *len)
{
    struct sw_cidrs cidrs = set_of(words);
    int err = sw_list_apply(fd, source, &cidrs, len);

    sw_cidrs_free(&cidrs);
    return err;
}

static int add(int fd, const char *words, __u32 *len)
{
    struct sw_cidrs cidrs = set_of(words);
    int err = sw_list_add(fd, SW_LIST_COMMAND, &cidrs, len);

    sw_cidrs_free(&cidrs);
    return err;
}

/* The number of those that were not there. */
static int del(int fd, const char *words, __u32 *len)
{
    struct sw_cidrs cidrs = set_of(words), missing = {0};
    int count;

    assert_int_equal(sw_list_del(fd, &cidrs, &missing, len), 0);
    count = missing.len;
    sw_cidrs_free(&missing);
    sw_cidrs_free(&cidrs);
    return count;
}

/* What the kernel side finds for an address: the bits of the longest match, 0: nothing or the hole. */
static __u32 match(int fd, const char *ip)
{
    struct sw_cidr key = cidr(ip);
    __u32 value = 0;

    key.prefixlen = 128;
    return bpf_map_lookup_elem(fd, &key, &value) ? 0 : value;
}

static void test_sources(void **state)
{
    int fd = new_trie(100);
    __u32 len = 99;

    (void)state;
    assert_int_equal(apply(fd, SW_LIST_FILE, "", &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(apply(fd, SW_LIST_OPTION, "10.0.0.0/8 192.0.2.0/24", &len), 0);
    assert_int_equal(apply(fd, SW_LIST_FILE, "10.0.0.0/8 2001:db8::/32 10.0.0.0/9", &len), 0);
    assert_string_equal(trie(fd), "10.0.0.0/8=3 10.0.0.0/9=2 192.0.2.0/24=1 2001:db8::/32=2");
    assert_int_equal(len, 4);
    assert_int_equal(add(fd, "10.0.0.0/9 198.51.100.7", &len), 0);
    assert_string_equal(trie(fd), "10.0.0.0/8=3 10.0.0.0/9=6 192.0.2.0/24=1 198.51.100.7/32=4 2001:db8::/32=2");
    assert_int_equal(len, 5);
    /* the file read again, shorter: what others put there stays */
    assert_int_equal(apply(fd, SW_LIST_FILE, "203.0.113.0/24", &len), 0);
    assert_string_equal(trie(fd), "10.0.0.0/8=1 10.0.0.0/9=4 192.0.2.0/24=1 198.51.100.7/32=4 203.0.113.0/24=2");
    assert_int_equal(len, 5);
    /* whatever its source; 10.0.0.0/10 is covered, but not there */
    assert_int_equal(del(fd, "10.0.0.0/8 10.0.0.0/10 203.0.113.0/24", &len), 1);
    assert_string_equal(trie(fd), "10.0.0.0/9=4 192.0.2.0/24=1 198.51.100.7/32=4");
    assert_int_equal(len, 3);
    /* a file that names it brings it back */
    assert_int_equal(apply(fd, SW_LIST_FILE, "203.0.113.0/24", &len), 0);
    assert_int_equal(match(fd, "203.0.113.9"), SW_LIST_FILE);
    assert_int_equal(apply(fd, SW_LIST_FILE, "", NULL), 0);
    assert_int_equal(len, 4); /* not reported */
    assert_int_equal(match(fd, "203.0.113.9"), 0);
    close(fd);
}

static void test_hole(void **state)
{
    int fd = new_trie(100);
    __u32 len;

    (void)state;
    assert_int_equal(add(fd, "::/0", &len), 0);
    assert_string_equal(trie(fd), "::/0=4");
    assert_int_equal(len, 1);
    assert_int_equal(match(fd, "2001:db8::1"), 4);
    assert_int_equal(match(fd, "10.0.0.1"), 0);
    assert_int_equal(del(fd, "0.0.0.0/0", &len), 1); /* the hole is no entry */
    assert_int_equal(match(fd, "10.0.0.1"), 0);
    assert_int_equal(apply(fd, SW_LIST_FILE, "0.0.0.0/0 ::/90", &len), 0);
    assert_string_equal(trie(fd), "0.0.0.0/0=2 ::/0=4 ::/90=2");
    assert_int_equal(match(fd, "10.0.0.1"), 2);
    assert_int_equal(apply(fd, SW_LIST_FILE, "::/64", &len), 0);
    assert_string_equal(trie(fd), "::/0=4 ::/64=2");
    assert_int_equal(match(fd, "10.0.0.1"), 0);
    assert_int_equal(del(fd, "::/0", &len), 0);
    assert_int_equal(match(fd, "10.0.0.1"), 0); /* ::/64 holds it still */
    assert_int_equal(match(fd, "::7"), 2);
    assert_int_equal(del(fd, "::/64", &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(bpf_map_get_next_key(fd, NULL, &(struct sw_cidr){0}), -ENOENT); /* nothing, no hole either */
    /* neighbours that hold no IPv4 address make none */
    assert_int_equal(add(fd, "::/81 ::8000:0:0/82 ::fffe:0:0/96 8000::/1", &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(apply(fd, SW_LIST_FILE, "::ffff:0:0/96", &len), 0);
    assert_int_equal(del(fd, "::/81 ::fffe:0:0/96 8000::/1 0.0.0.0/0", &len), 0);
    assert_string_equal(trie(fd), "::8000:0:0/82=4");
    close(fd);
}

/* Nothing of a change that does not fit remains, and the length is the old one. */
static void test_full(void **state)
{
    int fd = new_trie(4);
    __u32 len = 0;

    (void)state;
    assert_int_equal(apply(fd, SW_LIST_FILE, "10.0.0.0/8 11.0.0.0/8", &len), 0);
    assert_int_equal(add(fd, "11.0.0.0/8", &len), 0);
    assert_int_equal(apply(fd, SW_LIST_FILE, "11.0.0.0/8 12.0.0.0/8 13.0.0.0/8 14.0.0.0/8", &len), -E2BIG);
    assert_string_equal(trie(fd), "10.0.0.0/8=2 11.0.0.0/8=6");
    assert_int_equal(len, 2);
    assert_int_equal(add(fd, "10.0.0.0/8 12.0.0.0/8 13.0.0.0/8 14.0.0.0/8", &len), -E2BIG);
    assert_string_equal(trie(fd), "10.0.0.0/8=2 11.0.0.0/8=6");
    assert_int_equal(apply(fd, SW_LIST_FILE, "10.0.0.0/8 12.0.0.0/8 13.0.0.0/8", &len), 0);
    assert_string_equal(trie(fd), "10.0.0.0/8=2 11.0.0.0/8=4 12.0.0.0/8=2 13.0.0.0/8=2");
    assert_int_equal(len, 4);
    close(fd);
}

/* A reader never misses an entry that both the old and the new list hold. */
static void test_no_gap(void **state)
{
    int fd = new_trie(1000), status, missed = 0;
    bool a = true;
    __u32 len;
    pid_t pid;

    (void)state;
    assert_int_equal(apply(fd, SW_LIST_FILE, "10.0.0.0/8 11.0.0.0/8 ::/0", &len), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        __u64 end = sw_clock_now() + SW_SECOND / 2;

        while (sw_clock_now() < end)
            missed += !match(fd, "10.1.1.1") || !match(fd, "2001:db8::1") || match(fd, "9.9.9.9");
        _exit(missed != 0);
    }
    while (!waitpid(pid, &status, WNOHANG)) {
        a = !a;
        assert_int_equal(
            apply(fd, SW_LIST_FILE, a ? "10.0.0.0/8 11.0.0.0/8 ::/0" : "10.0.0.0/8 10.0.0.0/9 ::/0 12.0.0.0/8", &len),
            0);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
}

/* Whoever holds the lock for too long is not waited for forever. */
static void test_lock(void **state)
{
    int fd = new_trie(10), held;
    __u64 began;
    __u32 len = 7;

    (void)state;
    assert_int_equal(apply(fd, SW_LIST_FILE, "10.0.0.0/8", &len), 0);
    held = open("/run/synward", O_RDONLY | O_DIRECTORY);
    assert_true(held >= 0);
    assert_int_equal(flock(held, LOCK_EX), 0);
    began = sw_clock_now();
    assert_int_equal(apply(fd, SW_LIST_FILE, "", &len), -EBUSY);
    assert_true(sw_clock_now() - began > SW_SECOND);
    close(held);
    assert_int_equal(len, 1);
    assert_int_equal(apply(fd, SW_LIST_FILE, "", &len), 0);
    assert_int_equal(len, 0);
    close(fd);
}

static double seconds_since(__u64 began)
{
    return (sw_clock_now() - began) / 1e9;
}

/* 100,000 entries, read, loaded, all but the first 1,000 changed, emptied; the bound is for the sanitizers' build */
static void test_many(void **state)
{
    enum { MANY = 100000 };
    int fd = new_trie(SW_LIST_ENTRIES_MAX);
    struct sw_cidrs first, second, none = {0};
    const char *path = in_dir("many");
    char error[256], probe[32];
    __u64 began;
    __u32 len;
    FILE *f;

    (void)state;
    f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < MANY; i++)
        fprintf(f, i % 2 ? "2001:db8:%x:%x::/64\n" : "10.%d.%d.0/24 # %d\n", i >> 9, i >> 1 & 255, i);
    assert_int_equal(fclose(f), 0);
    began = sw_clock_now();
    assert_int_equal(sw_cidrs_read(path, &first, error, sizeof(error)), 0);
    print_message("read %.3f s\n", seconds_since(began));
    assert_int_equal(first.len, MANY);
    began = sw_clock_now();
    assert_int_equal(sw_list_apply(fd, SW_LIST_FILE, &first, &len), 0);
    print_message("applied %.3f s\n", seconds_since(began));
    assert_true(seconds_since(began) < 4);
    assert_int_equal(len, MANY);
    for (int i = 0; i < MANY; i += 2) {
        snprintf(probe, sizeof(probe), "10.%d.%d.77", i >> 9, i >> 1 & 255);
        assert_int_equal(match(fd, probe), SW_LIST_FILE);
    }
    second = (struct sw_cidrs){first.cidr, 1000, 0};
    began = sw_clock_now();
    assert_int_equal(sw_list_apply(fd, SW_LIST_FILE, &second, &len), 0);
    print_message("most removed %.3f s\n", seconds_since(began));
    assert_int_equal(len, 1000);
    assert_int_equal(sw_list_apply(fd, SW_LIST_FILE, &none, &len), 0);
    assert_int_equal(len, 0);
    sw_cidrs_free(&first);
    unlink(path);
    close(fd);
}

/* A /run of our own, so that the lock is held against nobody else. */
static int make_dir(void **state)
{
    (void)state;
    if (!geteuid() && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
                       mount("none", "/run", "tmpfs", 0, NULL)))
        return -1;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(in_dir("many"));
    return rmdir(dir);
}

static void test_from_opts(void **state)
{
    struct sw_list_opts opts = {.cidrs = {"10.0.0.0/8", "::1", "10.0.0.0/8"}, .cidrs_len = 3};
    struct sw_cidrs cidrs;

    (void)state;
    assert_int_equal(sw_cidrs_from_opts(&opts, &cidrs), 0);
    assert_int_equal(cidrs.len, 2);
    sw_cidrs_free(&cidrs);
    opts.cidrs[1] = "::1/8";
    assert_int_equal(sw_cidrs_from_opts(&opts, &cidrs), -EDOM);
    assert_null(cidrs.cidr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),   cmocka_unit_test(test_hole), cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_gap),    cmocka_unit_test(test_lock), cmocka_unit_test(test_many),
        cmocka_unit_test(test_from_opts),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
