/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fate.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

static void rename_iface(struct sw_loop *loop, size_t i, const char *name)
{
    struct sw_hook_iface *iface = &loop->hooks->ifaces[i];
    struct sw_instance_iface *shown = &loop->inst->ifaces[i];

    sw_info("interface '%s' is now called '%s'", iface->id.name, name);
    snprintf(iface->id.name, sizeof(iface->id.name), "%s", name);
    snprintf(shown->name, sizeof(shown->name), "%s", name);
    sw_report_set_iface(loop->report, iface->id.ifindex, name);
    if (loop->guarding)
        sw_guarding_renamed(loop->guarding, iface->id.ifindex, name);
    sw_instance_write(loop->inst);
}

bool sw_fate_link(struct sw_loop *loop, __u32 ifindex, bool gone, const char *name, bool up)
{
    struct sw_hooks *hooks = loop->hooks;
    bool any = false;

    for (size_t i = 0; i < hooks->len; i++) {
        struct sw_hook_iface *iface = &hooks->ifaces[i];
        struct sw_instance_iface *shown = &loop->inst->ifaces[i];

        if (iface->id.ifindex == ifindex && !iface->gone && gone) {
            iface->gone = true;
            sw_warn("interface '%s' is gone", iface->id.name);
            snprintf(shown->mode, sizeof(shown->mode), "gone");
            shown->egress = SW_EGRESS_NONE;
            sw_instance_write(loop->inst);
        } else if (iface->id.ifindex == ifindex && !iface->gone && name && strcmp(name, iface->id.name)) {
            rename_iface(loop, i, name);
        } else if (iface->id.ifindex == ifindex && !gone && sw_log_verbose) {
            sw_info("interface '%s' is %s", iface->id.name, up ? "up" : "down");
        }
        any |= !iface->gone;
    }
    return any;
}

bool sw_fate_check(struct sw_loop *loop)
{
    char name[IF_NAMESIZE];
    bool any = true;

    for (size_t i = 0; i < loop->hooks->len; i++) {
        __u32 ifindex = loop->hooks->ifaces[i].id.ifindex;
        bool there = if_indextoname(ifindex, name);

        any = sw_fate_link(loop, ifindex, !there, there ? name : NULL, true);
    }
    return any;
}
