/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sweep for kernels without map iteration: finds expired flows here, and ends each one in the kernel. */
#include "loader/sweep_user.h"
#include "base/clock.h"
#include "synward.skel.h"
#include "synward_filter.h"
#include "tcp/timeouts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

enum { BATCH = 512 };

/* What one look at a map brings; a sweep of this process at a time. */
static struct sw_key keys[BATCH];
static struct sw_flow found[BATCH];

/* As of struct sw_filter_map, for which the sweep in the kernel keeps them. */
static struct sw_filter_map filter;
static __u32 swept, passes;

struct walk {
    struct synward_bpf *obj;
    bool all; /* the filter was changed: sw_expire looks at each flow */
    const struct sw_config *cfg;
    __u64 now, flush;
    struct sw_sweep result;
};

static bool is_due(const struct walk *w, const struct sw_flow *f)
{
    if (w->all || sw_expiry(f, w->cfg, w->now, w->flush) != SW_WHY_NONE)
        return true;
    return w->cfg->update_interval && f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_ENDED) &&
           w->now >= f->update_ns + w->cfg->update_interval;
}

/* sw_expire checks the flow again. 1: it is still there, 0: it is gone, or -errno. */
static int expire(struct walk *w, const struct sw_key *key)
{
    char packet[14 + sizeof(*key)] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));

    memcpy(packet + 14, key, sizeof(*key));
    if (bpf_prog_test_run_opts(bpf_program__fd(w->obj->progs.sw_expire), &run))
        return errno == EINTR ? 1 : -errno; /* before 5.13: it ran, and we were stopped meanwhile; seen by the next */
    return run.retval == 1;
}

static int one(struct walk *w, const struct sw_key *key, const struct sw_flow *f, __u64 *seen)
{
    __u64 at;
    int still;

    if (is_due(w, f)) {
        still = expire(w, key);
        if (still < 0)
            return still;
        *seen += still;
        return 0;
    }
    *seen += 1;
    if (!(f->flags & SW_F_ENDED) && f->flags & SW_F_IN_FLOWS)
        w->result.established++;
    if (f->flags & SW_F_OPENING_DEFERRED)
        w->result.deferred++;
    at = sw_expiry_at(f, w->cfg);
    if (at < w->result.next)
        w->result.next = at;
    return 0;
}

static int map(struct walk *w, const struct bpf_map *map, __u64 *seen)
{
    __u32 token[2] = {0}, *from = NULL, n, most = bpf_map__max_entries(map), all = 0;
    bool last = false;
    int err;

    while (!last && all <= 2 * most) { /* it may change meanwhile, but is not walked for ever */
        n = BATCH;
        err = bpf_map_lookup_batch(bpf_map__fd(map), from, token, keys, found, &n, NULL);
        last = err && errno == ENOENT;
        if (err && !last)
            return -errno;
        from = token;
        all += n;
        for (__u32 i = 0; i < n; i++) {
            err = one(w, &keys[i], &found[i], seen);
            if (err)
                return err;
        }
    }
    return 0;
}

/* Must each flow be looked at, because the filter may exclude it now? Twice, as in the kernel. */
static bool filter_changed(struct synward_bpf *obj)
{
    const __u32 zero = 0;

    if (bpf_map_lookup_elem(bpf_map__fd(obj->maps.filter), &zero, &filter))
        return false;
    if (filter.generation != swept)
        passes = 2;
    swept = filter.generation;
    return passes > 0;
}

int sw_sweep_user(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep)
{
    struct walk w = {.obj = obj, .cfg = (const struct sw_config *)&obj->rodata->cfg, .flush = flush};
    int err;

    w.now = now ? now : w.cfg->replay ? obj->bss->replay_now : sw_clock_now();
    w.all = filter_changed(obj);
    w.result.next = ~0ull;
    obj->bss->sweep = (struct sw_sweep){.now = w.now, .flush = flush, .next = ~0ull};
    err = map(&w, obj->maps.half_open, &w.result.half_open);
    if (!err)
        err = map(&w, obj->maps.flows, &w.result.flows);
    if (err)
        return err;
    w.result.held_back = obj->bss->sweep.held_back;
    passes -= passes && !w.result.held_back;
    w.result.deferred += obj->bss->sweep.deferred;
    w.result.established += obj->bss->sweep.established;
    if (obj->bss->sweep.next < w.result.next)
        w.result.next = obj->bss->sweep.next;
    *ret_sweep = w.result;
    return 0;
}
