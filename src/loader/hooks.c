/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/hooks.h"
#include "base/exit.h"
#include "base/veth.h"
#include "loader/hooks_pinned.h"
#include "loader/hooks_shared.h"
#include "loader/object.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int sw_hooks_add(struct sw_hooks *hooks, const char *name, struct sw_failure *ret_failure)
{
    struct sw_hook_iface *iface = &hooks->ifaces[hooks->len];
    struct ifreq req = {0};
    int fd, type, flags, err;

    if (hooks->len == SW_IFACES_MAX)
        return sw_fail(ret_failure, SW_EXIT_USAGE, -E2BIG, "more than %d interfaces", SW_IFACES_MAX);
    if (!*name || strlen(name) >= IF_NAMESIZE || !if_nametoindex(name))
        return sw_fail(ret_failure, SW_EXIT_INTERFACE, -ENODEV, "there is no interface '%.64s'", name);
    for (size_t i = 0; i < hooks->len; i++)
        if (hooks->ifaces[i].id.ifindex == if_nametoindex(name))
            return sw_fail(ret_failure, SW_EXIT_USAGE, -EEXIST, "interface '%s' is given twice", name);

    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sw_fail(ret_failure, SW_EXIT_INTERNAL, -errno, "socket: %s", strerror(errno));
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    err = ioctl(fd, SIOCGIFHWADDR, &req) ? -errno : 0;
    type = req.ifr_hwaddr.sa_family;
    if (!err)
        err = ioctl(fd, SIOCGIFFLAGS, &req) ? -errno : 0;
    flags = req.ifr_flags;
    close(fd);
    if (err)
        return sw_fail(ret_failure, SW_EXIT_INTERFACE, err, "interface '%s': %s", name, strerror(-err));
    if (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK)
        return sw_fail(ret_failure, SW_EXIT_INTERFACE, -EPROTOTYPE,
                       "interface '%s' does not carry Ethernet frames (link type %d)", name, type);

    memset(iface, 0, sizeof(*iface));
    iface->id.ifindex = if_nametoindex(name);
    snprintf(iface->id.name, sizeof(iface->id.name), "%s", name);
    iface->loopback = flags & IFF_LOOPBACK;
    iface->egress_link = iface->old_xdp = iface->old_egress = iface->old_accept = -1;
    iface->old_gate[0] = iface->old_gate[1] = -1;
    hooks->len++;
    return 0;
}

static bool is_ours(const struct xdp_program *prog)
{
    const char *name = xdp_program__name(prog);

    return !strcmp(name, "sw_ingress") || !strcmp(name, "sw_xdp_guard");
}

/* Our program in the dispatcher, or alone on the interface. */
static int clean_xdp(struct sw_hook_iface *iface, bool *ret_found)
{
    struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(iface->id.ifindex);
    struct xdp_program *prog = NULL, *next;
    enum xdp_attach_mode mode;
    int err = 0;

    if (libxdp_get_error(mp) || !mp)
        return 0;
    mode = xdp_multiprog__attach_mode(mp);
    if (xdp_multiprog__is_legacy(mp)) {
        prog = xdp_multiprog__main_prog(mp);
        if (prog && is_ours(prog)) {
            *ret_found = true;
            err = xdp_multiprog__detach(mp);
        }
    } else {
        for (prog = xdp_multiprog__next_prog(NULL, mp); prog && !err; prog = next) {
            next = xdp_multiprog__next_prog(prog, mp);
            if (!is_ours(prog))
                continue;
            *ret_found = true;
            err = xdp_program__detach(prog, iface->id.ifindex, mode, 0);
        }
    }
    xdp_multiprog__close(mp);
    return err;
}

int sw_hooks_clean(struct sw_hook_iface *iface, bool made_clsact, bool *ret_found)
{
    int accept, egress, in, out, err;

    *ret_found = false;
    err = clean_xdp(iface, ret_found);
    if (err)
        return err;
    accept = sw_clsact_detach(iface->id.ifindex, SW_TC_INGRESS, made_clsact);
    egress = sw_clsact_detach(iface->id.ifindex, SW_TC_EGRESS, made_clsact);
    in = sw_clsact_detach(iface->id.ifindex, SW_TC_GATEWAY_IN, made_clsact);
    out = sw_clsact_detach(iface->id.ifindex, SW_TC_GATEWAY_OUT, made_clsact);
    if (!accept || !egress || !in || !out)
        *ret_found = true;
    if (made_clsact && accept && egress && in && out) /* it was killed before it had a filter there */
        sw_clsact_tidy(iface->id.ifindex);
    if (accept && accept != -ENOENT)
        return accept;
    if (in && in != -ENOENT)
        return in;
    if (out && out != -ENOENT)
        return out;
    return egress == -ENOENT ? 0 : egress;
}

int sw_hooks_attach(struct sw_hooks *hooks, struct synward_bpf *obj, enum sw_mode mode, struct sw_failure *ret_failure)
{
    hooks->obj = obj;
    for (size_t i = 0; i < hooks->len; i++)
        hooks->ifaces[i].no_answers = hooks->guard && sw_veth_may_lose(sw_veth_peer(hooks->ifaces[i].id.ifindex));
    return hooks->pinned ? sw_hooks_pinned_attach(hooks, mode, ret_failure)
                         : sw_hooks_shared_attach(hooks, mode, ret_failure);
}

void sw_hooks_detach(struct sw_hooks *hooks)
{
    (hooks->pinned ? sw_hooks_pinned_release : sw_hooks_shared_detach)(hooks);
}

void sw_hooks_drop(struct sw_hooks *hooks, struct sw_hook_iface *iface)
{
    /* what comes in there is seen where it goes out, from now on */
    bpf_map_delete_elem(bpf_map__fd(hooks->obj->maps.watched), &iface->id.ifindex);
    if (hooks->pinned)
        sw_hooks_pinned_drop(hooks, iface);
    else
        sw_hooks_shared_drop(hooks, iface);
    iface->gone = true;
}

bool sw_hooks_is_ingress(const struct sw_hooks *hooks, __u32 prog_id)
{
    return (hooks->pinned ? sw_hooks_pinned_is_ingress : sw_hooks_shared_is_ingress)(hooks, prog_id);
}

__u32 sw_hooks_ingress_id(const struct sw_hooks *hooks)
{
    if (hooks->pinned)
        return hooks->obj ? sw_hooks_pinned_id(bpf_program__fd(sw_object_ingress(hooks->obj))) : 0;
    return sw_hooks_shared_id(hooks);
}
