/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is persisted in the pinned map `daemon`, versioned. */
#ifndef SW_LOADER_PIN_FORMAT_H
#define SW_LOADER_PIN_FORMAT_H

#include "loader/instance.h"
#include "synward.h"

#include <net/if.h>

#define SW_PIN_VERSION 7 /* of struct sw_pinned, and of the meaning of records if their layout does not change */
#define SW_CHECKPOINT_RINGS (SW_RINGS + 1) /* those of enum sw_ring, guard_events */

struct sw_checkpoint {
    __u64 seq;                     /* of the last line */
    __u64 at[SW_CHECKPOINT_RINGS]; /* positions in the rings */
    __u64 reported[SW_LOSSES];     /* as of struct sw_account */
    __u64 evicted;
    __u64 openings_lost;
    __u64 unmade[SW_LOSSES], unmade_logged[SW_LOSSES]; /* events without a line, as of struct sw_report_counts */
};

/* In the pinned map: the other slot is written, then `current` moves, so that a kill at any moment leaves a complete
 * one. */
struct sw_saved {
    __u32 current;
    __u32 pad;
    struct sw_checkpoint slot[2];
};

/* The one element of the mmapable array `daemon`. Up to `layout` it is the same in all versions, so that each can
 * remove the pins of any other. */
struct sw_pinned {
    __u32 version; /* SW_PIN_VERSION */
    __u32 contract;
    char made_by[32];   /* synward's version */
    __u64 netns;        /* its inode */
    __u64 netns_cookie; /* 0: of a kernel before 5.14 */
    __u32 guard;
    __u32 ifaces_len;
    struct sw_pinned_iface {
        __u32 ifindex;
        __u32 made_clsact;
        char name[IF_NAMESIZE];
    } iface[SW_IFACES_MAX];
    __u64 layout;
    __s32 pid;        /* of the last daemon */
    __u32 guard_mode; /* as given by --guard */
    __u32 key_file;   /* cookie keys came from one */
    __u32 gateway;    /* enum sw_gateway: what the services are */
    struct sw_saved saved;
};

#endif
