/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every tests/prog file starts with: cmocka, one loaded object for the group, a fresh talk for each test. */
#ifndef SW_TEST_FIXTURE_H
#define SW_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "talk.h"

static struct bpfrun *run;
static struct talk talk, *const t = &talk;

static inline int fixture_load(const struct sw_object_opts *opts)
{
    int err = bpfrun_new(opts, &run);

    if (err)
        print_error("the BPF object does not load: %s\n", strerror(-err));
    return err ? -1 : 0;
}

static inline int fixture_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    return fixture_load(&opts);
}

static inline int fixture_group_end(void **state)
{
    (void)state;
    bpfrun_free(run);
    run = NULL;
    return 0;
}

static inline int fixture_test(void **state)
{
    (void)state;
    if (bpfrun_reset(run))
        return -1;
    talk_init(t, run, false);
    return 0;
}

/* A test that the form for old kernels cannot pass. */
#define SKIP_OLD(reason)                                                                                               \
    do {                                                                                                               \
        if (bpfrun_old()) {                                                                                            \
            print_message("skip: kernels before 5.18: " reason "\n");                                                  \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

#define TEST(name) static void name(void **state __attribute__((unused)))
#define CASE(name) cmocka_unit_test_setup(name, fixture_test)
#define RUN(cases) cmocka_run_group_tests(cases, fixture_group, fixture_group_end)

#endif
