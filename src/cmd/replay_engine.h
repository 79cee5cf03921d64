/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a replay feeds frames to: the tracker's sources compiled for the host, or the program that a live interface has,
 * by BPF_PROG_TEST_RUN (--through-bpf). Both give each connection the same lines, unless a table is full.
 */
#ifndef SW_CMD_REPLAY_ENGINE_H
#define SW_CMD_REPLAY_ENGINE_H

#include "base/pcap.h"
#include "events/loss.h"
#include "loader/map_sizes.h"

/* One record of a ring. Returns other than 0 to stop with it. */
typedef int (*sw_replay_record_fn)(void *arg, void *record, size_t size);

struct sw_replay_engine {
    struct sw_account_source source;
    /* One frame, at event time now. 0 or -errno. */
    int (*feed)(struct sw_replay_engine *engine, const struct sw_frame *frame, __u64 now);
    /* All records since the last time: what one ring holds happened before what the next one holds. 0, -errno, or what
     * the function returned. */
    int (*read)(struct sw_replay_engine *engine);
    void (*free)(struct sw_replay_engine *engine);
    struct synward_bpf *obj; /* NULL: no BPF */
};

/* 0 or -errno; ret_why gets a static string for the user's line, or stays as it is. */
int sw_replay_native(const struct sw_object_opts *opts, sw_replay_record_fn fn, void *arg,
                     struct sw_replay_engine **ret, const char **ret_why);
int sw_replay_bpf(const struct sw_object_opts *opts, sw_replay_record_fn fn, void *arg, struct sw_replay_engine **ret,
                  const char **ret_why);

#endif
