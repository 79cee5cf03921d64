/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's options, parsed as `run` does, beside the common ones; and each mistake with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/exit.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct both {
    struct sw_common_opts common;
    struct sw_guard_opts guard;
};

static void defaults(void *opts)
{
    struct both *both = opts;

    sw_common_defaults(&both->common, false);
    sw_guard_defaults(&both->guard);
}

static const struct sw_command command = {
    .name = "test",
    .size = sizeof(struct both),
    .defaults = defaults,
    .groups = {{&sw_common_group, offsetof(struct both, common)},
               {&sw_timeout_group, offsetof(struct both, common)},
               {&sw_guard_group, offsetof(struct both, guard)}},
};

/* Words of the command line, split at spaces. */
static void parse(const char *line, struct both *ret)
{
    static char copy[1 << 16];
    char *argv[2048] = {"test"}, *save, *word;
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    sw_parse(&command, argc, argv, ret);
}

static struct both both;

static const struct sw_guard_opts *good(const char *line)
{
    parse(line, &both);
    return &both.guard;
}

static void test_defaults(void **state)
{
    const struct sw_guard_opts *g = good("--seed 7");

    (void)state;
    assert_false(g->given);
    assert_int_equal(g->mode, SW_GM_OFF);
    assert_int_equal(both.common.cid_seed, 7);
    assert_int_equal(g->protect_len, 0);
    assert_int_equal(g->half_open, 1024);
    assert_int_equal(g->syn_rate, 4000);
    assert_true(g->hold_ns == 10 * SW_SECOND && g->grace_ns == 140 * SW_SECOND);
    assert_int_equal(g->limit_source + g->limit_prefix + g->reply_budget, 0);
    assert_int_equal(g->backend, SW_BK_NONE);
    assert_int_equal(g->stray, SW_STRAY_DROP);
    assert_null(g->key_file);
    assert_int_equal(g->wscale, -1);
    assert_int_equal(g->mss, 0);
    assert_null(g->capture_file);
    assert_int_equal(g->capture_bytes, 16 << 20);
    for (int i = 0; i < SW_LISTS; i++)
        assert_true(!g->lists[i].cidrs_len && !g->lists[i].file);
}

static void test_modes(void **state)
{
    (void)state;
    assert_int_equal(good("--guard off")->mode, SW_GM_OFF);
    assert_true(both.guard.given); /* `synward guard` may turn it on later */
    assert_int_equal(good("--guard=monitor")->mode, SW_GM_MONITOR);
    assert_int_equal(good("--guard auto")->mode, SW_GM_AUTO);
    assert_int_equal(good("--guard always")->mode, SW_GM_ALWAYS);
    assert_int_equal(good("--guard off --cookie listener")->backend, SW_BK_LISTENER);
    assert_int_equal(good("--cookie reqsk --guard auto")->backend, SW_BK_REQSK); /* in any order */
    assert_int_equal(good("--guard auto --cookie auto")->backend, SW_BK_NONE);
    assert_int_equal(good("--guard auto --stray reset")->stray, SW_STRAY_RESET);
    assert_int_equal(good("--guard auto --stray drop")->stray, SW_STRAY_DROP);
    assert_int_equal(good("--guard auto")->reverse_path, SW_REVERSE_PATH_AUTO);
    assert_int_equal(good("--guard auto --reverse-path strict")->reverse_path, SW_REVERSE_PATH_STRICT);
    assert_int_equal(good("--guard auto --reverse-path off")->reverse_path, SW_REVERSE_PATH_OFF);
}

static void test_values(void **state)
{
    const struct sw_guard_opts *g =
        good("--engage half-open=10 --hold 0.5 --grace 3 --limit-source 100/s --limit-prefix 2k --reply-budget 50000/s "
             "--key-file k --wscale 0 --mss 536 --capture c.pcapng --capture-size 1M --allow-file a --block-file b "
             "--allow 10.0.0.0/8 --block ::/0 --allow 192.0.2.1 --verbose --guard auto");

    (void)state;
    assert_int_equal(g->half_open, 10);
    assert_int_equal(g->syn_rate, 4000);
    assert_true(g->hold_ns == SW_SECOND / 2 && g->grace_ns == 3 * SW_SECOND);
    assert_int_equal(g->limit_source, 100);
    assert_int_equal(g->limit_prefix, 2048);
    assert_int_equal(g->reply_budget, 50000);
    assert_string_equal(g->key_file, "k");
    assert_int_equal(g->wscale, 0);
    assert_int_equal(g->mss, 536);
    assert_string_equal(g->capture_file, "c.pcapng");
    assert_int_equal(g->capture_bytes, 1 << 20);
    assert_string_equal(g->lists[SW_LIST_ALLOW].file, "a");
    assert_string_equal(g->lists[SW_LIST_BLOCK].file, "b");
    assert_int_equal(g->lists[SW_LIST_ALLOW].cidrs_len, 2);
    assert_string_equal(g->lists[SW_LIST_ALLOW].cidrs[1], "192.0.2.1");
    assert_int_equal(g->lists[SW_LIST_BLOCK].cidrs_len, 1);
    assert_string_equal(g->lists[SW_LIST_BLOCK].cidrs[0], "::/0");
    assert_int_equal(both.common.verbose, 1);
    g = good("--guard auto --engage syn-rate=7,half-open=8 --wscale 14 --mss 65495");
    assert_int_equal(g->half_open, 8);
    assert_int_equal(g->syn_rate, 7);
    assert_int_equal(g->wscale, 14);
    assert_int_equal(g->mss, 65495);
}

static void test_protect(void **state)
{
    static const struct {
        const char *in, *ip;
        __u16 port;
        __u8 any;
    } rows[] = {
        {"80", "::", 80, SW_ANY_4 | SW_ANY_6},
        {"*:443", "::", 443, SW_ANY_4 | SW_ANY_6},
        {"0.0.0.0:1", "::", 1, SW_ANY_4},
        {"[::]:65535", "::", 65535, SW_ANY_6},
        {"[::ffff:0.0.0.0]:22", "::", 22, SW_ANY_4},
        {"192.0.2.1:8080", "::ffff:192.0.2.1", 8080, 0},
        {"[::ffff:192.0.2.1]:8080", "::ffff:192.0.2.1", 8080, 0},
        {"[2001:db8::1]:443", "2001:db8::1", 443, 0},
        {"203.0.113.0/24:80", "::ffff:203.0.113.0", 80, SW_NET + 120},
        {"128.0.0.0/1:80", "::ffff:128.0.0.0", 80, SW_NET + 97},
        {"10.0.0.1/32:80", "::ffff:10.0.0.1", 80, 0},
        {"[2001:db8::]/32:443", "2001:db8::", 443, SW_NET + 32},
        {"[8000::]/1:443", "8000::", 443, SW_NET + 1},
        {"[2001:db8::1]/128:443", "2001:db8::1", 443, 0},
        {"[2001:db8:1111:2222:3333:4444:255.255.255.255]:443", "2001:db8:1111:2222:3333:4444:ffff:ffff", 443, 0},
    };
    static const char *const wrong[] = {"",
                                        "0",
                                        "65536",
                                        "080",
                                        "80x",
                                        "+80",
                                        " 80",
                                        "80 ",
                                        ":80",
                                        "::1:80",
                                        "[::1]80",
                                        "[::1]",
                                        "::1",
                                        "10.0.0.1",
                                        "10.0.0.1:",
                                        "10.0.0:80",
                                        "[10.0.0.1]:80",
                                        "[::1:80",
                                        "::1]:80",
                                        "[]:80",
                                        "[:80",
                                        "**:80",
                                        "localhost:80",
                                        "10.0.0.1:80:80",
                                        "[fe80::1%lo]:80",
                                        "http",
                                        "99999",
                                        "4294967376",
                                        "10.0.0.1/24:80",
                                        "10.0.0.0/33:80",
                                        "10.0.0.0/:80",
                                        "10.0.0.0/8",
                                        "0.0.0.0/0:80",
                                        "[::]/0:80",
                                        "[2001:db8::]/129:80",
                                        "[2001:db8::1]/64:80",
                                        "[2001:db8::/32]:80",
                                        "2001:db8::/32:80",
                                        "[10.0.0.0]/8:80",
                                        "*/8:80",
                                        "/8:80",
                                        "10.0.0.1:-1"};
    struct sw_protect got;
    __u8 ip[16];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (sw_protect_parse(rows[i].in, &got))
            fail_msg("'%s' is not taken", rows[i].in);
        assert_int_equal(inet_pton(AF_INET6, rows[i].ip, ip), 1);
        assert_memory_equal(got.ip, ip, 16);
        assert_int_equal(got.port, rows[i].port);
        assert_int_equal(got.any, rows[i].any);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!sw_protect_parse(wrong[i], &got))
            fail_msg("'%s' is taken", wrong[i]);
    good("--guard auto --protect 80,443,192.0.2.1:80 --protect 80 --protect [::1]:80");
    assert_int_equal(both.guard.protect_len, 4); /* 80 once */
    assert_int_equal(both.guard.protect[1].port, 443);
    assert_int_equal(both.guard.protect[3].port, 80);
}

/* A port after a prefix is of that prefix; an address ends that. */
static void test_gateway(void **state)
{
    const struct sw_guard_opts *o = &both.guard;

    (void)state;
    good("--guard auto --gateway edge --key-file x --protect 203.0.113.0/24:80,443,10.0.0.1:22 --protect "
         "[2001:db8::]/48:443,80 --protect 203.0.113.0/24:443");
    assert_int_equal(o->gateway, SW_GATEWAY_EDGE);
    assert_int_equal(o->protect_len, 5);
    assert_int_equal(o->protect[1].any, SW_NET + 120);
    assert_int_equal(o->protect[1].port, 443);
    assert_int_equal(o->protect[2].any, 0);
    assert_int_equal(o->protect[4].any, SW_NET + 48);
    assert_int_equal(o->protect[4].port, 80);
    assert_int_equal(o->wscale, SW_GATEWAY_WSCALE);
    assert_int_equal(o->window, 65160);
    assert_int_equal(o->ttl, 64);
    good("--guard auto --gateway edge --key-file x --protect 10.0.0.1/32:80,81 --window 1 --ttl 255 --wscale 0");
    assert_int_equal(o->protect_len, 2);
    assert_int_equal(o->protect[1].port, 81);
    assert_int_equal(o->wscale, 0);
    assert_int_equal(o->window, 1);
    good("--guard auto --gateway translate --protect 10.0.0.1/32:80");
    assert_int_equal(o->gateway, SW_GATEWAY_TRANSLATE);
    assert_int_equal(o->gateway_flows, 262144);
    assert_int_equal(o->wscale, SW_GATEWAY_WSCALE);
    assert_int_equal(o->window, 0);
    assert_int_equal(o->drain_ns, 0);
    good("--guard auto --gateway translate --protect 10.0.0.1/32:80 --gateway-flows 1M --gateway-linger 5 "
         "--gateway-idle 10 --gateway-pending 1 --drain 60");
    assert_int_equal(o->gateway_flows, 1 << 20);
    assert_int_equal(o->gateway_idle_ns, 10 * SW_SECOND);
    assert_int_equal(o->drain_ns, 60 * SW_SECOND);
    good("--guard auto --accept --key-file x");
    assert_true(o->accept);
    assert_int_equal(o->gateway, SW_GATEWAY_NONE);
}

/* In a child: one line on stderr, and the exit code for wrong use. */
static void bad(const char *line, const char *says)
{
    char got[1024] = "";
    size_t len = 0;
    ssize_t n;
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        parse(line, &both);
        _exit(99);
    }
    close(fds[1]);
    while ((n = read(fds[0], got + len, sizeof(got) - 1 - len)) > 0)
        len += n;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != SW_EXIT_USAGE)
        fail_msg("'%.200s': status %x, '%s'", line, status, got);
    if (!strstr(got, says) || strncmp(got, "synward: test: ", 15) || strchr(got, '\n') != got + len - 1)
        fail_msg("'%.200s' says '%s', not '%s'", line, got, says);
}

static void test_mistakes(void **state)
{
    static const char *const rows[][2] = {
        {"--guard", "requires an argument"},
        {"--guard on", "--guard: 'on' is none of off, monitor, auto, always"},
        {"--guard Auto", "none of"},
        {"--protect 80", "--protect needs --guard"},
        {"--seed 7 --limit-source 5 --hold 3", "--limit-source needs --guard"}, /* the first of them */
        {"--block 10.0.0.0/8", "--block needs --guard"},
        {"--capture x", "--capture needs --guard"},
        {"--guard auto --protect http", "--protect: 'http' is not [ADDR[/BITS]:]PORT"},
        {"--guard auto --protect 10.0.0.1/8:80", "--protect: '10.0.0.1/8:80' has bits beyond its prefix"},
        {"--guard auto --protect 10.0.0.0/8:80", "a prefix in --protect goes with --gateway"},
        {"--gateway edge", "--gateway needs --guard"},
        {"--guard auto --gateway challenge", "--gateway: 'challenge' is neither edge nor translate"},
        {"--guard auto --gateway translate", "--gateway goes with --protect"},
        {"--guard auto --gateway translate --protect 10.0.0.1:80 --window 5", "--window goes with --gateway edge"},
        {"--guard auto --gateway translate --protect 10.0.0.1:80 --stray reset", "--stray reset does not go with"},
        {"--guard auto --gateway edge --key-file x --protect 10.0.0.1:80 --drain 5",
         "--drain goes with --gateway translate"},
        {"--guard auto --gateway-flows 100", "--gateway-flows goes with --gateway translate"},
        {"--guard auto --gateway translate --protect 10.0.0.1:80 --gateway-flows 15", "--gateway-flows"},
        {"--guard auto --gateway edge --key-file x --protect [::ffff:0:0]/96:80", "'[::ffff:0:0]/96:80' is not"},
        {"--guard auto --gateway edge --key-file x --protect [::ffff:10.0.0.0]/104:80", "/104:80' is not"},
        {"--guard auto --gateway edge --key-file x", "--gateway goes with --protect"},
        {"--guard auto --gateway edge --key-file x --protect 80", "--gateway: port 80 of --protect has no address"},
        {"--guard auto --gateway edge --key-file x --protect [::]:81", "port 81 of --protect has no address"},
        {"--guard auto --gateway edge --key-file x --protect 10.0.0.1:80,81", "port 81 of --protect has no address"},
        {"--guard auto --gateway edge --protect 10.0.0.1:80", "--gateway edge goes with --key-file"},
        {"--guard auto --gateway edge --key-file x --protect 10.0.0.1:80 --accept", "--accept is for the hosts behind"},
        {"--guard auto --gateway edge --key-file x --protect 10.0.0.1:80 --cookie listener",
         "--cookie listener does not"},
        {"--guard auto --gateway edge --key-file x --protect 10.0.0.1:80 --stray reset", "--stray reset does not go"},
        {"--guard auto --accept", "--accept goes with --key-file"},
        {"--guard auto --window 65160", "--window goes with --gateway"},
        {"--guard auto --ttl 64", "--ttl goes with --gateway"},
        {"--guard auto --gateway edge --window 0", "--window: '0' is not a number from 1"},
        {"--guard auto --gateway edge --ttl 256", "--ttl: '256' is not a number from 1"},
        {"--guard auto --protect 80,", "--protect: '' is not"},
        {"--guard auto --protect ::1:80", "--protect: '::1:80' is not"},
        {"--guard auto --protect 80,,81", "--protect: '' is not"},
        {"--guard auto --engage half-open", "--engage: 'half-open' is neither half-open=N nor syn-rate=N"},
        {"--guard auto --engage half-open=0", "--engage half-open: '0' is not a number from 1"},
        {"--guard auto --engage syn-rate=x", "--engage syn-rate: 'x' is not"},
        {"--guard auto --engage half-open=1,", "--engage: '' is neither"},
        {"--guard auto --hold 0", "--hold: '0' is not a number of seconds"},
        {"--guard auto --hold nan", "--hold: 'nan' is not"},
        {"--guard auto --grace -1", "--grace: '-1' is not"},
        {"--guard auto --limit-source 0", "--limit-source: '0' is not"},
        {"--guard auto --limit-source /s", "--limit-source: '/s' is not"},
        {"--guard auto --limit-prefix 5/m", "--limit-prefix: '5/m' is not"},
        {"--guard auto --reply-budget 2000000000", "--reply-budget: '2000000000' is not"},
        {"--guard auto --reply-budget 11111111111111111111111111111111111111111", "is not a number a second"},
        {"--guard auto --cookie none", "--cookie: 'none' is none of auto, reqsk, listener"},
        {"--guard auto --stray rst", "--stray: 'rst' is neither drop nor reset"},
        {"--guard auto --reverse-path loose", "--reverse-path: 'loose' is none of auto, strict, off"},
        {"--guard auto --wscale 15", "--wscale: '15' is not a number from 0 to 14"},
        {"--guard auto --mss 535", "--mss: '535' is not a number from 536 to 65495"},
        {"--guard auto --mss 65496", "--mss: '65496' is not"},
        {"--guard auto --capture a --capture b", "--capture: given twice"},
        {"--guard auto --allow-file a --allow-file b", "--allow-file: given twice"},
        {"--guard auto --capture-size 1M", "--capture-size goes with --capture"},
        {"--guard auto --capture a --capture-size 4095", "--capture-size: '4095' is not"},
        {"--guard auto --key-file=", "--key-file: no file name"},
        {"--guard auto --allow 10.1.2.3/8", "--allow: 10.1.2.3/8 has bits beyond its prefix (10.0.0.0/8?)"},
        {"--guard auto --block ten", "--block: 'ten' is not a CIDR"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        bad(rows[i][0], rows[i][1]);
}

/* Names of before schema 3: refused with the new name, with and without a value, also behind others. */
static void test_renamed(void **state)
{
    static const char *const rows[][2] = {
        {"embryos", "max-half-open"}, {"flows", "max-flows"},       {"handshakes", "syn-cache"},
        {"linger", "close-delay"},    {"no-confine", "no-sandbox"},
    };
    char line[64], says[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(says, sizeof(says), ": --%s is now --%s (try", rows[i][0], rows[i][1]);
        snprintf(line, sizeof(line), "--%s=5", rows[i][0]);
        bad(line, says);
        snprintf(line, sizeof(line), "--seed 7 --%s", rows[i][0]);
        bad(line, says);
    }
    bad("--flush", "unrecognized option '--flush'"); /* of another command than this */
}

/* Eight entries for each half-open connection, unless it is given; never more than the option takes. */
static void test_syn_cache(void **state)
{
    static const struct {
        const char *line;
        __u32 entries;
    } rows[] = {
        {"", 262144},
        {"--max-half-open 1000", 8000},
        {"--syn-cache 5", 5},
        {"--syn-cache 5 --max-half-open 1000", 5},
        {"--max-half-open 1000 --syn-cache 524288", 524288},
        {"--max-half-open 1G", 1u << 30},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good(rows[i].line);
        if (both.common.object.syn_cache_max != rows[i].entries)
            fail_msg("'%s': %u entries, not %u", rows[i].line, both.common.object.syn_cache_max, rows[i].entries);
    }
}

/* As many as there is room for, and one more. */
static void test_too_many(void **state)
{
    static char line[1 << 16];
    size_t used;

    (void)state;
    used = sprintf(line, "--guard auto --protect 1");
    for (int port = 2; port <= SW_PROTECT_MAX; port++)
        used += sprintf(line + used, ",%d", port);
    assert_int_equal(good(line)->protect_len, SW_PROTECT_MAX);
    sprintf(line + used, ",512,1"); /* known ones need no room */
    assert_int_equal(good(line)->protect_len, SW_PROTECT_MAX);
    sprintf(line + used, ",9999");
    bad(line, "--protect: more than 512 services");
    used = sprintf(line, "--guard auto");
    for (int i = 0; i < SW_LIST_OPTS_MAX; i++)
        used += sprintf(line + used, " --block 10.0.0.%d", i);
    assert_int_equal(good(line)->lists[SW_LIST_BLOCK].cidrs_len, SW_LIST_OPTS_MAX);
    sprintf(line + used, " --block 10.0.1.0");
    bad(line, "--block: more than 256 of them; --block-file takes any number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_modes),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_protect),  cmocka_unit_test(test_gateway), cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_renamed), cmocka_unit_test(test_syn_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
