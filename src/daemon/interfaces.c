/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/interfaces.h"
#include "base/log.h"
#include "loader/hooks.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void rename_iface(struct sw_loop *loop, size_t i, const char *name)
{
    struct sw_hook_iface *iface = &loop->hooks->ifaces[i];
    struct sw_instance_iface *shown = &loop->inst->ifaces[i];

    sw_info("interface '%s' is now called '%s'", iface->id.name, name);
    snprintf(iface->id.name, sizeof(iface->id.name), "%s", name);
    snprintf(shown->name, sizeof(shown->name), "%s", name);
    sw_report_set_iface(loop->report, iface->id.ifindex, name);
    if (loop->guard)
        sw_guard_runtime_renamed(loop->guard, iface->id.ifindex, name);
    sw_instance_update(loop->inst);
}

/* From here on the interface is not tracked; its events are kept. */
static void leave(struct sw_loop *loop, size_t i, const char *how)
{
    struct sw_instance_iface *shown = &loop->inst->ifaces[i];

    loop->hooks->ifaces[i].gone = true;
    snprintf(shown->mode, sizeof(shown->mode), "%s", how);
    shown->egress = SW_EGRESS_NONE;
    sw_instance_update(loop->inst);
}

static void on_change(struct sw_loop *loop, size_t i, const struct sw_link *link)
{
    const char *name = loop->hooks->ifaces[i].id.name;
    bool *down = &loop->monitor.of[i].down;

    if (link->gone) {
        if (link->moved) /* the XDP program remains on the device, and cannot be reached from this namespace */
            sw_warn("interface '%s' was moved to another network namespace with our XDP program on it "
                    "('ip link set dev %s xdp off' removes it there)",
                    name, name);
        else
            sw_warn("interface '%s' is gone", name);
        leave(loop, i, "gone");
        return;
    }
    if (link->name && strcmp(link->name, name))
        rename_iface(loop, i, link->name);
    if (link->up == *down)
        sw_info("interface '%s' is %s", loop->hooks->ifaces[i].id.name, link->up ? "up" : "down");
    *down = !link->up;
}

static bool any_left(const struct sw_loop *loop)
{
    for (size_t i = 0; i < loop->hooks->len; i++)
        if (!loop->hooks->ifaces[i].gone)
            return true;
    return false;
}

bool sw_interfaces_link_changed(struct sw_loop *loop, const struct sw_link *link)
{
    for (size_t i = 0; i < loop->hooks->len; i++)
        if (loop->hooks->ifaces[i].id.ifindex == link->ifindex && !loop->hooks->ifaces[i].gone)
            on_change(loop, i, link);
    return any_left(loop);
}

static bool is_up(const char *name)
{
    struct ifreq req = {0};
    int err, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return true;
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    err = ioctl(fd, SIOCGIFFLAGS, &req);
    close(fd);
    return err || req.ifr_flags & IFF_UP;
}

bool sw_interfaces_check(struct sw_loop *loop)
{
    char name[IF_NAMESIZE];

    for (size_t i = 0; i < loop->hooks->len; i++) {
        struct sw_link link = {.ifindex = loop->hooks->ifaces[i].id.ifindex};

        link.name = if_indextoname(link.ifindex, name);
        link.gone = !link.name;
        link.up = link.name && is_up(name);
        sw_interfaces_link_changed(loop, &link);
    }
    return any_left(loop);
}

static void check_answers(struct sw_loop *loop, size_t i)
{
    const char *name = loop->hooks->ifaces[i].id.name;
    bool lost;

    if (loop->hooks->ifaces[i].gone || !sw_hook_monitor_answers(&loop->monitor, loop->hooks, i, &lost))
        return;
    if (lost)
        sw_warn(
            "'%s': the other end of this veth has no XDP program, so the guard's answers are lost and nobody connects "
            "while it is engaged; --mode generic does without",
            name);
    else
        sw_info("'%s': the other end of this veth has an XDP program: the guard's answers arrive", name);
}

bool sw_interfaces_check_hooks(struct sw_loop *loop)
{
    for (size_t i = 0; i < loop->hooks->len; i++) {
        struct sw_hook_iface *iface = &loop->hooks->ifaces[i];
        const char *missing = iface->gone ? NULL : sw_hook_monitor_missing(&loop->monitor, loop->hooks, i);

        if (!missing) {
            check_answers(loop, i);
            continue;
        }
        sw_warn("'%s': the %s was detached or replaced by another process; no longer tracking", iface->id.name,
                missing);
        sw_hooks_drop(loop->hooks, iface);
        leave(loop, i, "lost");
    }
    return any_left(loop);
}
