/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose an end is, as text; hostile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/text_owner.h"

#include <string.h>

static void is(const struct sw_process *process, const struct sw_cgroup *cgroup, const char *want)
{
    char text[SW_TEXT_OWNER];

    *sw_text_owner(text, process, cgroup) = 0;
    assert_string_equal(text, want);
}

static void test_parts(void **state)
{
    const struct sw_cgroup web = {.json = "/system.slice/nginx.service"};
    const struct sw_process one = {.pid = 12, .pids = 1, .comm = "nginx"},
                            more = {.pid = 12, .pids = 4, .comm = "nginx"};

    (void)state;
    is(NULL, NULL, "");
    is(&one, NULL, "nginx[12]");
    is(NULL, &web, "in /system.slice/nginx.service");
    is(&one, &web, "nginx[12] in /system.slice/nginx.service");
    is(&more, &web, "nginx[12] (1 of 4) in /system.slice/nginx.service");
}

static void test_names(void **state)
{
    static const char plain[] = "kworker/0:1@(a)";
    struct sw_process p = {.pid = 1, .pids = 1};

    (void)state;
    memcpy(p.comm, plain, sizeof(plain));
    is(&p, NULL, "kworker/0:1@(a)[1]");
    strcpy(p.comm, "a[2] in /b");
    is(&p, NULL, "\"a[2] in /b\"[1]");
    strcpy(p.comm, "a\"\033[31m\n");
    is(&p, NULL, "\"a\\\"\\u001b[31m\\n\"[1]");
    strcpy(p.comm, "");
    is(&p, NULL, "[1]");
}

/* The longest of everything has room. */
static void test_room(void **state)
{
    char json[SW_CGROUP_JSON + 1], text[SW_TEXT_OWNER];
    const struct sw_cgroup longest = {.json = json};
    struct sw_process p = {.pid = -2147483647 - 1, .pids = ~0u};

    (void)state;
    memset(json, 'x', SW_CGROUP_JSON);
    json[SW_CGROUP_JSON] = 0;
    memset(p.comm, 1, SW_COMM - 1);
    assert_true(sw_text_owner(text, &p, &longest) < text + sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
