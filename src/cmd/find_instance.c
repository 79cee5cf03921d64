/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/find_instance.h"

#include "base/exit.h"
#include "base/log.h"
#include "base/run_dir.h"
#include "synward_filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct search {
    int pid;
    bool guard;                    /* it must have one */
    int instances, found, orphans; /* running; of these those that are wanted; killed, but still attached */
    int starting;                  /* a pid, 0: none */
    struct sw_instance *inst;
};

/* The maps exist as long as the programs are attached, also after a kill. */
static bool still_attached(const struct sw_instance *inst, bool guard)
{
    const size_t size = guard ? sizeof(struct sw_service) : sizeof(struct sw_filter_map);
    int fd = bpf_prog_get_fd_by_id(inst->prog_ingress);
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    bool there = fd >= 0;

    if (fd >= 0)
        close(fd);
    fd = there ? bpf_map_get_fd_by_id(guard ? inst->map_services : inst->map_filter) : -1;
    if (fd < 0)
        return false;
    there = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, guard ? "services" : "filter") &&
            info.value_size == size;
    close(fd);
    return there;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct search *s = ctx;

    if (s->pid && inst->pid != s->pid)
        return 0;
    if (alive && !inst->ready)
        s->starting = inst->pid;
    if (!inst->map_flows) /* no maps yet */
        return 0;
    if (inst->contract != SW_CONTRACT_VERSION) {
        if (alive)
            sw_warn("the synward with pid %d is of another version: skipped", inst->pid);
        return 0;
    }
    s->instances += alive;
    if ((s->guard ? !inst->map_guard : !inst->map_filter) || (!alive && !still_attached(inst, s->guard)))
        return 0;
    if (alive || !s->found) /* running ones come first */
        *s->inst = *inst;
    s->found += alive;
    s->orphans += !alive;
    return 0;
}

static void say_orphan(const struct search *s)
{
    const char *what = s->guard ? "guard stays" : "programs stay", *how = s->guard ? "active" : "attached";

    if (*s->inst->pin)
        sw_info("pinned state '%s': no synward is running, its %s %s", s->inst->pin, what, how);
    else
        sw_warn("the synward with pid %d was killed: its %s %s until the next start", s->inst->pid, what, how);
}

static int find(const char *command, struct search *s)
{
    int err = sw_instance_walk(look, s);

    if (err)
        return sw_walk_failed(command, err);
    if (s->found > 1 || (!s->found && s->orphans > 1)) {
        sw_err("%s: %d synwards %s: choose one with --pid", command, s->found ? s->found : s->orphans,
               s->guard ? "have the guard" : "are there");
        return SW_EXIT_USAGE;
    }
    if (s->found)
        return SW_EXIT_OK;
    if (s->orphans) {
        say_orphan(s);
        return SW_EXIT_OK;
    }
    if (s->starting)
        sw_err("%s: the synward with pid %d is starting", command, s->starting);
    else if (s->guard && s->instances)
        sw_err("%s: no synward runs with the guard ('synward run --guard ...')", command);
    else
        sw_err(s->pid ? "no synward with pid %d is running" : "no synward is running", s->pid);
    return SW_EXIT_NOT_RUNNING;
}

int sw_find_guard_instance(const char *command, int pid, struct sw_instance *ret)
{
    struct search s = {.pid = pid, .guard = true, .inst = ret};

    return find(command, &s);
}

int sw_find_instance(const char *command, int pid, struct sw_instance *ret)
{
    struct search s = {.pid = pid, .inst = ret};

    return find(command, &s);
}

int sw_walk_failed(const char *command, int err)
{
    struct stat st;

    if (err == -EACCES && !stat(SW_RUN_DIR, &st) && st.st_uid != geteuid()) {
        sw_err("%s: " SW_RUN_DIR ": %s: it belongs to user %u", command, strerror(-err), st.st_uid);
        return SW_EXIT_PRIVILEGE;
    }
    sw_err("%s: %s", command, strerror(-err));
    return SW_EXIT_INTERNAL;
}
