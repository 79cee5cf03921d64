/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --metrics-file: written beside its place and renamed, so that who reads it finds all or the one before. Relative to
 * its directory, which is held open: that is what the sandbox allows. A failure is counted, warned of as an outage is,
 * and tried again; it ends nothing.
 */
#ifndef SW_METRICS_FILE_H
#define SW_METRICS_FILE_H

#include "base/outage.h"

#include <stddef.h>

struct sw_metrics_file {
    int dir;        /* O_PATH */
    char name[256]; /* in it */
    char new[256];  /* the one that becomes it */
    __u64 interval, next;
    __u64 failures, written;
    struct sw_outage outage;
};

/* That it can be written is tried. 0 or -errno; *ret is for sw_metrics_file_free. */
int sw_metrics_file_open(const char *path, __u64 interval_ns, struct sw_metrics_file **ret);
/* Removes the file, if it was written: nobody would keep it up to date. NULL is fine. */
void sw_metrics_file_free(struct sw_metrics_file *f);

bool sw_metrics_file_due(const struct sw_metrics_file *f, __u64 now_ns);
/* text NULL: there is none, because of err. */
void sw_metrics_file_write(struct sw_metrics_file *f, const char *text, size_t len, int err, __u64 now_ns);

#endif
