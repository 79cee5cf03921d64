/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of an event goes into a command's environment, whatever a stranger has put into it; keys; lines about commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watch/env.h"
#include "watch/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A reader of one line, as it comes from a socket. */
static const struct sw_line *line_of(const char *text, struct sw_ndjson **ret)
{
    const struct sw_line *line;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
    assert_int_equal(write(fds[1], "\n", 1), 1);
    assert_int_equal(sw_ndjson_take(fds[0], ret), 0);
    assert_int_equal(sw_ndjson_next(*ret, &line), 1);
    close(fds[1]);
    return line;
}

static void expect_env(const char *text, const char *want)
{
    struct sw_ndjson *n;
    size_t len, at = 0;
    char *got = sw_watch_env_pack(line_of(text, &n), &len), *shown = calloc(1, len + 1);

    assert_non_null(got);
    assert_non_null(shown);
    for (; at < len; at++)
        shown[at] = got[at] ? got[at] : '|';
    assert_string_equal(shown, want);
    free(shown);
    free(got);
    sw_ndjson_close(n);
}

static void test_env(void **state)
{
    (void)state;
    expect_env(
        "{\"event\":\"guard\",\"n\":18446744073709551615,\"m\":-1,\"b\":true,\"f\":1.5,\"x\":null,\"l\":[1],\"o\":{"
        "\"a\":1}}",
        "SYNWARD_EVENT=guard|SYNWARD_N=18446744073709551615|SYNWARD_M=-1|SYNWARD_B=true|SYNWARD_F=1.5|SYNWARD_X=|");
    expect_env("{}", "");
    /* names that are none */
    expect_env("{\"PATH\":\"/tmp\",\"a=b\":1,\"a-b\":1,\"\":1,\"a b\":1,\"\\u00e9\":1,\"_1\":2}", "SYNWARD__1=2|");
    /* a prefix is what path, ifs and ld_preload become */
    expect_env("{\"path\":\"/tmp\",\"ifs\":\"x\",\"ld_preload\":\"/x.so\"}",
               "SYNWARD_PATH=/tmp|SYNWARD_IFS=x|SYNWARD_LD_PRELOAD=/x.so|");
    /* values: no zero byte, no control character; the rest as it is */
    expect_env("{\"a\":\"x\\u0000y\",\"b\":\"1\\n2\\u001b[0m\\u007f\\u009b3\\u00e9\",\"c\":\"$(id) `id`; ' \\\" =\"}",
               "SYNWARD_B=1?2?[0m??3\xc3\xa9|SYNWARD_C=$(id) `id`; ' \" =|");
}

static void test_env_bounds(void **state)
{
    char *text = malloc(1 << 20), *p = text, *got, **list;
    char *ours[] = {(char *)"PATH=/bin", (char *)"SYNWARD_EVENT=forged", (char *)"SYNWARD_", (char *)"HOME=/", NULL};
    struct sw_ndjson *n;
    size_t len, vars = 0;

    (void)state;
    assert_non_null(text);
    p += sprintf(p, "{\"short\":\"%*s\",\"long\":\"%*s\"", SW_WATCH_VALUE, "v", SW_WATCH_VALUE + 1, "v");
    p += sprintf(p, ",\"%.*s\":1,\"%.*s\":2", SW_WATCH_NAME, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
                 SW_WATCH_NAME + 1, "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm");
    for (int i = 0; i < 2 * SW_WATCH_VARS; i++)
        p += sprintf(p, ",\"k%d\":%d", i, i);
    strcpy(p, "}");
    got = sw_watch_env_pack(line_of(text, &n), &len);
    assert_non_null(got);
    assert_non_null(memmem(got, len, "SYNWARD_SHORT=", 14));
    assert_null(memmem(got, len, "SYNWARD_LONG", 12));
    assert_non_null(memmem(got, len, "SYNWARD_NNNN", 12));
    assert_null(memmem(got, len, "SYNWARD_MMMM", 12));
    list = sw_watch_env_list(ours, got, len);
    assert_non_null(list);
    assert_string_equal(list[0], "PATH=/bin");
    assert_string_equal(list[1], "HOME=/");
    assert_string_equal(list[3] + SW_WATCH_NAME, "NNNNNNNN=1");
    while (list[vars])
        vars++;
    assert_int_equal(vars, 2 + SW_WATCH_VARS);
    free(list);
    free(got);
    free(text);
    sw_ndjson_close(n);
}

static void test_key(void **state)
{
    char *keys[] = {(char *)"service", (char *)"n", (char *)"none", (char *)"b"};
    char ret[SW_WATCH_KEY + 1], text[512];
    struct sw_ndjson *n;

    (void)state;
    assert_true(sw_job_key(line_of("{\"service\":\"[::]:80\",\"n\":7,\"b\":false}", &n), keys, 4, ret));
    assert_string_equal(ret, "[::]:80 7 null false");
    sw_ndjson_close(n);
    /* no value makes the key of others */
    assert_true(sw_job_key(line_of("{\"service\":\"a b\",\"n\":\"c\"}", &n), keys, 2, ret));
    assert_string_equal(ret, "a\\ b c");
    sw_ndjson_close(n);
    assert_true(sw_job_key(line_of("{\"service\":\"a\\\\ b\",\"n\":\"null\"}", &n), keys, 2, ret));
    assert_string_equal(ret, "a\\\\\\ b \\null");
    sw_ndjson_close(n);
    for (int extra = 0; extra < 2; extra++) {
        snprintf(text, sizeof(text), "{\"service\":\"%0*d\"}", SW_WATCH_KEY + extra, 7);
        assert_int_equal(sw_job_key(line_of(text, &n), keys, 1, ret), !extra);
        sw_ndjson_close(n);
    }
}

static struct sw_job *job_of(const char *text, const char *key)
{
    struct sw_ndjson *n;
    const struct sw_line *line = line_of(text, &n);
    struct sw_job *job = sw_job_new(line, text, strlen(text), key);

    assert_non_null(job);
    sw_ndjson_close(n);
    return job;
}

static void test_line(void **state)
{
    struct sw_job *job = job_of("{\"event\":\"guard\",\"seq\":3}", "a\"b\n");
    struct sw_job_end end = {.pid = 5, .status = 7 << 8, .duration_ns = 9};
    char line[SW_JOB_LINE], key[SW_WATCH_KEY + 1];
    size_t len = sw_job_line(job, &end, 1000000002000000003ull, line);

    (void)state;
    assert_int_equal(
        len,
        strlen("{\"schema\":1,\"event\":\"run\",\"ts\":\"2001-09-09T01:46:42.000000003Z\",\"of\":\"guard\",\"seq\":3,"
               "\"key\":\"a\\\"b\\n\",\"dry_run\":false,\"pid\":5,\"status\":7,\"signal\":null,\"timed_out\":false,"
               "\"duration_ns\":9}\n"));
    line[len] = 0;
    assert_string_equal(
        line, "{\"schema\":1,\"event\":\"run\",\"ts\":\"2001-09-09T01:46:42.000000003Z\",\"of\":\"guard\",\"seq\":3,"
              "\"key\":\"a\\\"b\\n\",\"dry_run\":false,\"pid\":5,\"status\":7,\"signal\":null,\"timed_out\":false,"
              "\"duration_ns\":9}\n");
    sw_job_free(job);
    /* the longest */
    memset(key, 1, SW_WATCH_KEY);
    key[SW_WATCH_KEY] = 0;
    job = job_of("{\"event\":"
                 "\"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
                 "\\u0001\\u0001\\u0001\\u0001"
                 "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u"
                 "0001\",\"seq\":18446744073709551615}",
                 key);
    end = (struct sw_job_end){.pid = 0x7fffffff, .status = 9, .timed_out = true, .duration_ns = ~0ull};
    len = sw_job_line(job, &end, 1000000002000000003ull, line);
    assert_in_range(len, 6 * SW_WATCH_KEY, SW_JOB_LINE - 1);
    line[len] = 0;
    assert_non_null(strstr(line, "\"status\":null,\"signal\":9,\"timed_out\":true,"));
    sw_job_free(job);
    sw_job_free(NULL);
}

static void test_dry_line(void **state)
{
    struct sw_job *job = job_of("{\"event\":\"guard\",\"seq\":3,\"to\":\"calm\"}", NULL);
    char *argv[] = {(char *)"a b", (char *)"\"", NULL};
    size_t len;
    char *line = sw_job_dry_line(job, argv, 1000000002000000003ull, &len);

    (void)state;
    assert_string_equal(
        line, "{\"schema\":1,\"event\":\"run\",\"ts\":\"2001-09-09T01:46:42.000000003Z\",\"of\":\"guard\",\"seq\":3,"
              "\"key\":null,\"dry_run\":true,\"argv\":[\"a b\",\"\\\"\"],\"env\":{\"SYNWARD_EVENT\":\"guard\","
              "\"SYNWARD_SEQ\":\"3\",\"SYNWARD_TO\":\"calm\"}}\n");
    assert_int_equal(len, strlen(line));
    free(line);
    sw_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env),  cmocka_unit_test(test_env_bounds), cmocka_unit_test(test_key),
        cmocka_unit_test(test_line), cmocka_unit_test(test_dry_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
