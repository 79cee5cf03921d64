/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What startup.c and guard.c share. */
#ifndef SW_GUARD_GUARD_STATE_H
#define SW_GUARD_GUARD_STATE_H

#include "base/clock.h"
#include "guard/files.h"
#include "guard/key_schedule.h"
#include "guard/reader.h"
#include "guard/services.h"
#include "guard/translate.h"

#define SW_REFRESH_NS SW_SECOND
#define SW_KEY_NS (3600 * SW_SECOND)
#define SW_KEY_FAULT 400

struct sw_guard_runtime {
    const struct sw_guard_opts *opts;
    struct synward_bpf *obj;
    struct sw_services *services;
    struct sw_guard *guard;      /* mmapped */
    struct sw_guard_files files; /* until they are filled in */
    struct sw_guard_reader reader;
    struct sw_translate translate;
    __s64 clock_offset;
    __u64 next_detect, next_refresh, next_queue, next_known, next_key, next_clock;
    __u64 known_took; /* reading the kernel's sockets */
    struct sw_key_schedule keys;
    struct sw_file_watch key_watch;
    char key_fault[SW_KEY_FAULT]; /* of the key file, as it was warned of last; empty: none */
    bool adopted, keep_keys, clock_said;
    bool refresh_failed, queue_failed, known_failed, detect_failed, key_failed;
};

/* What an epoch counts from: with a shared key it must be the same on all hosts. */
static inline __u64 sw_epoch_offset(const struct sw_guard_runtime *g)
{
    return g->opts->key_file ? (__u64)g->clock_offset : 0;
}

static inline __u64 sw_epoch_now(const struct sw_guard_runtime *g)
{
    return sw_clock_now() + sw_epoch_offset(g);
}

void sw_guard_runtime_report_warnings(struct sw_guard_runtime *g);

/* Logs a failure once, until the next success. */
void sw_guard_runtime_check(int err, bool *failed, const char *what);

#endif
