/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is protected: the table of services (maps `services`, `service_ports`), this host's addresses (map
 * `local_ips`) and the four-tuples that have a socket (map `known`), all kept up to date from sock_diag and rtnetlink.
 * The maps are mmapped, so that the kernel side sees each change at once and nothing is copied back over its fields.
 */
#ifndef SW_GUARD_SERVICES_H
#define SW_GUARD_SERVICES_H

#include "config/guard_options.h"
#include "synward.h"

struct synward_bpf;
struct sw_services; /* opaque */

/*
 * ifindexes: the interfaces that are watched (their MTU bounds the MSS). reqsk: the kernel has that backend and
 * sw_accept is loaded. Changes nothing in the maps, which may be those of a daemon before us. 0 or -errno; -ENOTSUP:
 * sw_tcp_sysctls_refusal says why.
 */
int sw_services_new(struct synward_bpf *obj, const struct sw_guard_opts *opts, const __u32 *ifindexes,
                    size_t ifindexes_len, bool reqsk, struct sw_services **ret);
void sw_services_free(struct sw_services *s); /* NULL is fine */

/* Fills everything for the first time, the marks, times and limits of opts included, but not the clock offset, lists
 * and keys. 0 or -errno: the marks, times and limits are as before. */
int sw_services_fill(struct sw_services *s);

/* Listeners, addresses, MTUs, sysctls anew (once a second). New listeners get the mode of opts; a listener that went
 * away frees its slot, or is SW_SV_GONE if named. */
int sw_services_refresh(struct sw_services *s);

struct sw_service *sw_services_at(struct sw_services *s, __u32 index); /* the mmapped slot, port 0: free */
struct sw_guard *sw_services_guard(struct sw_services *s);             /* the mmapped configuration */

#endif
