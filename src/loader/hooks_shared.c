/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/hooks_shared.h"

#include "base/exit.h"
#include "base/links.h"
#include "base/log.h"
#include "loader/hooks_gateway.h"
#include "loader/object.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_taken(int err)
{
    return err == -EBUSY || err == -EEXIST;
}

static struct xdp_program *ingress_of(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    return hooks->guard && iface->loopback ? hooks->ingress_plain.prog : hooks->ingress.prog;
}

static int clsact(struct sw_hook_iface *iface, int prog, enum sw_tc_side side)
{
    bool made;
    int err = sw_clsact_attach(prog, iface->id.ifindex, side, &made);

    iface->id.made_clsact |= made;
    return err;
}

/* Without the egress hook the host's own half is inferred, so a failure here is no reason for the tracker to stop. */
static void attach_egress(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    int prog = bpf_program__fd(hooks->obj->progs.sw_egress);
    int fd = -EOPNOTSUPP;

    if (hooks->ingress_only || (iface->loopback && !hooks->obj->rodata->cfg.owners))
        return;
    if (!hooks->guard)
        fd = sw_tcx_attach(prog, iface->id.ifindex);
    if (fd >= 0) {
        iface->egress_link = fd;
        iface->id.egress = SW_EGRESS_TCX;
        return;
    }
    iface->egress_error = clsact(iface, prog, SW_TC_EGRESS);
    if (!iface->egress_error)
        iface->id.egress = SW_EGRESS_CLSACT;
}

/* Only if sw_accept was loaded; without it the cookies of backend reqsk would not be accepted. */
static int attach_accept(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    const struct bpf_program *prog = hooks->obj->progs.sw_accept;
    int err;

    if (iface->loopback || !hooks->guard || !bpf_program__autoload(prog))
        return 0;
    err = clsact(iface, bpf_program__fd(prog), SW_TC_INGRESS);
    iface->accept_attached = !err;
    return err;
}

static bool behind_dispatcher(__u32 ifindex)
{
    struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
    bool shared;

    if (libxdp_get_error(mp) || !mp)
        return false;
    shared = !xdp_multiprog__is_legacy(mp);
    xdp_multiprog__close(mp);
    return shared;
}

/*
 * libxdp loads a program as an extension where it can use its dispatcher, so it gets a copy of the object
 * that is not loaded yet and shares all maps with the first.
 */
static int make_ingress(struct sw_hooks *hooks, bool guard, struct sw_ingress *ret)
{
    DECLARE_LIBBPF_OPTS(xdp_program_opts, opts);
    int err = sw_object_ingress_copy(hooks->obj, guard, &ret->copy);

    if (err)
        return err;
    opts.obj = ret->copy->obj;
    opts.prog_name = bpf_program__name(sw_object_ingress(ret->copy));
    ret->prog = xdp_program__create(&opts);
    err = libxdp_get_error(ret->prog);
    if (err)
        ret->prog = NULL;
    return err;
}

static int prepare_ingress(struct sw_hooks *hooks)
{
    int err = make_ingress(hooks, true, &hooks->ingress);

    for (size_t i = 0; i < hooks->len && !err; i++)
        if (hooks->guard && hooks->ifaces[i].loopback)
            return make_ingress(hooks, false, &hooks->ingress_plain);
    return err;
}

static void free_ingress(struct sw_ingress *ingress)
{
    if (ingress->prog)
        xdp_program__close(ingress->prog);
    ingress->prog = NULL;
    sw_object_free(ingress->copy);
    ingress->copy = NULL;
}

#define ALONE "LIBXDP_SKIP_DISPATCHER" /* libxdp then attaches the program itself */

/*
 * Since 6.13 (and in stable releases before) the kernel lets a program that changes packets replace none that does
 * not, as libxdp's dispatcher is: then we are alone on the interface. A program that failed once is not taken again.
 */
static int go_alone(struct sw_hooks *hooks)
{
    for (size_t i = 0; i < hooks->len; i++)
        if (hooks->ifaces[i].xdp_attached)
            return -EBUSY;
    if (getenv(ALONE) || setenv(ALONE, "1", 1))
        return -EBUSY;
    hooks->alone = true;
    free_ingress(&hooks->ingress);
    free_ingress(&hooks->ingress_plain);
    return prepare_ingress(hooks);
}

/* It was not the dispatcher that was refused. */
static int go_shared(struct sw_hooks *hooks)
{
    if (!hooks->alone)
        return 0;
    hooks->alone = false;
    unsetenv(ALONE);
    free_ingress(&hooks->ingress);
    free_ingress(&hooks->ingress_plain);
    return prepare_ingress(hooks);
}

static int attach_as(struct sw_hooks *hooks, struct sw_hook_iface *iface, enum xdp_attach_mode mode)
{
    int err = xdp_program__attach(ingress_of(hooks, iface), iface->id.ifindex, mode, 0);

    iface->xdp_mode = mode;
    if (err && !is_taken(err) && !go_alone(hooks))
        err = xdp_program__attach(ingress_of(hooks, iface), iface->id.ifindex, mode, 0);
    return err;
}

static int attach_ingress(struct sw_hooks *hooks, struct sw_hook_iface *iface, enum sw_mode mode)
{
    const enum sw_mode first = sw_iface_mode(iface, mode);
    int err = attach_as(hooks, iface, first == SW_MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE);

    if (err && first == SW_MODE_AUTO && !is_taken(err)) {
        iface->native_error = err;
        err = go_shared(hooks);
        if (!err)
            err = attach_as(hooks, iface, XDP_MODE_SKB);
    }
    if (err)
        return err;
    iface->xdp_attached = true;
    snprintf(iface->id.mode, sizeof(iface->id.mode), "%s", iface->xdp_mode == XDP_MODE_SKB ? "generic" : "native");
    return 0;
}

/* libxdp loads and attaches in one step. Was it the program that the kernel refused, and not the interface? */
static bool is_program_refused(struct sw_hooks *hooks, const struct sw_hook_iface *iface,
                               struct sw_failure *ret_failure)
{
    struct synward_bpf *copy;
    int err = sw_object_ingress_copy(hooks->obj, !hooks->guard || !iface->loopback, &copy);

    if (!err) {
        err = synward_bpf__load(copy);
        sw_object_free(copy);
    }
    if (err == -E2BIG) /* its maps are there: it is the program that is too large for the verifier */
        err = -ENOEXEC;
    if (err)
        sw_fail(ret_failure, sw_object_exit_code(err), err, "%s: %s", sw_object_why(err), strerror(-err));
    return err;
}

static int attach_iface(struct sw_hooks *hooks, struct sw_hook_iface *iface, enum sw_mode mode,
                        struct sw_failure *ret_failure)
{
    const __u32 with_ingress = 1;
    int err;

    if (bpf_map_update_elem(bpf_map__fd(hooks->obj->maps.watched), &iface->id.ifindex, &with_ingress, BPF_ANY))
        return sw_fail(ret_failure, SW_EXIT_INTERNAL, -errno, "map watched: %s", strerror(errno));
    err = attach_accept(hooks, iface);
    if (err)
        return sw_fail(ret_failure, SW_EXIT_ATTACH, err, "'%s' refuses the guard's tc ingress hook: %s", iface->id.name,
                       strerror(-err));
    err = sw_hooks_gateway_attach(hooks, iface, ret_failure);
    if (err)
        return err;
    if (hooks->guard) {
        attach_egress(hooks, iface);
        if (iface->egress_error) /* a handshake that is only inferred can be forged blindly */
            return sw_fail(ret_failure, SW_EXIT_ATTACH, iface->egress_error,
                           "'%s' refuses the guard's tc egress hook: %s", iface->id.name,
                           strerror(-iface->egress_error));
    }
    err = attach_ingress(hooks, iface, mode);
    if (is_taken(err))
        return sw_fail(ret_failure, SW_EXIT_ATTACH, err,
                       "'%s' already carries an XDP program that cannot be shared (see 'ip link show dev %s')",
                       iface->id.name, iface->id.name);
    if (err && is_program_refused(hooks, iface, ret_failure))
        return err;
    if (err)
        return sw_fail(ret_failure, SW_EXIT_ATTACH, err, "'%s' refuses %sXDP: %s", iface->id.name,
                       mode == SW_MODE_NATIVE ? "native " : "", strerror(-err));
    if (!hooks->guard) /* never before ingress: the first segment seen would be the reply */
        attach_egress(hooks, iface);
    iface->id.shared = behind_dispatcher(iface->id.ifindex);
    return 0;
}

int sw_hooks_shared_attach(struct sw_hooks *hooks, enum sw_mode mode, struct sw_failure *ret_failure)
{
    int err = prepare_ingress(hooks);

    if (err)
        sw_fail(ret_failure, SW_EXIT_INTERNAL, err, "libxdp cannot take the program: %s", strerror(-err));
    for (size_t i = 0; i < hooks->len && !err; i++)
        err = attach_iface(hooks, &hooks->ifaces[i], mode, ret_failure);
    if (err)
        sw_hooks_shared_detach(hooks);
    return err;
}

bool sw_hooks_shared_is_ingress(const struct sw_hooks *hooks, __u32 prog_id)
{
    return prog_id && ((hooks->ingress.prog && xdp_program__id(hooks->ingress.prog) == prog_id) ||
                       (hooks->ingress_plain.prog && xdp_program__id(hooks->ingress_plain.prog) == prog_id));
}

__u32 sw_hooks_shared_id(const struct sw_hooks *hooks)
{
    return hooks->ingress.prog ? xdp_program__id(hooks->ingress.prog) : 0;
}

/* The kernel detaches only our program. In a dispatcher libxdp has to detach it, with CAP_SYS_ADMIN. */
static int detach_ingress(struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    struct xdp_program *prog = ingress_of(hooks, iface);
    DECLARE_LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = xdp_program__fd(prog));

    if (iface->id.shared && !xdp_program__detach(prog, iface->id.ifindex, iface->xdp_mode, 0))
        return 0;
    return bpf_xdp_detach(iface->id.ifindex, iface->xdp_mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE,
                          &opts);
}

/* Another process may have detached or replaced it. */
static bool still_ours(const struct sw_hooks *hooks, const struct sw_hook_iface *iface)
{
    __u32 native, generic;

    if (sw_link_xdp(iface->id.ifindex, &native, &generic))
        return true;
    return iface->id.shared ? native || generic
                            : sw_hooks_shared_is_ingress(hooks, native) || sw_hooks_shared_is_ingress(hooks, generic);
}

static void detach_xdp(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    if (!iface->xdp_attached)
        return;
    iface->xdp_attached = false;
    if (!iface->gone) {
        int err = detach_ingress(hooks, iface);

        if (err && still_ours(hooks, iface))
            sw_warn("'%s': the XDP program is still attached: %s ('ip link set dev %s xdp off' removes it)",
                    iface->id.name, strerror(-err), iface->id.name);
    } else if (iface->id.shared) {
        libxdp_clean_references(iface->id.ifindex);
    }
}

static void detach_egress(struct sw_hook_iface *iface)
{
    if (iface->egress_link >= 0)
        close(iface->egress_link);
    iface->egress_link = -1;
    if (iface->id.egress == SW_EGRESS_CLSACT && !iface->gone)
        sw_clsact_detach(iface->id.ifindex, SW_TC_EGRESS, iface->id.made_clsact);
    iface->id.egress = SW_EGRESS_NONE;
}

static void detach_accept(struct sw_hook_iface *iface)
{
    if (iface->accept_attached && !iface->gone)
        sw_clsact_detach(iface->id.ifindex, SW_TC_INGRESS, iface->id.made_clsact);
    iface->accept_attached = false;
}

void sw_hooks_shared_detach(struct sw_hooks *hooks)
{
    for (size_t i = 0; i < hooks->len; i++) {
        detach_egress(&hooks->ifaces[i]);
        detach_xdp(hooks, &hooks->ifaces[i]);
    }
    for (size_t i = 0; i < hooks->len; i++) { /* a cookie may come back by any interface */
        detach_accept(&hooks->ifaces[i]);
        sw_hooks_gateway_detach(&hooks->ifaces[i]);
        sw_hooks_gateway_release(&hooks->ifaces[i]);
    }
    free_ingress(&hooks->ingress);
    free_ingress(&hooks->ingress_plain);
}

void sw_hooks_shared_drop(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    detach_egress(iface);
    detach_xdp(hooks, iface);
    detach_accept(iface);
    sw_hooks_gateway_detach(iface);
}
