/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/find_instance.h"

#include "base/array.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/run_dir.h"
#include "synward_filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct search {
    const struct sw_choice *choice;
    bool guard;              /* it must have one */
    int instances, starting; /* that run; a pid, 0: none */
    int elsewhere;
    struct sw_instances *running, orphans; /* these were killed, and are still attached */
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

int sw_instances_add(struct sw_instances *list, const struct sw_instance *inst)
{
    struct sw_instance *at = sw_array_room(list->inst, &list->room, list->len + 1, sizeof(*at));

    if (!at)
        return -ENOMEM;
    list->inst = at;
    list->inst[list->len++] = *inst;
    return 0;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct search *s = ctx;

    s->elsewhere += alive && sw_choice_is_elsewhere(s->choice, inst);
    if (!sw_choice_fits(s->choice, inst))
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
    return sw_instances_add(alive ? s->running : &s->orphans, inst);
}

static void say_orphan(const struct search *s, const struct sw_instance *inst)
{
    const char *what = s->guard ? "guard stays" : "programs stay", *how = s->guard ? "active" : "attached";

    if (*inst->pin)
        sw_info("pinned state '%s': no synward is running, its %s %s", inst->pin, what, how);
    else
        sw_warn("the synward with pid %d was killed: its %s %s until the next start", inst->pid, what, how);
}

static int say_none(const char *command, const struct search *s)
{
    if (s->starting)
        sw_err("%s: the synward with pid %d is starting", command, s->starting);
    else if (s->guard && s->instances)
        sw_err("%s: no synward runs with the guard ('synward run --guard ...')", command);
    else
        return sw_choice_say_none(s->choice, s->elsewhere);
    return SW_EXIT_NOT_RUNNING;
}

static int find(const char *command, struct sw_choice *choice, enum sw_instance_need need, struct sw_instances *ret,
                int *ret_starting)
{
    struct search s = {.choice = choice, .guard = need == SW_NEED_GUARD, .running = ret};
    int err;

    memset(ret, 0, sizeof(*ret));
    sw_choice_begin(choice);
    err = sw_instance_walk(look, &s);
    if (!err && !ret->len && s.orphans.len) {
        *ret = s.orphans;
        for (size_t i = 0; i < ret->len; i++)
            say_orphan(&s, &ret->inst[i]);
    } else {
        free(s.orphans.inst);
    }
    *ret_starting = s.starting;
    if (err)
        return sw_walk_failed(command, err);
    return ret->len ? SW_EXIT_OK : say_none(command, &s);
}

int sw_find_instances(const char *command, struct sw_choice *choice, enum sw_instance_need need,
                      struct sw_instances *ret)
{
    int starting;

    return find(command, choice, need, ret, &starting);
}

int sw_find_instance(const char *command, struct sw_choice *choice, enum sw_instance_need need,
                     struct sw_instances *ret)
{
    int starting, code = find(command, choice, need, ret, &starting);

    if (!code && ret->len > 1)
        return sw_choice_say_several(command, ret->inst, ret->len);
    if (!code && starting && starting != ret->inst[0].pid) { /* which of them is meant? */
        sw_err("%s: the synward with pid %d is there, and one with pid %d is starting: choose one with --interface or "
               "--pid",
               command, ret->inst[0].pid, starting);
        return SW_EXIT_USAGE;
    }
    return code;
}

int sw_walk_failed(const char *command, int err)
{
    struct stat st;

    if (err == -EACCES && !stat(SW_RUN_DIR, &st) && st.st_uid != geteuid()) {
        sw_err("%s: " SW_RUN_DIR ": %s: it belongs to user %u", command, strerror(-err), st.st_uid);
        return SW_EXIT_PRIVILEGE;
    }
    if (err == -EPROTO) {
        sw_err("%s: the synward that runs is of another version", command);
        return SW_EXIT_NOT_RUNNING;
    }
    sw_err("%s: %s", command, strerror(-err));
    return SW_EXIT_INTERNAL;
}
