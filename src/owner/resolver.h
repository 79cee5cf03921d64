/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process of its own that looks into /proc for the daemon, which may not: it keeps CAP_SYS_PTRACE and
 * CAP_DAC_READ_SEARCH alone, can open files for reading and nothing else, and speaks only with the daemon. It ends
 * with it.
 */
#ifndef SW_OWNER_RESOLVER_H
#define SW_OWNER_RESOLVER_H

#include "owner/processes.h"

#include <stdbool.h>

#define SW_HOLDERS_MAX 512 /* at once */

struct sw_resolver {
    int fd; /* -1: it is gone */
};

/* Starts it. Before the daemon has anything open that others must not keep. 0 or -errno. */
int sw_resolver_start(struct sw_resolver *r, bool sandbox);
void sw_resolver_stop(struct sw_resolver *r);

/* One question at a time. -errno: it is gone. */
int sw_resolver_ask(struct sw_resolver *r, const struct sw_holder *at, size_t len);
/* Waits wait_ms at most. How many it answers, 0: nothing yet, -errno: it is gone. ret has room for SW_HOLDERS_MAX. */
int sw_resolver_answer(struct sw_resolver *r, int wait_ms, struct sw_holder *ret);

#endif
