/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "others.h"

#include "exit.h"
#include "instance.h"
#include "log.h"

#include <errno.h>
#include <string.h>

/* Is another synward on one of our interfaces? Did a dead one leave something there? */
struct look {
    struct sw_hooks *hooks;
    __u64 netns;
    pid_t runs;
    const char *where;
    bool made_clsact[SW_IFACES_MAX];
};

static int look_at(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct look *look = ctx;
    char name[IF_NAMESIZE];
    bool all = true; /* what the dead one left is ours to clean, or gone: its file has served */

    if (inst->netns != look->netns)
        return SW_WALK_ON;
    for (size_t i = 0; i < inst->len; i++) {
        bool ours = false;

        for (size_t k = 0; k < look->hooks->len; k++) {
            if (inst->ifaces[i].ifindex != look->hooks->ifaces[k].id.ifindex)
                continue;
            if (alive) {
                look->runs = inst->pid;
                look->where = look->hooks->ifaces[k].id.name;
                return SW_WALK_STOP;
            }
            ours = true;
            look->made_clsact[k] |= inst->ifaces[i].made_clsact;
        }
        all &= ours || !if_indextoname(inst->ifaces[i].ifindex, name);
    }
    return all ? SW_WALK_REMOVE : SW_WALK_ON;
}

int sw_clear_the_way(struct sw_hooks *hooks, struct sw_failure *f)
{
    struct look look = {.hooks = hooks, .netns = sw_instance_netns()};
    int err = sw_instance_walk(look_at, &look);

    if (err > 0)
        return sw_fail(f, SW_EXIT_RUNNING, -EALREADY, "synward already runs on '%s' (pid %d)", look.where, look.runs);
    if (err < 0)
        return sw_fail(f, SW_EXIT_INTERNAL, err, "/run/synward: %s", strerror(-err));
    for (size_t i = 0; i < hooks->len; i++) {
        struct sw_hook_iface *iface = &hooks->ifaces[i];
        bool found;

        err = sw_hooks_clean(iface, look.made_clsact[i], &found);
        if (err)
            return sw_fail(f, SW_EXIT_ATTACH, err, "what a killed synward left on '%s' cannot be removed: %s",
                           iface->id.name, strerror(-err));
        if (found)
            sw_info("removed what a killed synward had left on '%s'", iface->id.name);
    }
    return 0;
}
