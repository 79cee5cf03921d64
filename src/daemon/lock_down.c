/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/lock_down.h"

#include "base/exit.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "daemon/exporter.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <time.h>

static int enter_sandbox(const struct sw_common_opts *common, const struct sw_sandbox_opts *opts, struct sw_failure *f)
{
    struct sw_sandbox_info done;
    const char *what;
    int err;

    if (common->no_sandbox)
        return 0;
    libbpf_num_possible_cpus(); /* is read from a file, once */
    tzset();                    /* so is the time zone, for --format text */
    err = sw_sandbox(opts, &done, &what);
    if (err)
        return sw_fail(f, SW_EXIT_KERNEL, err, "cannot enter the sandbox (%s: %s); --no-sandbox runs without it", what,
                       strerror(-err));
    if (common->verbose > 1)
        sw_info("sandbox: capabilities kept %s%s, %u system calls, %s", done.caps,
                done.bounding ? "" : " (bounding set untouched: no CAP_SETPCAP)", done.syscalls,
                done.landlock ? "Landlock" : "no Landlock");
    return 0;
}

int sw_lock_down_run(const struct sw_loop *loop, struct sw_failure *f)
{
    struct sw_sandbox_opts opts = {.follow = true, .map_fd = bpf_map__fd(loop->obj->maps.counters)};
    int dir;

    for (size_t i = 0; i < loop->hooks->len; i++)
        opts.dispatcher |= loop->hooks->ifaces[i].id.shared;
    opts.list_dirs = sw_owners_mode(loop->owners) != SW_OWNER_OFF;
    if (loop->file) {
        opts.outputs[SW_SANDBOX_OUTPUT].dir = loop->file->dir;
        opts.outputs[SW_SANDBOX_OUTPUT].name = loop->file->name;
    }
    dir = sw_exporter_dir(loop->exporter, &opts.outputs[SW_SANDBOX_METRICS].name);
    if (dir >= 0)
        opts.outputs[SW_SANDBOX_METRICS].dir = dir;
    opts.serve = sw_exporter_place(loop->exporter);
    if (loop->guard)
        sw_guard_runtime_files(loop->guard, opts.files);
    return enter_sandbox(loop->opts, &opts, f);
}

int sw_lock_down_replay(const struct sw_common_opts *common, struct synward_bpf *obj, struct sw_failure *f)
{
    const struct sw_sandbox_opts opts = {.map_fd = obj ? bpf_map__fd(obj->maps.counters) : -1};

    return enter_sandbox(common, &opts, f);
}
