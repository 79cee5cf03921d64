/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of filters on a command line, and each mistake with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/exit.h"
#include "config/cli.h"
#include "config/filter_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sw_command command = {
    .name = "test",
    .size = sizeof(struct sw_filter),
    .groups = {{&sw_rules_group, offsetof(struct sw_filter, rules)}, {&sw_view_group, 0}},
};

static struct sw_filter filter;

static void parse(const char *line)
{
    static char copy[4096];
    char *argv[64] = {"test"}, *save, *word;
    int argc = 1;

    memset(&filter, 0, sizeof(filter));
    snprintf(copy, sizeof(copy), "%s", line);
    for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    sw_parse(&command, argc, argv, &filter);
}

static void test_rules(void **state)
{
    static const char line[] = "--port 1-65535 --server 443 --not-port 9000 --not-server 8443 --net 10.0.0.0/8 "
                               "--src ::/0 --dst ::1/128 --not-net 10.9.0.0/16 --not-src 192.0.2.0/24 "
                               "--not-dst 192.0.2.7/32";
    char text[512];
    FILE *out = fmemopen(text, sizeof(text), "w");

    (void)state;
    assert_non_null(out);
    parse(line);
    sw_filter_print(&filter.rules, out);
    fclose(out);
    assert_string_equal(text, line);
}

static void test_view(void **state)
{
    (void)state;
    parse("");
    assert_memory_equal(&filter, &(struct sw_filter){0}, sizeof(filter));
    parse("--state ESTABLISHED,S1 --outcome refused,open --min-bytes 1M --min-handshake 0.25 "
          "--uid C00000000000000000 --uid C00000000000000001");
    assert_int_equal(filter.states, 1u << SW_ST_ESTABLISHED | 1u << (SW_ST_MAX + SW_CS_S1));
    assert_int_equal(filter.outcomes, 1u << SW_WHY_REFUSED | 1u << SW_WHY_NONE);
    assert_int_equal(filter.min_bytes, 1 << 20);
    assert_int_equal(filter.min_handshake_ns, 250000000);
    assert_int_equal(filter.uids_len, 2);
    parse("--outcome=-fin");
    assert_int_equal(filter.outcomes, (1u << SW_WHY_MAX) - 1 - (1u << SW_WHY_FIN));
}

/* Parses in a child, whose line and exit code are looked at. */
static void refused(const char *line, const char *says)
{
    char said[512] = "";
    int fds[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(fds[1], STDERR_FILENO);
        parse(line);
        _exit(0);
    }
    close(fds[1]);
    n = read(fds[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != SW_EXIT_USAGE || !strstr(said, says))
        fail_msg("'%s': exit %d, '%s', not '%s'", line, WEXITSTATUS(status), said, says);
}

static void test_refused(void **state)
{
    (void)state;
    refused("--port 80,http", "test: --port: 'http' is not a port or a range of ports");
    refused("--not-server 1-0", "test: --not-server: '1-0' is not a port or a range of ports");
    refused("--dst 10.0.0.1/8", "test: --dst: 10.0.0.1/8 has bits beyond its prefix (10.0.0.0/8?)");
    refused("--uid X", "test: --uid: 'X' is not a uid");
    refused("--state FOO", "test: --state: there is no state 'FOO'");
    refused("--outcome refused,FOO", "test: --outcome: there is no outcome 'FOO'");
    refused("--min-bytes x", "test: --min-bytes: 'x' is not a number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
