/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One sweep: expired flows end. */
#ifndef SW_LOADER_SWEEP_H
#define SW_LOADER_SWEEP_H

#include "synward.h"

struct synward_bpf;

/* Runs sw_sweep once, or its replacement for old kernels (sweep_user.c). now 0: kernel clock. 0 or -errno; results in
 * *ret_sweep. */
int sw_object_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep);

/* The tables are those of an earlier process: no connection takes a place of a share before the first sweep has counted
 * them, and half_open has no more room than a full one. */
void sw_object_counts_unknown(struct synward_bpf *obj);

#endif
