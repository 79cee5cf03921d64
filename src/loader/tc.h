/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tc hooks: tcx (kernel 6.6, egress only), or a clsact filter of fixed handle and priority. */
#ifndef SW_LOADER_TC_H
#define SW_LOADER_TC_H

#include <linux/types.h>
#include <stdbool.h>

/* Those of a gateway come before the others. */
enum sw_tc_side { SW_TC_INGRESS, SW_TC_EGRESS, SW_TC_GATEWAY_IN, SW_TC_GATEWAY_OUT, SW_TC_SIDES };

/* Can a program be attached to the interface? Tries with an empty one, and takes it away, unless ours is there already.
 * clsact: by that alone, else tcx will do. 0 or -errno. */
int sw_tc_try(__u32 ifindex, enum sw_tc_side side, bool clsact);

/* Egress. fd of the link, or -errno (-EINVAL, -EOPNOTSUPP: no tcx here). */
int sw_tcx_attach(int prog_fd, __u32 ifindex);

/* *ret_made: the qdisc was not there before. 0 or -errno. */
int sw_clsact_attach(int prog_fd, __u32 ifindex, enum sw_tc_side side, bool *ret_made);

/* The id of the program under our handle. -ENOENT: there is none, or no qdisc. */
int sw_clsact_query(__u32 ifindex, enum sw_tc_side side, __u32 *ret_prog_id);

/* Is there a clsact qdisc? */
bool sw_clsact_there(__u32 ifindex);

/* Is a filter of ours in it? */
bool sw_clsact_is_in_use(__u32 ifindex);

/* Removes the qdisc if it has no filters. 0 or -errno. */
int sw_clsact_tidy(__u32 ifindex);

/* The fd of the program of our filter, or -ENOENT. */
int sw_clsact_program(__u32 ifindex, enum sw_tc_side side);

/* As sw_clsact_attach, but takes the place of our filter if there is one: no packet passes without a program. */
int sw_clsact_put(int prog_fd, __u32 ifindex, enum sw_tc_side side, bool *ret_made);

/* Removes our filter, and the qdisc if remove_qdisc and it has no filters. -ENOENT: not there. */
int sw_clsact_detach(__u32 ifindex, enum sw_tc_side side, bool remove_qdisc);

#endif
