/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracker in this process: the sources of bpf/, compiled for the host, without a kernel and without privileges.
 * One at a time in a process, for one thread. Times are event time.
 */
#ifndef SW_NATIVE_TRACKER_H
#define SW_NATIVE_TRACKER_H

#include "loader/map_sizes.h"

struct sw_native_frame {
    const void *data;
    __u32 len;  /* captured */
    __u32 wire; /* on the wire */
};

/* Tables of these sizes, which take memory as they fill. 0 or -errno. */
int sw_native_new(const struct sw_object_opts *opts);
void sw_native_free(void); /* also without one */

/* One record of a ring. Returns other than 0 to stop with it. */
typedef int (*sw_native_record_fn)(void *arg, void *record, size_t size);

/* 0, or -ENOMEM: a connection, or a part of its handshake, has found no place. */
int sw_native_frame(const struct sw_native_frame *frame, __u64 now);
/* Also reads the rings, where they are half full. 0, or what fn returned. */
int sw_native_sweep(__u64 now, __u64 flush, struct sw_sweep *ret, sw_native_record_fn fn, void *arg);
void sw_native_counters(__u64 ret[SW_C_MAX]);

/* All records since the last time, in the order of the rings. 0, or what fn returned. */
int sw_native_read(sw_native_record_fn fn, void *arg);

#endif
