/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose connections are: cgroups of sockets, and the processes that hold them. A connection's ends are looked up when
 * it is established, and what is found is kept for its later lines. What is not proven is not known: a process has a
 * link to the socket, whose cookie is that of the connection's own segments.
 */
#ifndef SW_OWNER_OWNERS_H
#define SW_OWNER_OWNERS_H

#include "owner/cgroups.h"
#include "owner/processes.h"
#include "synward.h"

#include <stdbool.h>

enum sw_owner_mode { SW_OWNER_OFF, SW_OWNER_SOCKET, SW_OWNER_PROCESS };

/* SOCKET: cookie and cgroup, as the programs have them. */
struct sw_process {
    __u64 cookie; /* of the socket */
    __s32 pid;
    __u32 pids; /* processes that held it; pid is the one started first */
    char comm[SW_COMM];
};

struct sw_owners; /* opaque */

/* With PROCESS it starts a process that looks into /proc, in a sandbox or not. flows: connections there can be, whose
 * processes are kept. 0 or -errno. */
int sw_owners_new(enum sw_owner_mode mode, size_t flows, bool sandbox, struct sw_owners **ret);
/* For one look at all that there is now, by the caller itself: what the commands that show tables take. */
int sw_owners_look(struct sw_owners **ret);
void sw_owners_free(struct sw_owners *o); /* NULL is fine */

enum sw_owner_mode sw_owners_mode(const struct sw_owners *o); /* NULL: OFF */

/* The records of a batch, before lines are made of them; then new connections are looked up, if there is time for it. o
 * may be NULL. */
void sw_owners_see(struct sw_owners *o, const struct sw_event *ev, __u64 now_ns);
void sw_owners_ask(struct sw_owners *o, __u64 now_ns);
bool sw_owners_waits(const struct sw_owners *o); /* some have to be asked for, or the answer is not there yet */

/* The end of a connection: 0 SW_ORIG, 1 SW_RESP. Is it this host's, as far as was seen? */
bool sw_owner_is_local(const struct sw_flow *f, int side);
__u64 sw_owner_cookie(const struct sw_owner *of); /* SO_COOKIE; 0: not known */
const struct sw_owner *sw_owner_of(const struct sw_flow *f, int side);
/* NULL: not known. o may be NULL. */
const struct sw_cgroup *sw_owners_cgroup(struct sw_owners *o, const struct sw_owner *of);
const struct sw_process *sw_owners_process(const struct sw_owners *o, const struct sw_owner *of);

/* Ends of this host that were established: a process was found, or none. */
void sw_owners_counts(const struct sw_owners *o, __u64 *ret_found, __u64 *ret_unknown);

#endif
