/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hooks: sw_ingress or sw_guarded by libxdp (dispatcher where the kernel can, else alone), sw_egress by tcx, else
 * clsact.
 * With the guard sw_egress and sw_accept are clsact filters: these stay when we are killed, as XDP does, where a tcx
 * link would go and leave half of it behind.
 * Whatever is attached here is detached by sw_hooks_detach, also after a failure in the middle.
 */
#ifndef SW_LOADER_HOOKS_H
#define SW_LOADER_HOOKS_H

#include "base/failure.h"
#include "loader/instance.h"
#include "loader/object.h"

#include <xdp/libxdp.h>

enum sw_mode { SW_MODE_AUTO, SW_MODE_NATIVE, SW_MODE_GENERIC };

struct sw_hook_iface {
    struct sw_instance_iface id;
    bool loopback; /* ingress only: it sees each packet twice otherwise; never guarded */
    bool gone;     /* deleted, or moved to another namespace */
    bool xdp_attached;
    bool accept_attached;
    enum xdp_attach_mode xdp_mode;
    int egress_link;                     /* tcx: fd, else -1 */
    int old_xdp, old_egress, old_accept; /* stay: fds of the programs that were there, else -1 */
    int native_error;                    /* why generic: -errno, 0 when native or asked for */
    int egress_error;                    /* why no egress: -errno */
};

struct sw_hooks {
    bool ingress_only; /* no egress hook wanted */
    bool guard;
    bool alone; /* libxdp was told to leave its dispatcher out */
    bool stay;  /* --pin: what is attached outlives us, and takes the place of what a former daemon attached */
    struct synward_bpf *obj;
    struct sw_ingress {
        struct synward_bpf *copy;
        struct xdp_program *prog;
    } ingress, ingress_plain; /* plain: only follows; for loopback when others are guarded */
    size_t len;
    struct sw_hook_iface ifaces[SW_IFACES_MAX];
};

/* Resolves the name: exists, carries Ethernet frames, given once. Attaches nothing. */
int sw_hooks_add(struct sw_hooks *hooks, const char *name, struct sw_failure *ret_failure);

/* What a killed synward left on the interface: removed. made_clsact: it is known to have made the qdisc.
 * ret_found says whether there was anything. */
int sw_hooks_clean(struct sw_hook_iface *iface, bool made_clsact, bool *ret_found);

/* Attaches to all interfaces, XDP last, so that nothing is answered before it can be accepted; on failure everything
 * is undone. */
int sw_hooks_attach(struct sw_hooks *hooks, struct synward_bpf *obj, enum sw_mode mode, struct sw_failure *ret_failure);

/* Detaches everything, sw_accept last, and frees; what is to stay is only let go. Safe on a zeroed or half-attached
 * struct, and twice. */
void sw_hooks_detach(struct sw_hooks *hooks);

/* Somebody took one of its hooks: the others go as well, and the interface counts as gone. What is not ours stays. */
void sw_hooks_drop(struct sw_hooks *hooks, struct sw_hook_iface *iface);
bool sw_hooks_is_ingress(const struct sw_hooks *hooks, __u32 prog_id);

__u32 sw_hooks_ingress_id(const struct sw_hooks *hooks);

#endif
