/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who holds a socket, in a made-up /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "owner/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static int proc;

static void write_file(const char *pid, const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s/%s", root, pid, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void make_process(const char *pid, const char *comm, int started)
{
    char path[128], stat[256];

    snprintf(path, sizeof(path), "%s/%s", root, pid);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/fd", root, pid);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(pid, "comm", comm);
    snprintf(stat, sizeof(stat), "%s (%.*s) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %d 23 24\n", pid,
             (int)strcspn(comm, "\n"), comm, started);
    write_file(pid, "stat", stat);
}

static void make_fd(const char *pid, const char *fd, const char *to)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s/fd/%s", root, pid, fd);
    assert_int_equal(symlink(to, path), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/synward-proc-XXXXXX");
    assert_non_null(mkdtemp(root));
    proc = open(root, O_RDONLY | O_DIRECTORY);
    return proc < 0;
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    close(proc);
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command);
}

static void test_links(void **state)
{
    static const struct {
        const char *text;
        __u64 inode;
    } rows[] = {
        {"socket:[1]", 1},
        {"socket:[662428]", 662428},
        {"socket:[18446744]", 18446744},
        {"socket:[]", 0},
        {"socket:[12", 0},
        {"socket:[12x]", 0},
        {"socket:[-1]", 0},
        {"socket:[1] (deleted)", 0},
        {"pipe:[12]", 0},
        {"/socket:[12]", 0},
        {"socket:", 0},
        {"", 0},
        {"socket:[99999999999999999999999999]", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (sw_socket_link(rows[i].text, strlen(rows[i].text)) != rows[i].inode)
            fail_msg("%s: %llu", rows[i].text, sw_socket_link(rows[i].text, strlen(rows[i].text)));
}

static void test_holders(void **state)
{
    struct sw_holder at[] = {{.inode = 300}, {.inode = 100}, {.inode = 200}, {.inode = 400}};

    (void)state;
    make_process("10", "nginx\n", 50);
    make_process("11", "nginx\n", 40);
    make_process("12", "odd) \"S\n1\n", 60);
    make_fd("10", "3", "socket:[100]");
    make_fd("10", "4", "socket:[100]"); /* dup() */
    make_fd("10", "5", "/dev/null");
    make_fd("10", "6", "socket:[200]");
    make_fd("11", "7", "socket:[200]");
    make_fd("12", "8", "socket:[200]");
    make_fd("12", "9", "socket:[300]");
    assert_int_equal(sw_holders_find(proc, at, 4, ~0ull), 0);
    assert_int_equal(at[0].inode, 100);
    assert_int_equal(at[0].pid, 10);
    assert_int_equal(at[0].pids, 1);
    assert_string_equal(at[0].comm, "nginx");
    assert_int_equal(at[1].pid, 11); /* was started first */
    assert_int_equal(at[1].pids, 3);
    assert_int_equal(at[2].pid, 12);
    assert_string_equal(at[2].comm, "odd) \"S\n1");
    assert_int_equal(at[3].inode, 400);
    assert_int_equal(at[3].pid, 0);
    assert_int_equal(at[3].pids, 0);
    assert_string_equal(at[3].comm, "");
}

static void test_long_name(void **state)
{
    struct sw_holder at[] = {{.inode = 100}};

    (void)state;
    make_process("10", "fifteen-bytes-x\n", 50);
    make_fd("10", "3", "socket:[100]");
    assert_int_equal(sw_holders_find(proc, at, 1, ~0ull), 0);
    assert_string_equal(at[0].comm, "fifteen-bytes-x");
}

/* A process that ends while it is looked at. */
static void test_gone(void **state)
{
    struct sw_holder at[] = {{.inode = 100, .pid = 4711, .pids = 3}};
    char path[128];

    (void)state;
    make_process("10", "nginx\n", 50);
    make_fd("10", "3", "socket:[100]");
    snprintf(path, sizeof(path), "%s/10/stat", root);
    unlink(path);
    assert_int_equal(sw_holders_find(proc, at, 1, ~0ull), 0);
    assert_int_equal(at[0].pid, 0);
    assert_int_equal(at[0].pids, 0);
}

static void test_too_long(void **state)
{
    struct sw_holder at[] = {{.inode = 100}};

    (void)state;
    make_process("10", "nginx\n", 50);
    make_fd("10", "3", "socket:[100]");
    assert_int_equal(sw_holders_find(proc, at, 1, sw_clock_now() - 1), -ETIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
