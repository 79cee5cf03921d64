/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which services there should be, from what listens and what --protect names. Pure. */
#ifndef SW_GUARD_SERVICE_SET_H
#define SW_GUARD_SERVICE_SET_H

#include "config/guard_options.h"
#include "guard/service_share.h"
#include "guard/sock_diag.h"

struct sw_service_spec {
    __u8 ip[16];
    __u16 port; /* host order */
    __u8 any;
    __u8 flags;    /* SW_SV_NAMED, SW_SV_MPTCP, SW_SV_BOUND, SW_SV_NO_LISTENER */
    __u32 rcvbuf;  /* of its listener */
    __u32 backlog; /* the same, 0: no listener */
    __u32 uid;     /* the same */
    enum sw_share_class class;
};

/* Is one the service that the other became? Wildcards: one of IPv4 alone and one of IPv6 a port, whatever else the
 * latter covers. */
bool sw_service_set_same(const __u8 ip[16], __u8 any, const __u8 other_ip[16], __u8 other_any);

/*
 * Without --protect: every listener. With it: those that it names, where a port names all its listeners and an
 * address of this host a wildcard's part; SW_SV_NO_LISTENER for a name that nothing listens on. Wildcards come before
 * addresses: they cover what finds no place. ips is sorted (sw_local_ips_read). Ports below first_open need a
 * privilege. 0 or -ENOMEM.
 */
int sw_service_set_make(const struct sw_listener *listeners, size_t len, const struct sw_guard_opts *opts,
                        const __u8 (*ips)[16], size_t ips_len, __u32 first_open, struct sw_service_spec **ret,
                        size_t *ret_len);

#endif
