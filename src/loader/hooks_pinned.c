/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/hooks_pinned.h"
#include "base/exit.h"
#include "loader/hooks_gateway.h"
#include "loader/object.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAPS_MOST 64

__u32 sw_hooks_pinned_id(int prog_fd)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

static __u32 map_id(int map_fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(map_fd, &info, &len) ? 0 : info.id;
}

/* Does the program use our maps? Its name does not identify its owner. */
static bool shares_maps(const struct sw_hooks *hooks, int prog_fd)
{
    __u32 ids[MAPS_MOST] = {0}, flows = map_id(bpf_map__fd(hooks->obj->maps.flows));
    struct bpf_prog_info info = {.nr_map_ids = MAPS_MOST, .map_ids = (unsigned long)ids};
    __u32 len = sizeof(info);

    if (!flows || bpf_obj_get_info_by_fd(prog_fd, &info, &len))
        return false;
    for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MOST; i++)
        if (ids[i] == flows)
            return true;
    return false;
}

/* The program on the interface: its fd and mode, -ENOENT if there is none, -EBUSY if it is not a former one of ours. */
static int find_xdp(const struct sw_hooks *hooks, __u32 ifindex, enum xdp_attach_mode *ret_mode)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    __u32 id;
    int fd;

    if (bpf_xdp_query(ifindex, 0, &query) || query.attach_mode == XDP_ATTACHED_NONE)
        return -ENOENT;
    id = query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
    *ret_mode = query.drv_prog_id ? XDP_MODE_NATIVE : XDP_MODE_SKB;
    fd = id && query.attach_mode != XDP_ATTACHED_MULTI ? bpf_prog_get_fd_by_id(id) : -EBUSY;
    if (fd < 0)
        return -EBUSY;
    if (shares_maps(hooks, fd))
        return fd;
    close(fd);
    return -EBUSY;
}

static int put_xdp(const struct sw_hook_iface *iface, int fd, int old_fd)
{
    LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = old_fd >= 0 ? old_fd : 0);
    __u32 flags = iface->xdp_mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;

    if (old_fd < 0)
        flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
    return bpf_xdp_attach(iface->id.ifindex, fd, flags, &opts);
}

static int ingress_fd(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    const struct synward_bpf *plain = hooks->ingress_plain.copy;

    return bpf_program__fd(hooks->guard && iface->loopback ? sw_object_ingress(plain) : sw_object_ingress(hooks->obj));
}

static int attach_xdp(struct sw_hooks *hooks, struct sw_hook_iface *iface, enum sw_mode mode, struct sw_failure *f)
{
    const enum sw_mode first = sw_iface_mode(iface, mode);
    enum xdp_attach_mode there = XDP_MODE_UNSPEC;
    int old = find_xdp(hooks, iface->id.ifindex, &there), fd = ingress_fd(hooks, iface), err;

    if (old == -EBUSY)
        return sw_fail(
            f, SW_EXIT_ATTACH, old,
            "'%s' already carries another XDP program, and with --pin synward shares the interface with none "
            "(see 'ip link show dev %s')",
            iface->id.name, iface->id.name);
    iface->old_xdp = old >= 0 ? old : -1;
    iface->xdp_mode = old >= 0 ? there : first == SW_MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
    if (mode != SW_MODE_AUTO && (iface->xdp_mode == XDP_MODE_SKB) != (mode == SW_MODE_GENERIC))
        return sw_fail(f, SW_EXIT_PINS, -ESTALE,
                       "'%s' carries the pinned program in %s XDP, and that cannot be changed in one step: --mode auto",
                       iface->id.name, there == XDP_MODE_SKB ? "generic" : "native");
    err = put_xdp(iface, fd, iface->old_xdp);
    if (err && err != -EBUSY && err != -EEXIST && old < 0 && first == SW_MODE_AUTO) {
        iface->native_error = err;
        iface->xdp_mode = XDP_MODE_SKB;
        err = put_xdp(iface, fd, -1);
    }
    if (err)
        return sw_fail(f, SW_EXIT_ATTACH, err, "'%s' refuses %sXDP: %s", iface->id.name,
                       mode == SW_MODE_NATIVE ? "native " : "", strerror(-err));
    iface->xdp_attached = true;
    snprintf(iface->id.mode, sizeof(iface->id.mode), "%s", iface->xdp_mode == XDP_MODE_SKB ? "generic" : "native");
    return 0;
}

static int put_tc(struct sw_hook_iface *iface, const struct bpf_program *prog, enum sw_tc_side side, int *ret_old)
{
    bool made;
    int err;

    *ret_old = sw_clsact_program(iface->id.ifindex, side);
    if (*ret_old < 0)
        *ret_old = -1;
    err = sw_clsact_put(bpf_program__fd(prog), iface->id.ifindex, side, &made);
    iface->id.made_clsact |= made;
    return err;
}

static void attach_egress(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    if (hooks->ingress_only || (iface->loopback && !hooks->obj->rodata->cfg.owners))
        return;
    iface->egress_error = put_tc(iface, hooks->obj->progs.sw_egress, SW_TC_EGRESS, &iface->old_egress);
    if (!iface->egress_error)
        iface->id.egress = SW_EGRESS_CLSACT;
}

static bool wants_accept(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    return hooks->guard && !iface->loopback && bpf_program__autoload(hooks->obj->progs.sw_accept);
}

static int watch(const struct sw_hooks *hooks, const struct sw_hook_iface *iface, struct sw_failure *f)
{
    const __u32 with_ingress = 1;

    if (bpf_map_update_elem(bpf_map__fd(hooks->obj->maps.watched), &iface->id.ifindex, &with_ingress, BPF_ANY))
        return sw_fail(f, SW_EXIT_INTERNAL, -errno, "map watched: %s", strerror(errno));
    return 0;
}

/* Where a previous program tracks ingress, the first new egress program must know that: else it tracks again what is
 * forwarded from there. */
static int watch_carried(const struct sw_hooks *hooks, struct sw_failure *f)
{
    int err = 0;

    for (size_t i = 0; i < hooks->len && !err; i++) {
        enum xdp_attach_mode mode;
        int fd = find_xdp(hooks, hooks->ifaces[i].id.ifindex, &mode);

        if (fd < 0)
            continue;
        close(fd);
        err = watch(hooks, &hooks->ifaces[i], f);
    }
    return err;
}

/* In the order of sw_hooks_attach, for the same reasons. */
static int attach_iface(struct sw_hooks *hooks, struct sw_hook_iface *iface, enum sw_mode mode, struct sw_failure *f)
{
    int err = watch(hooks, iface, f);

    if (err)
        return err;
    if (wants_accept(hooks, iface)) {
        err = put_tc(iface, hooks->obj->progs.sw_accept, SW_TC_INGRESS, &iface->old_accept);
        if (err)
            return sw_fail(f, SW_EXIT_ATTACH, err, "'%s' refuses the guard's tc ingress hook: %s", iface->id.name,
                           strerror(-err));
        iface->accept_attached = true;
    }
    err = sw_hooks_gateway_attach(hooks, iface, f);
    if (err)
        return err;
    if (hooks->guard) {
        attach_egress(hooks, iface);
        if (iface->egress_error)
            return sw_fail(f, SW_EXIT_ATTACH, iface->egress_error, "'%s' refuses the guard's tc egress hook: %s",
                           iface->id.name, strerror(-iface->egress_error));
    }
    err = attach_xdp(hooks, iface, mode, f);
    if (!err && !hooks->guard)
        attach_egress(hooks, iface);
    return err;
}

/* Loopback is followed and not guarded, by a program with constants of its own. */
static int prepare_plain(struct sw_hooks *hooks)
{
    bool wanted = false;
    int err;

    for (size_t i = 0; i < hooks->len; i++)
        wanted |= hooks->guard && hooks->ifaces[i].loopback;
    if (!wanted)
        return 0;
    err = sw_object_ingress_copy(hooks->obj, false, &hooks->ingress_plain.copy);
    return err ? err : synward_bpf__load(hooks->ingress_plain.copy);
}

static void let_go(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Detaches what a previous daemon attached and this one does not need. */
static void drop_rest(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    if (!wants_accept(hooks, iface))
        sw_clsact_detach(iface->id.ifindex, SW_TC_INGRESS, false);
    if (hooks->ingress_only)
        sw_clsact_detach(iface->id.ifindex, SW_TC_EGRESS, false);
}

void sw_hooks_pinned_commit(const struct sw_hooks *hooks)
{
    for (size_t i = 0; i < hooks->len; i++)
        drop_rest(hooks, &hooks->ifaces[i]);
}

int sw_hooks_pinned_attach(struct sw_hooks *hooks, enum sw_mode mode, struct sw_failure *f)
{
    int err = prepare_plain(hooks);

    if (err)
        sw_fail(f, SW_EXIT_INTERNAL, err, "the program for loopback cannot be loaded: %s", strerror(-err));
    else
        err = watch_carried(hooks, f);
    for (size_t i = 0; i < hooks->len && !err; i++)
        err = attach_iface(hooks, &hooks->ifaces[i], mode, f);
    if (err)
        sw_hooks_pinned_undo(hooks);
    return err;
}

static void restore_tc(const struct sw_hook_iface *iface, enum sw_tc_side side, int old_fd)
{
    bool made;

    if (old_fd >= 0)
        sw_clsact_put(old_fd, iface->id.ifindex, side, &made);
    else
        sw_clsact_detach(iface->id.ifindex, side, iface->id.made_clsact);
}

static void restore(const struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = iface->xdp_attached ? ingress_fd(hooks, iface) : 0);

    if (iface->xdp_attached && iface->old_xdp >= 0)
        put_xdp(iface, iface->old_xdp, opts.old_prog_fd);
    else if (iface->xdp_attached)
        bpf_xdp_detach(iface->id.ifindex, iface->xdp_mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE,
                       &opts);
    if (iface->id.egress == SW_EGRESS_CLSACT)
        restore_tc(iface, SW_TC_EGRESS, iface->old_egress);
    if (iface->accept_attached)
        restore_tc(iface, SW_TC_INGRESS, iface->old_accept);
    sw_hooks_gateway_undo(iface);
    iface->xdp_attached = iface->accept_attached = false;
    iface->id.egress = SW_EGRESS_NONE;
}

void sw_hooks_pinned_drop(const struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    let_go(&iface->old_xdp);
    let_go(&iface->old_egress);
    let_go(&iface->old_accept);
    sw_hooks_gateway_release(iface);
    restore(hooks, iface);
}

bool sw_hooks_pinned_is_ingress(const struct sw_hooks *hooks, __u32 prog_id)
{
    const struct synward_bpf *plain = hooks->ingress_plain.copy;

    return prog_id && (prog_id == sw_hooks_pinned_id(bpf_program__fd(sw_object_ingress(hooks->obj))) ||
                       (plain && prog_id == sw_hooks_pinned_id(bpf_program__fd(sw_object_ingress(plain)))));
}

void sw_hooks_pinned_undo(struct sw_hooks *hooks)
{
    for (size_t i = hooks->len; i-- > 0;)
        restore(hooks, &hooks->ifaces[i]);
    sw_hooks_pinned_release(hooks);
}

void sw_hooks_pinned_release(struct sw_hooks *hooks)
{
    for (size_t i = 0; i < hooks->len; i++) {
        let_go(&hooks->ifaces[i].old_xdp);
        let_go(&hooks->ifaces[i].old_egress);
        let_go(&hooks->ifaces[i].old_accept);
        sw_hooks_gateway_release(&hooks->ifaces[i]);
    }
    sw_object_free(hooks->ingress_plain.copy);
    hooks->ingress_plain.copy = NULL;
}
