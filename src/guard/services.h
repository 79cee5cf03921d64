/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is protected: the table of services (maps `services`, `svc_ports`), this host's addresses (map `local_ips`) and
 * the four-tuples that have a socket (map `known_tuples`), all kept up to date from sock_diag and rtnetlink. The maps
 * are mmapped, so that the BPF programs see each change at once and none of their fields is overwritten.
 */
#ifndef SW_GUARD_SERVICES_H
#define SW_GUARD_SERVICES_H

#include "config/guard_options.h"
#include "synward.h"

struct synward_bpf;
struct sw_services; /* opaque */

/*
 * ifindexes: the interfaces that are watched (their MTU bounds the MSS); bridged: one is a port of a bridge or the
 * like. reqsk: the kernel has that backend and sw_accept is loaded. Changes nothing in the maps, which may be those of
 * a previous daemon. 0 or -errno; -ENOTSUP: see sw_tcp_sysctls_refusal.
 */
int sw_services_new(struct synward_bpf *obj, const struct sw_guard_opts *opts, const __u32 *ifindexes,
                    size_t ifindexes_len, bool bridged, bool reqsk, struct sw_services **ret);
void sw_services_free(struct sw_services *s); /* NULL is fine */

/* Fills everything for the first time, including the thresholds, times and limits of opts, but not the clock offset,
 * lists and keys. 0 or -errno: thresholds, times and limits are then unchanged. */
int sw_services_fill(struct sw_services *s);

/* Refreshes listeners, addresses, MTUs and sysctls (once a second). New listeners get the mode of opts; a listener that
 * went away frees its slot, or is SW_SV_NO_LISTENER if named. */
int sw_services_refresh(struct sw_services *s);

struct sw_service *sw_services_at(struct sw_services *s, __u32 index); /* the mmapped slot, port 0: free */
struct sw_guard *sw_services_guard(struct sw_services *s);             /* the mmapped configuration */

#endif
