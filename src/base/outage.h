/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A file or pipe that cannot be written for a while: when to try again, and what to warn of, at most once a minute. */
#ifndef SW_BASE_OUTAGE_H
#define SW_BASE_OUTAGE_H

#include <linux/types.h>
#include <stdbool.h>

struct sw_outage {
    const char *what; /* cannot be written */
    int err;          /* why: -errno; 0: it can be */
    bool open;        /* it was warned of, and its end was not yet */
    bool quiet;       /* it began again before it could be warned of again */
    __u64 began, ended, retry, next_warning;
    __u64 lost; /* by the caller's count, when it began */
};

/* It could not be written. lost: how much was lost before; but: what happens meanwhile, for the warning. */
void sw_outage_failed(struct sw_outage *o, int err, __u64 lost, const char *but, __u64 now);

/* Is it time to try again? Each second. */
bool sw_outage_due(const struct sw_outage *o, __u64 now);

/* It was written. */
void sw_outage_over(struct sw_outage *o, __u64 now);

/* Warns of an end, once, with what was lost since it began; lost: by now, unit: of what is counted. */
void sw_outage_log(struct sw_outage *o, __u64 lost, const char *unit, __u64 now);

#endif
