/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/sweep.h"

#include "loader/object.h"
#include "loader/sweep_user.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

void sw_object_counts_unknown(struct synward_bpf *obj)
{
    for (int i = 0; i < SW_SHARES; i++)
        obj->bss->shares[i] = (struct sw_share){.taken = obj->rodata->cfg.share[i]};
    obj->bss->half_open_room = sw_half_open_room(bpf_map__max_entries(obj->maps.half_open), ~0ull);
}

static int sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);
    int err;

    if (sw_object_is_old(obj))
        return sw_sweep_user(obj, now, flush, ret_sweep);
    obj->bss->sweep = (struct sw_sweep){.now = now, .flush = flush};
    err = bpf_prog_test_run_opts(bpf_program__fd(obj->progs.sw_sweep), &run);
    if (err)
        return err;
    *ret_sweep = obj->bss->sweep;
    return 0;
}

/* What was put in while it walked it may have missed: the next one has that. */
static void correct_room(struct synward_bpf *obj, __u64 present)
{
    const __s64 room = sw_half_open_room(bpf_map__max_entries(obj->maps.half_open), present);

    __atomic_fetch_add(&obj->bss->half_open_room, room - __atomic_load_n(&obj->bss->half_open_room, __ATOMIC_RELAXED),
                       __ATOMIC_RELAXED);
}

int sw_object_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep)
{
    const int err = sweep(obj, now, flush, ret_sweep);

    if (!err)
        correct_room(obj, ret_sweep->half_open);
    return err;
}
