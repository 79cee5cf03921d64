/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths by inode, in a made-up tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "owner/cgroups.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEC 1000000000ull
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char root[64];
static struct sw_cgroups *c;

static __u64 make(const char *path)
{
    char whole[2048];
    struct stat s;

    snprintf(whole, sizeof(whole), "%s%s", root, path);
    assert_int_equal(mkdir(whole, 0700), 0);
    assert_int_equal(stat(whole, &s), 0);
    return s.st_ino;
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/synward-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    return sw_cgroups_new(open(root, O_RDONLY | O_DIRECTORY), &c);
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    sw_cgroups_free(c);
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command);
}

static void is(const struct sw_cgroup *one, const char *path)
{
    assert_non_null(one);
    assert_string_equal(one->path, path);
}

static void test_paths(void **state)
{
    __u64 slice = make("/system.slice"), nginx = make("/system.slice/nginx.service");
    __u64 docker = make("/system.slice/docker-" ID ".scope"), odd = make("/a\"b\\c\n\x80");
    struct stat top;

    (void)state;
    assert_int_equal(stat(root, &top), 0);
    is(sw_cgroups_find(c, nginx, SEC), "/system.slice/nginx.service");
    is(sw_cgroups_find(c, slice, SEC), "/system.slice");
    is(sw_cgroups_find(c, top.st_ino, SEC), "/");
    assert_null(sw_cgroups_find(c, nginx, SEC)->container);
    assert_memory_equal(sw_cgroups_find(c, docker, SEC)->container, ID, 64);
    is(sw_cgroups_find(c, odd, SEC), "/a\"b\\c\n\x80");
    assert_string_equal(sw_cgroups_find(c, odd, SEC)->json, "/a\\\"b\\\\c\\n\xef\xbf\xbd");
    assert_null(sw_cgroups_find(c, 0, SEC));
}

/* What is not there when the tree is walked is not looked for again, what comes later is, and not all the time. */
static void test_later(void **state)
{
    __u64 first = make("/first"), second;
    char path[128];

    (void)state;
    is(sw_cgroups_find(c, first, SEC), "/first");
    second = make("/second");
    assert_null(sw_cgroups_find(c, second, SEC + 1000));
    assert_null(sw_cgroups_find(c, ~0ull, SEC + 1000));
    is(sw_cgroups_find(c, second, 3 * SEC), "/second");
    assert_null(sw_cgroups_find(c, ~0ull, 5 * SEC));
    snprintf(path, sizeof(path), "%s/first", root);
    rmdir(path);
    assert_null(sw_cgroups_find(c, ~0ull - 1, 7 * SEC));
    is(sw_cgroups_find(c, first, 9 * SEC), "/first"); /* a line about its end may come */
}

static void test_bounds(void **state)
{
    char path[2048] = "", name[202];
    __u64 deep = 0, last = 0;
    int n = 0;

    (void)state;
    memset(name, 'x', 200);
    name[0] = '/';
    name[200] = 0;
    while (strlen(path) + 200 < SW_CGROUP_PATH) {
        strcat(path, name);
        last = make(path);
    }
    strcat(path, name);
    deep = make(path);
    path[strlen(path) - 200] = 0;
    is(sw_cgroups_find(c, last, SEC), path);
    assert_null(sw_cgroups_find(c, deep, SEC));       /* too long: not a part of it */
    for (__u64 id = 1ull << 40; n < 40000; id++, n++) /* ids of nothing cannot fill it */
        assert_null(sw_cgroups_find(c, id, (10 + n) * SEC));
    assert_true(sw_cgroups_len(c) < 16384);
    is(sw_cgroups_find(c, last, 100000 * SEC), path);
}

/* A tree that is larger than one walk takes: what is beyond is not known, and none that is there is noted as gone. */
static void test_many(void **state)
{
    char path[32];
    int known = 0;

    (void)state;
    for (int i = 0; i < 9000; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        make(path);
    }
    assert_null(sw_cgroups_find(c, 1ull << 40, SEC));
    assert_int_equal(sw_cgroups_len(c), 8192 + 1); /* the root */
    for (int i = 0; i < 9000; i++) {
        struct stat s;

        snprintf(path, sizeof(path), "%s/%d", root, i);
        assert_int_equal(stat(path, &s), 0);
        known += sw_cgroups_find(c, s.st_ino, SEC) != NULL;
        rmdir(path);
    }
    assert_int_equal(known, 8192);
}

static void test_none(void **state)
{
    struct sw_cgroups *none;

    (void)state;
    assert_int_equal(sw_cgroups_new(-1, &none), 0);
    assert_null(sw_cgroups_find(none, 1, SEC)); /* cgroup v1 only */
    sw_cgroups_free(none);
    sw_cgroups_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
