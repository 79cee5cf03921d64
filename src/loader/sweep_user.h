/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_LOADER_SWEEP_USER_H
#define SW_LOADER_SWEEP_USER_H

#include "synward.h"

struct synward_bpf;

/* As sw_object_sweep. */
int sw_sweep_user(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep);

#endif
