/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward unpin: detaches what a synward with --pin left attached, and removes its state. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "events/ringbuf.h"
#include "loader/hooks.h"
#include "loader/pins.h"
#include "loader/takeover.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROG_MAPS 64

struct unpin {
    char name[SW_PIN_NAME];
    int sets; /* found, without a name given */
    int pid;  /* of a living daemon */
    __u64 netns;
    __u32 made_clsact[SW_IFACES_MAX]; /* on these interfaces, by the files of killed ones */
    size_t made_len;
};

static int count_set(const char *name, void *ctx)
{
    struct unpin *u = ctx;

    u->sets++;
    snprintf(u->name, sizeof(u->name), "%s", name);
    return 0;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct unpin *u = ctx;

    if (strcmp(inst->pin, u->name))
        return SW_INSTANCE_CONTINUE;
    if (alive) {
        u->pid = inst->pid;
        return SW_INSTANCE_CONTINUE;
    }
    for (size_t i = 0; i < inst->len && inst->netns == u->netns; i++)
        if (inst->ifaces[i].made_clsact && u->made_len < SW_IFACES_MAX)
            u->made_clsact[u->made_len++] = inst->ifaces[i].ifindex;
    return SW_INSTANCE_CONTINUE;
}

static bool made_clsact(const struct unpin *u, __u32 ifindex)
{
    for (size_t i = 0; i < u->made_len; i++)
        if (u->made_clsact[i] == ifindex)
            return true;
    return false;
}

static int detach(const struct unpin *u, const struct sw_pinned *p)
{
    int code = SW_EXIT_OK;

    if (p->guard && sw_guard_stop(sw_pin_map(u->name, "guard")))
        sleep(1);
    for (__u32 i = 0; i < p->ifaces_len && i < SW_IFACES_MAX; i++) {
        struct sw_hook_iface iface = {.id.ifindex = p->iface[i].ifindex};
        char name[IF_NAMESIZE];
        bool found, made;
        int err;

        if (!if_indextoname(iface.id.ifindex, name))
            continue;
        made = sw_pinned_owns_clsact(p, iface.id.ifindex, made_clsact(u, iface.id.ifindex));
        err = sw_hooks_clean(&iface, made, &found);
        if (!err)
            continue;
        sw_err("unpin: '%s' keeps its programs: %s", name, strerror(-err));
        code = SW_EXIT_ATTACH;
    }
    return code;
}

static __u64 unread(const struct unpin *u, const char *map)
{
    int fd = sw_pin_map(u->name, map);
    struct sw_ringbuf ring;
    __u64 n = 0;
    __u32 len;

    if (fd < 0)
        return 0;
    if (!sw_ringbuf_open(&ring, fd)) {
        while (sw_ringbuf_next(&ring, &len))
            n++;
        sw_ringbuf_close(&ring);
    }
    close(fd);
    return n;
}

/* 0: it is none. Closes it. */
static __u32 map_id_of(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    if (fd < 0)
        return 0;
    if (bpf_obj_get_info_by_fd(fd, &info, &len))
        info.id = 0;
    close(fd);
    return info.id;
}

static bool uses(int prog_fd, __u32 map_id)
{
    __u32 maps[PROG_MAPS] = {0}, len = sizeof(struct bpf_prog_info);
    struct bpf_prog_info info = {.nr_map_ids = PROG_MAPS, .map_ids = (uintptr_t)maps};

    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
        return true; /* nobody can tell */
    for (__u32 i = 0; i < info.nr_map_ids && i < PROG_MAPS; i++)
        if (maps[i] == map_id)
            return true;
    return info.nr_map_ids > PROG_MAPS;
}

/* Is there a program that uses the pinned table? No program is pinned, so it is attached, wherever that is. */
static bool in_use(const struct unpin *u)
{
    const __u32 map_id = map_id_of(sw_pin_map(u->name, "flows"));
    bool found = false;

    for (__u32 id = 0; map_id && !found && !bpf_prog_get_next_id(id, &id);) {
        int fd = bpf_prog_get_fd_by_id(id);

        if (fd < 0)
            continue; /* it has gone */
        found = uses(fd, map_id);
        close(fd);
    }
    return found;
}

static int remove_pins(struct unpin *u)
{
    struct sw_pinned p;
    __u64 events;
    int err = sw_pin_peek(u->name, &p), code;
    bool there;

    sw_instance_walk(look, u);
    if (u->pid) {
        sw_err("pinned state '%s' is in use by the synward with pid %d: stop it first", u->name, u->pid);
        return SW_EXIT_RUNNING;
    }
    if (err && err != -EPROTO && err != -ENOENT) {
        sw_err("unpin: %s/%s: %s", SW_PIN_ROOT, u->name, strerror(-err));
        return SW_EXIT_PINS;
    }
    there = err != -ENOENT; /* else a start was killed before it attached anything */
    if (there && !sw_pinned_here(&p) && in_use(u)) {
        sw_err("the programs of pinned state '%s' are in another network namespace: run this there", u->name);
        return SW_EXIT_PINS;
    }
    code = there && sw_pinned_here(&p) ? detach(u, &p) : SW_EXIT_OK;
    if (code)
        return code;
    events = unread(u, "events") + unread(u, "events_open") + unread(u, "events_anomaly");
    if (events)
        sw_warn("%llu unread events are discarded", events);
    err = sw_pinfs_remove(u->name);
    if (!err) {
        sw_instance_forget(u->name);
        return SW_EXIT_OK;
    }
    sw_err("unpin: %s/%s: %s", SW_PIN_ROOT, u->name, strerror(-err));
    return SW_EXIT_PINS;
}

static int cmd_unpin(int argc, char **argv)
{
    struct unpin u = {.netns = sw_instance_netns()};
    int lock, code;

    sw_parse(&sw_unpin_command, argc, argv, &u);
    if (!sw_can_attach() || !sw_can_inspect()) {
        sw_err("unpin needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    if (*u.name)
        u.sets = sw_pinfs_has(u.name);
    else
        sw_pinfs_walk(count_set, &u);
    if (u.sets > 1) {
        sw_err("unpin: there are %d sets of pinned state (%s): give a name", u.sets, SW_PIN_ROOT);
        return SW_EXIT_USAGE;
    }
    if (!u.sets) {
        sw_err(*u.name ? "there is no pinned state '%s'" : "there is no pinned state", u.name);
        return SW_EXIT_PINS;
    }
    lock = sw_instance_begin();
    code = remove_pins(&u);
    sw_instance_end(lock);
    return code;
}

static const struct sw_operand operands[] = {{"NAME", .complete = SW_COMPLETE_PINS}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct unpin *u = opts;

    if (n)
        sw_usage_die(cli, "unexpected argument '%s'", arg);
    if (!sw_pin_name_ok(arg))
        sw_usage_die(cli, "'%s' is not a name of pinned state", arg);
    snprintf(u->name, sizeof(u->name), "%s", arg);
    return 0;
}

const struct sw_command sw_unpin_command = {
    .name = "unpin",
    .summary = "detach and remove what a synward with --pin left behind",
    .args_doc = "[NAME]",
    .doc =
        "Detaches the programs that a synward with --pin left on its interfaces when it ended, and removes its pins. "
        "NAME is that of --pin, or the interfaces' names joined by +; it may be left out if there is one set only.",
    .main = cmd_unpin,
    .size = sizeof(struct unpin),
    .operands = operands,
    .operand = operand,
};
