/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The egress hook: tcx (kernel 6.6), else a clsact filter of fixed handle and priority. */
#ifndef SW_TC_H
#define SW_TC_H

#include <linux/types.h>
#include <stdbool.h>

/* Can an egress program be attached to the interface? Tries with an empty one, and takes it away. 0 or -errno. */
int sw_egress_try(__u32 ifindex);

/* fd of the link, or -errno (-EINVAL, -EOPNOTSUPP: no tcx here). */
int sw_tcx_attach(int prog_fd, __u32 ifindex);

/* *ret_made: the qdisc was not there before. 0 or -errno. */
int sw_clsact_attach(int prog_fd, __u32 ifindex, bool *ret_made);

/* Removes our filter, and the qdisc if remove_qdisc and nobody has filters in it. -ENOENT: not there. */
int sw_clsact_detach(__u32 ifindex, bool remove_qdisc);

#endif
