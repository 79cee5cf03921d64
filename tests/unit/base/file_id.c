/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What makes a file another one, and when it is settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

static char dir[32], path[64];

static const char *at(const char *name)
{
    static char text[4][96];
    static int i;
    char *p = text[i++ % 4];

    snprintf(p, sizeof(text[0]), "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool differs(const struct sw_file_id *was)
{
    struct sw_file_id now;

    sw_file_id_at(path, &now);
    return !sw_file_id_same(was, &now);
}

/* As the kubelet has it: FILE -> ..data/FILE, ..data -> ..1, and ..data is renamed over. */
TEST(a_link_that_is_swapped_above_it)
{
    struct sw_file_id id;

    assert_int_equal(mkdir(at("..1"), 0700) | mkdir(at("..2"), 0700), 0);
    put("..1/file", "same");
    put("..2/file", "same");
    assert_int_equal(symlink("..1", at("..data")) | symlink("..data/file", path), 0);
    sw_file_id_at(path, &id);
    assert_int_equal(id.err, 0);
    assert_false(differs(&id));
    assert_int_equal(symlink("..2", at("..tmp")) | rename(at("..tmp"), at("..data")), 0);
    assert_true(differs(&id));
    unlink(at("..1/file"));
    unlink(at("..2/file"));
    rmdir(at("..1"));
    rmdir(at("..2"));
    sw_file_id_at(path, &id);
    assert_int_equal(id.err, -ENOENT);
    unlink(at("..data"));
    unlink(path);
}

TEST(renamed_written_and_given_away)
{
    struct sw_file_id id;

    put("file", "one");
    sw_file_id_at(path, &id);
    put("new", "one");
    assert_int_equal(rename(at("new"), path), 0);
    assert_true(differs(&id));
    sw_file_id_at(path, &id);
    put("file", "longer");
    assert_true(differs(&id));
    sw_file_id_at(path, &id);
    assert_int_equal(chmod(path, 0644), 0);
    assert_true(differs(&id));
    assert_int_equal(chmod(path, 0600), 0);
    sw_file_id_at(path, &id);
    unlink(path);
    assert_true(differs(&id));
}

TEST(what_is_settled)
{
    struct sw_file_watch w = {0};
    const struct sw_file_id one = {.ino = 1}, two = {.ino = 2}, none = {.err = -ENOENT};

    assert_false(sw_file_watch_look(&w, &one, 100, 50));
    assert_false(sw_file_watch_look(&w, &one, 149, 50));
    assert_true(sw_file_watch_look(&w, &one, 150, 50));
    assert_true(sw_file_watch_look(&w, &one, 200, 50)); /* it could not be read: again */
    sw_file_watch_took(&w, &one);
    assert_false(sw_file_watch_look(&w, &one, 300, 50));
    /* it changes again and again, and is gone for a moment */
    assert_false(sw_file_watch_look(&w, &two, 400, 50));
    assert_false(sw_file_watch_look(&w, &none, 450, 50));
    assert_false(sw_file_watch_look(&w, &two, 500, 50));
    assert_false(sw_file_watch_look(&w, &two, 549, 50));
    assert_true(sw_file_watch_look(&w, &two, 550, 50));
    /* as it was taken: nothing is new */
    assert_false(sw_file_watch_look(&w, &one, 600, 50));
    assert_int_equal(w.seen_ns, 0);
    assert_false(sw_file_watch_look(&w, &two, 650, 50));
    assert_true(sw_file_watch_look(&w, &two, 700, 50));
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/sw_file_id_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    strcpy(path, at("file"));
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_is_swapped_above_it),
        cmocka_unit_test(renamed_written_and_given_away),
        cmocka_unit_test(what_is_settled),
    };

    return cmocka_run_group_tests_name("file_id", tests, make_dir, remove_dir);
}
