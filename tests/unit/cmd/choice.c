/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which instance a command is about, and what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/exit.h"
#include "cmd/choice.h"

#include <stdlib.h>
#include <string.h>

static struct sw_instance instance(int pid, __u64 netns, const char *a, const char *b)
{
    struct sw_instance inst = {.pid = pid, .netns = netns, .len = b ? 2 : 1};

    snprintf(inst.ifaces[0].name, IF_NAMESIZE, "%s", a);
    snprintf(inst.ifaces[1].name, IF_NAMESIZE, "%s", b ? b : "");
    return inst;
}

static void expect(const struct sw_choice *c, const struct sw_instance *inst, bool fits, bool elsewhere)
{
    assert_int_equal(sw_choice_fits(c, inst), fits);
    assert_int_equal(sw_choice_is_elsewhere(c, inst), elsewhere);
}

static void test_fits(void **state)
{
    const struct sw_instance here = instance(5, 1, "eth0", "eth1"), far = instance(6, 2, "eth0", NULL);
    struct sw_choice c = {.netns = 1};

    (void)state;
    expect(&c, &here, true, false);
    expect(&c, &far, false, true);
    c.iface = "eth1";
    expect(&c, &here, true, false);
    expect(&c, &far, false, false);
    c.iface = "eth"; /* a whole name */
    expect(&c, &here, false, false);
    c.iface = "eth0";
    expect(&c, &far, false, true);
    c.all_namespaces = true;
    expect(&c, &far, true, false);
    c = (struct sw_choice){.netns = 1, .pid = 6}; /* a pid names one, wherever it is */
    expect(&c, &far, true, false);
    expect(&c, &here, false, false);
    c.iface = "eth1";
    expect(&c, &far, false, false);
    c = (struct sw_choice){.netns = 0}; /* unknown: any may be of it */
    expect(&c, &far, true, false);
}

static void expect_text(const struct sw_choice *c, const struct sw_instance *inst, const char *text)
{
    char buf[SW_INSTANCE_TEXT];

    assert_string_equal(sw_instance_text(c, inst, buf), text);
}

static void test_text(void **state)
{
    struct sw_instance here = instance(5, 1, "eth0", "eth1");
    const struct sw_choice c = {.netns = 1}, other = {.netns = 2};

    (void)state;
    expect_text(&c, &here, "pid 5 (eth0, eth1)");
    expect_text(&other, &here, "pid 5 (eth0, eth1; netns 1)");
    strcpy(here.pin, "eth0+eth1");
    expect_text(NULL, &here, "pid 5 (eth0, eth1; netns 1; pins eth0+eth1)");
    here.pid = 1 << 30;
    here.netns = ~0ull;
    here.len = SW_IFACES_MAX; /* the longest */
    for (size_t i = 0; i < here.len; i++)
        strcpy(here.ifaces[i].name, "abcdefghijklmno");
    memset(here.pin, 'p', sizeof(here.pin) - 1);
    expect_text(NULL, &here,
                "pid 1073741824 (abcdefghijklmno, abcdefghijklmno, abcdefghijklmno, abcdefghijklmno, ...; netns "
                "18446744073709551615; pins pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp)");
}

static void test_several(void **state)
{
    struct sw_instance *inst = calloc(64, sizeof(*inst));
    FILE *before = stderr;
    char *said = NULL;
    size_t len = 0;

    (void)state;
    assert_non_null(inst);
    for (int i = 0; i < 64; i++)
        inst[i] = instance(1000 + i, 4026531840, "abcdefghijklmno", NULL);
    stderr = open_memstream(&said, &len);
    assert_int_equal(sw_choice_say_several("guard", inst, 64), SW_EXIT_USAGE);
    fclose(stderr);
    stderr = before;
    assert_non_null(strstr(said, "guard: 64 synwards are there: choose one with --interface or --pid: pid 1000 ("));
    assert_non_null(strstr(said, " more\n")); /* it is one line, and ends well */
    free(said);
    free(inst);
}

static void test_keys(void **state)
{
    const struct sw_instance inst = instance(5, 4026531840, "eth0", "a\"b");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    sw_instance_keys(&inst, out);
    fclose(out);
    assert_string_equal(text, "\"pid\":5,\"netns\":4026531840,\"interfaces\":[\"eth0\",\"a\\\"b\"]");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
