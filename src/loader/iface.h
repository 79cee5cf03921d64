/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tracked interface, and what is attached to it. */
#ifndef SW_LOADER_IFACE_H
#define SW_LOADER_IFACE_H

#include "loader/instance.h"
#include "synward.h"

#include <stdbool.h>
#include <stddef.h>
#include <xdp/libxdp.h>

enum { SW_GATE_HOOKS = 2 };
enum sw_mode { SW_MODE_AUTO, SW_MODE_NATIVE, SW_MODE_GENERIC };

struct synward_bpf;

struct sw_hook_iface {
    struct sw_instance_iface id;
    bool loopback; /* tracked on ingress only: it sees each packet twice otherwise; never guarded */
    bool gone;     /* deleted, or moved to another namespace */
    bool xdp_attached;
    bool accept_attached;
    bool gate_attached[SW_GATE_HOOKS]; /* --gateway translate: sw_gateway_in, sw_gateway_out */
    bool no_answers;                   /* a veth on which what the guard sends by native XDP would be lost */
    enum xdp_attach_mode xdp_mode;
    int egress_link;                     /* tcx: fd, else -1 */
    int old_xdp, old_egress, old_accept; /* pinned: fds of the previous programs, else -1 */
    int old_gate[SW_GATE_HOOKS];         /* the same */
    int native_error;                    /* why generic: -errno, 0 when native or requested */
    int egress_error;                    /* why no egress: -errno */
};

struct sw_hooks {
    bool ingress_only; /* no egress hook */
    bool guard;
    bool alone;  /* libxdp attaches without its dispatcher */
    bool pinned; /* --pin: attached programs outlive the daemon, and replace those of a previous one */
    struct synward_bpf *obj;
    struct sw_ingress {
        struct synward_bpf *copy;
        struct xdp_program *prog;
    } ingress, ingress_plain; /* plain: only follows; for loopback when others are guarded */
    size_t len;
    struct sw_hook_iface ifaces[SW_IFACES_MAX];
};

/* The mode that --mode auto begins with. */
static inline enum sw_mode sw_iface_mode(const struct sw_hook_iface *iface, enum sw_mode mode)
{
    return mode == SW_MODE_AUTO && iface->no_answers ? SW_MODE_GENERIC : mode;
}

#endif
