/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The line that says that all is attached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ready.h"

#include <stdio.h>
#include <string.h>

static void add(struct sw_hooks *hooks, const char *name, const char *mode, enum sw_egress_kind egress)
{
    struct sw_instance_iface *id = &hooks->ifaces[hooks->len++].id;

    snprintf(id->name, sizeof(id->name), "%s", name);
    snprintf(id->mode, sizeof(id->mode), "%s", mode);
    id->egress = egress;
}

static const char *text(const struct sw_ready *r)
{
    static char ret[SW_READY_TEXT];

    sw_ready_text(r, ret);
    return ret;
}

static void one_interface(void **state)
{
    static struct sw_hooks hooks;
    struct sw_ready r = {.hooks = &hooks};

    (void)state;
    add(&hooks, "eth0", "native", SW_EGRESS_TCX);
    assert_string_equal(text(&r), "following eth0 (native XDP, tcx egress)");
    r.terminal = true;
    r.guard = "auto";
    r.services = 3;
    assert_string_equal(text(&r), "following eth0 (native XDP, tcx egress), guard auto on 3 services; Ctrl-C ends");
    r.services = 1;
    r.pin = "eth0";
    assert_string_equal(text(&r), "following eth0 (native XDP, tcx egress), guard auto on 1 service, pinned as "
                                  "'eth0'; Ctrl-C ends, the programs stay attached");
    r.guard = NULL;
    r.pin = NULL;
    r.duration_ns = 1500000000;
    r.output = "/var/log/x";
    assert_string_equal(text(&r), "following eth0 (native XDP, tcx egress), output to '/var/log/x'; ends after 1.5 s "
                                  "or by Ctrl-C");
    r.metrics = "127.0.0.1:9435";
    r.flow_export = "ipfix://[::1]:4739";
    r.terminal = false;
    assert_string_equal(text(&r), "following eth0 (native XDP, tcx egress), output to '/var/log/x', metrics at "
                                  "127.0.0.1:9435, export to ipfix://[::1]:4739; ends after 1.5 s");
    hooks.ifaces[0].id.shared = true;
    r = (struct sw_ready){.hooks = &hooks, .duration_ns = 1000000000};
    assert_string_equal(text(&r), "following eth0 (native XDP beside other programs, tcx egress); ends after 1 s");
}

static void several(void **state)
{
    static struct sw_hooks hooks;
    const struct sw_ready r = {.hooks = &hooks};

    (void)state;
    add(&hooks, "eth0", "native", SW_EGRESS_TCX);
    add(&hooks, "lo", "generic", SW_EGRESS_NONE);
    add(&hooks, "eth1", "native", SW_EGRESS_TCX);
    assert_string_equal(text(&r), "following eth0 and eth1 (native XDP, tcx egress), lo (generic XDP, no egress hook)");
    add(&hooks, "eth2", "native", SW_EGRESS_TCX);
    assert_string_equal(text(&r),
                        "following eth0, eth1 and eth2 (native XDP, tcx egress), lo (generic XDP, no egress hook)");
}

/* The line has room for any number of them, with the longest names and all else. */
static void many(void **state)
{
    static struct sw_hooks hooks;
    char output[4096];
    const struct sw_ready r = {.hooks = &hooks,
                               .guard = "monitor",
                               .services = 4294967295u,
                               .pin = "a-name-of-31-letters-is-longest",
                               .output = output,
                               .duration_ns = ~0ull,
                               .terminal = true};

    (void)state;
    memset(output, 'x', sizeof(output) - 1);
    output[sizeof(output) - 1] = 0;
    for (int i = 0; i < SW_IFACES_MAX; i++) {
        add(&hooks, "fifteen-letters", i % 2 ? "generic" : "native", i % 3 ? SW_EGRESS_CLSACT : SW_EGRESS_NONE);
        hooks.ifaces[i].id.shared = i % 5;
    }
    assert_non_null(strstr(text(&r), " and 56 more, guard monitor on 4294967295 services"));
    assert_non_null(strstr(text(&r), "or by Ctrl-C, the programs stay attached"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_interface),
        cmocka_unit_test(several),
        cmocka_unit_test(many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
