/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ids of containers in paths of cgroups, and patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "owner/container.h"
#include "owner/glob.h"

#include <stdio.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f2e_3.slice/"

static void test_named(void **state)
{
    static const char *const paths[] = {
        "/docker/" ID,
        "/system.slice/docker-" ID ".scope",
        "/system.slice/docker-" ID ".scope/init.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID ".scope",
        POD "cri-containerd-" ID ".scope",
        POD "crio-" ID ".scope",
        POD "docker-" ID ".scope",
        "/kubepods/burstable/pod1f2e-33/" ID,
        "/kubepods/pod1f2e-33/crio-" ID,
        "/machine.slice/libpod-" ID ".scope",
        "/machine.slice/libpod-" ID ".scope/container",
        "/libpod_parent/libpod-" ID,
        "/libpod_parent/" ID,
        "/system.slice/containerd.service/kubepods-burstable-pod1f2e.slice:cri-containerd:" ID,
        "/system.slice/nerdctl-" ID ".scope",
        "/docker/" ID2 "/docker/" ID, /* one within another */
        "/docker/" ID2 "/system.slice/docker-" ID ".scope/x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *id = sw_container_id(paths[i]);

        if (!id || memcmp(id, ID, SW_CONTAINER_LEN) != 0)
            fail_msg("%s: %.64s", paths[i], id ? id : "none");
        assert_true(id > paths[i] && id + SW_CONTAINER_LEN <= paths[i] + strlen(paths[i]));
    }
}

static void test_none(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "/system.slice/nginx.service",
        "/system.slice/docker.service",
        "/" ID,
        "/home/" ID,
        "/docker/" ID "0",
        "/docker/0123",
        "/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "/system.slice/docker-" ID ".service",
        POD "crio-conmon-" ID ".scope",
        "/machine.slice/libpod-conmon-" ID ".scope",
        "/docker/\"\\\n/x",
        "docker",
        "/docker-.scope",
        "/.scope",
        ":cri-containerd:",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (sw_container_id(paths[i]))
            fail_msg("%s: %.64s", paths[i], sw_container_id(paths[i]));
}

static void test_long(void **state)
{
    static char path[100000];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    assert_null(sw_container_id(path));
    for (size_t i = 0; i < sizeof(path) - 1; i += 2)
        path[i] = '/';
    assert_null(sw_container_id(path));
}

static void test_glob(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } rows[] = {
        {"curl", "curl", true},  {"curl", "curl2", false},
        {"curl", "cur", false},  {"", "", true},
        {"", "a", false},        {"*", "", true},
        {"*", "/a/b", true},     {"/a/*", "/a/b/c", true},
        {"/a/*", "/a", false},   {"*.service", "/a.service", true},
        {"*a*b", "aXbYb", true}, {"*a*b", "aXbYc", false},
        {"?", "a", true},        {"?", "", false},
        {"a?c", "abc", true},    {"a\\*", "a*", false},
        {"**a", "bba", true},    {"[a]", "a", false},
    };
    char pattern[256] = "", text[1025];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (sw_glob_match(rows[i].pattern, rows[i].text) != rows[i].fits)
            fail_msg("'%s' '%s': %d", rows[i].pattern, rows[i].text, !rows[i].fits);
    for (int i = 0; i < 120; i++) /* would take for ever if each '*' were tried for each of those before */
        strcat(pattern, "*a");
    strcat(pattern, "b");
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    assert_false(sw_glob_match(pattern, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_glob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
