/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/replay_engine.h"
#include "native/tracker.h"

#include <errno.h>
#include <stdlib.h>

struct native {
    struct sw_replay_engine engine;
    sw_replay_record_fn fn;
    void *arg;
};

static int counters(void *unused, __u64 ret[SW_C_MAX])
{
    (void)unused;
    sw_native_counters(ret);
    return 0;
}

static int sweep(void *arg, __u64 now, __u64 flush, struct sw_sweep *ret)
{
    const struct native *n = arg;

    return sw_native_sweep(now, flush, ret, n->fn, n->arg);
}

static int feed(struct sw_replay_engine *engine, const struct sw_frame *frame, __u64 now)
{
    const struct sw_native_frame one = {.data = frame->data, .len = frame->len, .wire = frame->wire};

    (void)engine;
    return sw_native_frame(&one, now);
}

static int read_all(struct sw_replay_engine *engine)
{
    const struct native *n = (void *)engine;

    return sw_native_read(n->fn, n->arg);
}

static void free_all(struct sw_replay_engine *engine)
{
    sw_native_free();
    free(engine);
}

int sw_replay_native(const struct sw_object_opts *opts, sw_replay_record_fn fn, void *arg,
                     struct sw_replay_engine **ret, const char **ret_why)
{
    struct native *n = malloc(sizeof(*n));
    int err = n ? sw_native_new(opts) : -ENOMEM;

    if (err) {
        if (err == -ENOMEM)
            *ret_why = "no memory for tables of that size";
        free(n);
        return err;
    }
    *n = (struct native){.engine = {.source = {.counters = counters, .sweep = sweep, .arg = n},
                                    .feed = feed,
                                    .read = read_all,
                                    .free = free_all},
                         .fn = fn,
                         .arg = arg};
    *ret = &n->engine;
    return 0;
}
