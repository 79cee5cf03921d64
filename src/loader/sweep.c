/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/sweep.h"

#include "loader/object.h"
#include "loader/sweep_user.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

void sw_object_shares_unknown(struct synward_bpf *obj)
{
    for (int i = 0; i < SW_SHARES; i++)
        obj->bss->shares[i] = (struct sw_share){.taken = obj->rodata->cfg.share[i]};
}

int sw_object_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep)
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
