/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/find_instance.h"

#include "base/exit.h"
#include "base/log.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

struct search {
    int pid;
    int instances, guarded, orphans; /* found: running; of these with the guard; killed, but still attached */
    struct sw_instance *inst;
};

/* The maps exist as long as the programs are attached, also after a kill. */
static bool still_attached(const struct sw_instance *inst)
{
    int fd = bpf_prog_get_fd_by_id(inst->prog_ingress);
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    bool there = fd >= 0;

    if (fd >= 0)
        close(fd);
    fd = there ? bpf_map_get_fd_by_id(inst->map_services) : -1;
    if (fd < 0)
        return false;
    there = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "services") &&
            info.value_size == sizeof(struct sw_service);
    close(fd);
    return there;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct search *s = ctx;

    if (!inst->map_flows || (s->pid && inst->pid != s->pid)) /* no maps: it is starting */
        return 0;
    if (inst->contract != SW_CONTRACT_VERSION) {
        if (alive)
            sw_warn("the synward with pid %d is of another version: skipped", inst->pid);
        return 0;
    }
    s->instances += alive;
    if (!inst->map_guard || (!alive && !still_attached(inst)))
        return 0;
    if (alive || !s->guarded) /* running ones come first */
        *s->inst = *inst;
    s->guarded += alive;
    s->orphans += !alive;
    return 0;
}

int sw_find_guard_instance(const char *command, int pid, struct sw_instance *ret)
{
    struct search s = {.pid = pid, .inst = ret};
    int err = sw_instance_walk(look, &s);

    if (err) {
        sw_err("%s: %s", command, strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    if (s.guarded > 1 || (!s.guarded && s.orphans > 1)) {
        sw_err("%s: %d synwards have the guard: choose one with --pid", command, s.guarded ? s.guarded : s.orphans);
        return SW_EXIT_USAGE;
    }
    if (s.guarded)
        return SW_EXIT_OK;
    if (s.orphans) {
        if (*ret->pin)
            sw_info("pinned state '%s': no synward is running, its guard stays active", ret->pin);
        else
            sw_warn("the synward with pid %d was killed: its guard stays active until the next start", ret->pid);
        return SW_EXIT_OK;
    }
    if (s.instances)
        sw_err("%s: no synward runs with the guard ('synward run --guard ...')", command);
    else
        sw_err(pid ? "no synward with pid %d is running" : "no synward is running", pid);
    return SW_EXIT_NOT_RUNNING;
}
