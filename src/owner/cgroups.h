/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths of cgroups (v2) by their ids, which are the inodes of their directories. The tree is walked when an id is not
 * known, and not more often than costs 5 % of a CPU. What was found stays: a cgroup's id is not given to another one.
 */
#ifndef SW_OWNER_CGROUPS_H
#define SW_OWNER_CGROUPS_H

#include <linux/types.h>
#include <stddef.h>

#define SW_CGROUP_PATH 1024 /* a longer path is not known; as an escaped string at most 1,500 bytes */
#define SW_CGROUP_JSON 1500

struct sw_cgroup {
    __u64 id;
    char *path;            /* from the root of the tree on, beginning with '/'; NULL: there is no such cgroup */
    char *json;            /* escaped */
    const char *container; /* SW_CONTAINER_LEN bytes of path; NULL: none is named */
    unsigned walk;         /* that last saw it */
};

struct sw_cgroups; /* opaque */

/* dir: the root of the tree, which it takes over; -1: none. 0 or -ENOMEM. */
int sw_cgroups_new(int dir, struct sw_cgroups **ret);
void sw_cgroups_free(struct sw_cgroups *c); /* NULL is fine */

/* The mounted tree of cgroup v2, to be closed; -1: there is none. */
int sw_cgroups_open(void);

/* NULL: not known, or it has no path. now_ns: for the limit. */
const struct sw_cgroup *sw_cgroups_find(struct sw_cgroups *c, __u64 id, __u64 now_ns);

size_t sw_cgroups_len(const struct sw_cgroups *c);

#endif
