/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/takeover.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/run_dir.h"
#include "loader/hooks.h"
#include "loader/instance.h"
#include "loader/map_reader.h"
#include "loader/pins.h"
#include "loader/tc.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Is another synward on one of our interfaces? Did a killed one leave something there? */
struct look {
    struct sw_hooks *hooks;
    __u64 netns;
    pid_t runs;
    const char *where;
    bool made_clsact[SW_IFACES_MAX];
    const char *pin; /* that this start continues, else NULL */
    enum { LOOK, DISARM, CLEANED /* the files of killed ones are no longer needed */ } phase;
    bool cookies; /* the killed one's guard has sent cookies that may still come back */
};

/* A map exists as long as a program that uses it is attached. An instance without maps attached nothing. */
static bool nothing_left(const struct sw_instance *inst)
{
    int fd, err;

    if (!inst->map_flows)
        return true;
    fd = bpf_map_get_fd_by_id(inst->map_flows);
    err = errno;
    if (fd >= 0)
        close(fd);
    return fd < 0 && err == ENOENT;
}

bool sw_guard_stop(int map_fd)
{
    struct sw_guard *g = MAP_FAILED;
    bool engaged;

    if (map_fd >= 0)
        g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (map_fd >= 0)
        close(map_fd);
    if (g == MAP_FAILED)
        return false;
    __atomic_fetch_or(&g->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    engaged = g->engaged;
    munmap(g, sizeof(*g));
    return engaged;
}

static int look_at(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct look *look = ctx;
    char name[IF_NAMESIZE];
    bool all = true; /* all that the killed one left can be cleaned by us, or is gone */
    bool pinned;

    if (inst->netns != look->netns) /* that namespace may be gone */
        return look->phase == CLEANED && !alive && nothing_left(inst) ? SW_INSTANCE_REMOVE : SW_INSTANCE_CONTINUE;
    pinned = !alive && sw_instance_is_pinned(inst);
    if (pinned && (!look->pin || strcmp(inst->pin, look->pin)))
        return SW_INSTANCE_CONTINUE;
    for (size_t i = 0; i < inst->len; i++) {
        bool ours = false;

        for (size_t k = 0; k < look->hooks->len; k++) {
            if (inst->ifaces[i].ifindex != look->hooks->ifaces[k].id.ifindex)
                continue;
            if (alive) {
                look->runs = inst->pid;
                look->where = look->hooks->ifaces[k].id.name;
                return SW_INSTANCE_STOP;
            }
            ours = true;
            look->made_clsact[k] |= inst->ifaces[i].made_clsact;
            if (look->phase == DISARM)
                look->cookies |=
                    sw_guard_stop(inst->map_guard ? sw_map_by_id(inst->map_guard, sizeof(struct sw_guard)) : -1);
        }
        all &= ours || !if_indextoname(inst->ifaces[i].ifindex, name);
    }
    return look->phase == CLEANED && all ? SW_INSTANCE_REMOVE : SW_INSTANCE_CONTINUE;
}

/* Pins of a synward that has ended, or of one with another name for them. */
struct held {
    const struct sw_hooks *hooks;
    const struct sw_pin *pin;
    char name[SW_PIN_NAME];
    const char *where;
};

static bool seen(int err)
{
    return !err || err == -EPROTO;
}

static int look_at_pins(const char *name, void *ctx)
{
    struct held *held = ctx;
    struct sw_pinned p;

    if ((held->pin && !strcmp(name, held->pin->name)) || !seen(sw_pin_peek(name, &p)) || !sw_pinned_here(&p))
        return 0;
    for (__u32 i = 0; i < p.ifaces_len && i < SW_IFACES_MAX; i++) {
        for (size_t k = 0; k < held->hooks->len; k++) {
            if (held->hooks->ifaces[k].id.ifindex != p.iface[i].ifindex)
                continue;
            snprintf(held->name, sizeof(held->name), "%s", name);
            held->where = held->hooks->ifaces[k].id.name;
            return 1;
        }
    }
    return 0;
}

bool sw_pinned_owns_clsact(const struct sw_pinned *at, __u32 ifindex, bool made)
{
    for (__u32 i = 0; i < at->ifaces_len && i < SW_IFACES_MAX; i++)
        made |= at->iface[i].ifindex == ifindex && at->iface[i].made_clsact;
    return made && (!at->pid || sw_clsact_is_in_use(ifindex));
}

static void adopt_clsact(struct sw_hooks *hooks, const struct sw_pin *pin, const struct look *look)
{
    for (size_t k = 0; k < hooks->len; k++) {
        struct sw_instance_iface *id = &hooks->ifaces[k].id;

        id->made_clsact = sw_pinned_owns_clsact(pin->at, id->ifindex, look->made_clsact[k]);
    }
}

int sw_takeover(struct sw_hooks *hooks, const struct sw_pin *pin, struct sw_failure *f)
{
    struct look look = {.hooks = hooks, .netns = sw_instance_netns(), .pin = pin && pin->adopted ? pin->name : NULL};
    struct held held = {.hooks = hooks, .pin = pin};
    int err = sw_instance_walk(look_at, &look);

    if (err > 0)
        return sw_fail(f, SW_EXIT_RUNNING, -EALREADY, "synward already runs on '%s' (pid %d)", look.where, look.runs);
    if (err < 0)
        return sw_fail(f, SW_EXIT_INTERNAL, err, SW_RUN_DIR ": %s", strerror(-err));
    if (sw_pinfs_walk(look_at_pins, &held))
        return sw_fail(
            f, SW_EXIT_PINS, -EBUSY,
            "'%s' carries the programs of pinned state '%s': continue with --pin=%s, or run 'synward unpin %s' first",
            held.where, held.name, held.name, held.name);
    if (pin && pin->adopted) {
        adopt_clsact(hooks, pin, &look);
        return 0;
    }
    look.phase = DISARM; /* not before the checks: a refused start must leave the guard active */
    sw_instance_walk(look_at, &look);
    if (look.cookies) /* for those on their way, as at a regular end */
        sleep(1);
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
    look.phase = CLEANED; /* if we are killed before, the next start needs the files */
    sw_instance_walk(look_at, &look);
    return 0;
}
