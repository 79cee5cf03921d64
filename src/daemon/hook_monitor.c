/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/hook_monitor.h"
#include "base/links.h"
#include "base/veth.h"
#include "loader/hooks.h"
#include "loader/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#define NO_PROGRAM (~0u) /* an id that no program has */

/* 0 and an id (0: no program), or -errno. */
static int xdp_on(const struct sw_hook_iface *iface, __u32 *ret_id)
{
    __u32 native, generic;
    int err = sw_link_xdp(iface->id.ifindex, &native, &generic);

    if (!err)
        *ret_id = iface->xdp_mode == XDP_MODE_SKB ? generic : native;
    return err;
}

/* libxdp makes a new dispatcher whenever a program joins or leaves. Without CAP_SYS_ADMIN it may not be looked into;
 * then any program is taken for a dispatcher with ours in it. */
static bool in_dispatcher(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(iface->id.ifindex);
    struct xdp_program *prog = NULL;
    bool found = false;

    if (libxdp_get_error(mp) || !mp)
        return libxdp_get_error(mp) == -EPERM;
    if (!xdp_multiprog__is_legacy(mp))
        while (!found && (prog = xdp_multiprog__next_prog(prog, mp)))
            found = sw_hooks_is_ingress(hooks, xdp_program__id(prog));
    xdp_multiprog__close(mp);
    return found;
}

static bool lost_xdp(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i)
{
    const struct sw_hook_iface *iface = &hooks->ifaces[i];
    __u32 id;

    if (!w->of[i].xdp || xdp_on(iface, &id) || id == w->of[i].xdp)
        return false;
    if (!id || !iface->id.shared || !in_dispatcher(hooks, iface))
        return true;
    w->of[i].xdp = id;
    return false;
}

static bool lost_filter(const struct sw_hook_iface *iface, enum sw_tc_side side, __u32 ours)
{
    __u32 id;
    int err;

    if (!ours)
        return false;
    err = sw_clsact_query(iface->id.ifindex, side, &id);
    return err == -ENOENT || (!err && id != ours);
}

static bool lost_tcx(const struct sw_hook_iface *iface)
{
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    if (iface->egress_link < 0 || bpf_obj_get_info_by_fd(iface->egress_link, &info, &len))
        return false;
    return !info.xdp.ifindex; /* the same place as tcx.ifindex, which is younger than the headers this is built with */
}

/* A hook that was removed before the first check counts as missing from then on. */
static __u32 filter_of(const struct sw_hook_iface *iface, enum sw_tc_side side)
{
    __u32 id = 0;
    int err = sw_clsact_query(iface->id.ifindex, side, &id);

    return err == -ENOENT ? NO_PROGRAM : err ? 0 : id;
}

void sw_hook_monitor_start(struct sw_hook_monitor *w, const struct sw_hooks *hooks)
{
    for (size_t i = 0; i < hooks->len; i++) {
        const struct sw_hook_iface *iface = &hooks->ifaces[i];
        __u32 id;

        if (iface->xdp_attached && !xdp_on(iface, &id))
            w->of[i].xdp = iface->id.shared || sw_hooks_is_ingress(hooks, id) ? id : NO_PROGRAM;
        if (iface->id.egress == SW_EGRESS_CLSACT)
            w->of[i].egress = filter_of(iface, SW_TC_EGRESS);
        if (iface->accept_attached)
            w->of[i].accept = filter_of(iface, SW_TC_INGRESS);
        for (int k = 0; k < SW_GATE_HOOKS; k++)
            if (iface->gate_attached[k])
                w->of[i].gate[k] = filter_of(iface, k ? SW_TC_GATEWAY_OUT : SW_TC_GATEWAY_IN);
    }
}

static const char *missing(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i)
{
    const struct sw_hook_iface *iface = &hooks->ifaces[i];

    if (lost_xdp(w, hooks, i))
        return "XDP program";
    if (lost_tcx(iface) || lost_filter(iface, SW_TC_EGRESS, w->of[i].egress))
        return "egress program";
    if (lost_filter(iface, SW_TC_INGRESS, w->of[i].accept))
        return "program that accepts cookies";
    if (lost_filter(iface, SW_TC_GATEWAY_IN, w->of[i].gate[0]) ||
        lost_filter(iface, SW_TC_GATEWAY_OUT, w->of[i].gate[1]))
        return "program that translates connections";
    return NULL;
}

const char *sw_hook_monitor_missing(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i)
{
    const char *what = missing(w, hooks, i);
    char name[IF_NAMESIZE];

    /* all of them go with the interface, which is handled elsewhere */
    return what && if_indextoname(hooks->ifaces[i].id.ifindex, name) ? what : NULL;
}

bool sw_hook_monitor_answers(struct sw_hook_monitor *w, const struct sw_hooks *hooks, size_t i, bool *ret_lost)
{
    const struct sw_hook_iface *iface = &hooks->ifaces[i];
    bool *lost = &w->of[i].answers_lost, before = *lost;
    enum sw_veth veth;

    if (!hooks->guard || !w->of[i].xdp || iface->xdp_mode != XDP_MODE_NATIVE)
        return false;
    veth = sw_veth_peer(iface->id.ifindex);
    if (veth == SW_VETH_NOT || veth == SW_VETH_UNKNOWN) /* also while it goes */
        return false;
    *lost = *ret_lost = veth == SW_VETH_PLAIN;
    return *lost != before;
}
