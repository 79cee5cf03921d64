/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/replay_engine.h"
#include "loader/map_reader.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#define FRAME_MAX (72 << 10) /* what a test run takes with frags: a page and 17 more */
#define FRAME_LINEAR 3000    /* and without, before Linux 5.18 */

struct through {
    struct sw_replay_engine engine;
    struct ring_buffer *rings[SW_RINGS];
    struct bpf_test_run_opts run;
    __u32 frame_max; /* longer frames are handed over cut, as a snap length would */
};

static int counters(void *arg, __u64 ret[SW_C_MAX])
{
    const struct through *t = arg;

    return sw_counters_read(bpf_map__fd(t->engine.obj->maps.counters), ret);
}

static int sweep(void *arg, __u64 now, __u64 flush, struct sw_sweep *ret)
{
    const struct through *t = arg;

    t->engine.obj->bss->replay_now = now;
    return sw_object_sweep(t->engine.obj, 0, flush, ret);
}

static int feed(struct sw_replay_engine *engine, const struct sw_frame *frame, __u64 now)
{
    struct through *t = (void *)engine;
    int fd = bpf_program__fd(engine->obj->progs.sw_ingress);

    engine->obj->bss->replay_now = now;
    engine->obj->bss->replay_wire = frame->wire;
    engine->obj->bss->replay_captured = frame->len;
    t->run.data_in = frame->data;
    t->run.data_size_in = frame->len < t->frame_max ? frame->len : t->frame_max;
    t->run.data_size_out = 0; /* the last run left its frame's here, and would be taken for a limit */
    int err = bpf_prog_test_run_opts(fd, &t->run);
    if (err && err != -EINTR && t->run.data_size_in > FRAME_LINEAR) {
        t->frame_max = t->run.data_size_in = FRAME_LINEAR;
        t->run.data_size_out = 0;
        err = bpf_prog_test_run_opts(fd, &t->run);
    }
    return err == -EINTR ? 0 : err; /* before 5.13: it ran, and we were stopped (SIGSTOP, a debugger) meanwhile */
}

static int read_all(struct sw_replay_engine *engine)
{
    const struct through *t = (void *)engine;

    for (int i = 0; i < SW_RINGS; i++) {
        int n = ring_buffer__consume(t->rings[i]);
        if (n < 0)
            return n;
    }
    return 0;
}

static void free_all(struct sw_replay_engine *engine)
{
    struct through *t = (void *)engine;

    for (int i = 0; i < SW_RINGS; i++)
        ring_buffer__free(t->rings[i]);
    sw_object_free(engine->obj);
    free(t);
}

int sw_replay_bpf(const struct sw_object_opts *opts, sw_replay_record_fn fn, void *arg, struct sw_replay_engine **ret,
                  const char **ret_why)
{
    struct through *t = calloc(1, sizeof(*t));
    int err = t ? sw_object_new(opts, &t->engine.obj, ret_why) : -ENOMEM;

    if (err) {
        free(t);
        return err;
    }
    t->engine.source = (struct sw_account_source){.counters = counters, .sweep = sweep, .arg = t};
    t->engine.feed = feed;
    t->engine.read = read_all;
    t->engine.free = free_all;
    t->run = (struct bpf_test_run_opts){.sz = sizeof(t->run), .repeat = 1};
    t->frame_max = FRAME_MAX;
    const struct bpf_map *maps[] = {t->engine.obj->maps.events, t->engine.obj->maps.events_open,
                                    t->engine.obj->maps.events_anomaly};
    for (int i = 0; i < SW_RINGS && !err; i++) {
        t->rings[i] = ring_buffer__new(bpf_map__fd(maps[i]), fn, arg, NULL);
        err = t->rings[i] ? 0 : -errno;
    }
    if (!err) {
        *ret = &t->engine;
        return 0;
    }
    free_all(&t->engine);
    return err;
}
