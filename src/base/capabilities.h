/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_BASE_CAPABILITIES_H
#define SW_BASE_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

bool sw_can_attach(void);            /* load programs, make maps, change interfaces */
bool sw_can_look_at_processes(void); /* of others, and their descriptors */
bool sw_can_inspect(void);           /* open another process's maps and programs by id */

uint64_t sw_caps(void); /* effective ones, 1 << CAP_*; 0 if they cannot be read */

/* Only these stay effective, until another call. What is not permitted is left out. */
int sw_caps_use(uint64_t caps);

/* Drops all others permanently, ambient and inheritable ones, and the bounding set (false in *ret_bounding: that takes
 * CAP_SETPCAP). User 0 gets nothing back by executing. */
int sw_caps_keep(uint64_t caps, bool *ret_bounding);

#endif
