/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/hooks_gateway.h"

#include "base/exit.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

static const enum sw_tc_side sides[SW_GATE_HOOKS] = {SW_TC_GATEWAY_IN, SW_TC_GATEWAY_OUT};

bool sw_hooks_gateway_wanted(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    const __u32 outer = hooks->obj->rodata->cfg.outer;

    return !iface->loopback && bpf_program__autoload(hooks->obj->progs.sw_gateway_in) &&
           (!outer || iface->id.ifindex == outer);
}

int sw_hooks_gateway_attach(struct sw_hooks *hooks, struct sw_hook_iface *iface, struct sw_failure *f)
{
    const struct bpf_program *programs[SW_GATE_HOOKS] = {hooks->obj->progs.sw_gateway_in,
                                                         hooks->obj->progs.sw_gateway_out};

    if (!sw_hooks_gateway_wanted(hooks, iface))
        return 0;
    for (int i = 0; i < SW_GATE_HOOKS; i++) {
        int old = sw_clsact_program(iface->id.ifindex, sides[i]), err;
        bool made;

        iface->old_gate[i] = old < 0 ? -1 : old;
        err = sw_clsact_put(bpf_program__fd(programs[i]), iface->id.ifindex, sides[i], &made);
        iface->id.made_clsact |= made;
        if (err)
            return sw_fail(f, SW_EXIT_ATTACH, err, "'%s' refuses the gateway's tc hook: %s", iface->id.name,
                           strerror(-err));
        iface->gate_attached[i] = true;
    }
    return 0;
}

static void remove_hook(struct sw_hook_iface *iface, int i)
{
    if (iface->gate_attached[i] && !iface->gone)
        sw_clsact_detach(iface->id.ifindex, sides[i], iface->id.made_clsact);
    iface->gate_attached[i] = false;
}

void sw_hooks_gateway_undo(struct sw_hook_iface *iface)
{
    for (int i = 0; i < SW_GATE_HOOKS; i++) {
        bool made;

        if (iface->gate_attached[i] && iface->old_gate[i] >= 0) {
            sw_clsact_put(iface->old_gate[i], iface->id.ifindex, sides[i], &made);
            iface->gate_attached[i] = false;
        }
        remove_hook(iface, i);
    }
}

void sw_hooks_gateway_detach(struct sw_hook_iface *iface)
{
    for (int i = 0; i < SW_GATE_HOOKS; i++)
        remove_hook(iface, i);
}

void sw_hooks_gateway_release(struct sw_hook_iface *iface)
{
    for (int i = 0; i < SW_GATE_HOOKS; i++) {
        if (iface->old_gate[i] >= 0)
            close(iface->old_gate[i]);
        iface->old_gate[i] = -1;
    }
}
