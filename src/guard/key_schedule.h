/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of the key file while the daemon runs. All of them are in a map of the daemon's own, so that they go on
 * counting in turn when the file is gone, and none of them stays in this process's memory; two of them are in map
 * `keys`.
 */
#ifndef SW_GUARD_KEY_SCHEDULE_H
#define SW_GUARD_KEY_SCHEDULE_H

#include "guard/keys.h"

struct sw_key_schedule {
    bool open;
    int fd;           /* of all keys: a map with one struct sw_key_set */
    int keys_fd;      /* of map `keys` */
    size_t len, at;   /* keys; which one is the older in map `keys` */
    size_t preceding; /* 1: the first one is not of the file (sw_keys_precede) */
    struct sw_key_note note[SW_KEY_LINES + 1];
};

int sw_key_schedule_open(struct sw_key_schedule *s, int keys_map_fd); /* 0 or -errno */
void sw_key_schedule_close(struct sw_key_schedule *s);                /* a zeroed one is fine */

/* The keys are these from now on: into both maps, and shown in *guard. now_ns is real time. After a failure those
 * before remain. again: they replace others of a key file, whose cookies stay good; ret_changed, which may be NULL: by
 * other ones. */
int sw_key_schedule_set(struct sw_key_schedule *s, struct sw_guard *guard, struct sw_key_set *set, __u64 now_ns,
                        bool again, bool *ret_changed);
/* Is it time for the next one to come into map `keys`, or has the clock been set? 0 or -errno. */
int sw_key_schedule_turn(struct sw_key_schedule *s, struct sw_guard *guard, __u64 now_ns);

#endif
