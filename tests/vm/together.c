/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every program of tests/prog in one process, one after the other: each form of the object is loaded once for all that
 * want the same, not once for each of them. In an emulated machine the verifier takes ten seconds for one.
 */
#include "bpfrun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* their main() functions; the Makefile writes the list */
#define PROG(folder, name) int main_##folder##_##name(void);
#include "together/list.h"
#undef PROG

static int run(const char *name, int (*fn)(void))
{
    if (!strncmp(name, "guard/", 6) && bpfrun_old()) {
        printf("1..0 # SKIP %s: the guard needs kernel 5.18\n", name);
        return 0;
    }
    printf("# %s\n", name);
    fflush(stdout);
    fprintf(stderr, "# %s\n", name);
    return fn() != 0;
}

static bool done;

/* One that calls exit() would take those after it with it. */
static void check_done(void)
{
    if (done)
        return;
    fputs("it ended before its last program\n", stderr);
    _exit(1);
}

int main(void)
{
    int failed = 0;

    atexit(check_done);
    bpfrun_keep(true);
#define PROG(folder, name) failed += run(#folder "/" #name, main_##folder##_##name);
#include "together/list.h"
#undef PROG
    bpfrun_keep(false);
    done = true;
    return failed != 0;
}
