/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's services: what matters most comes first. Pure. */
#ifndef SW_TOP_GUARD_H
#define SW_TOP_GUARD_H

#include "base/fmt.h"
#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_top_service {
    char name[SW_SERVICE_TEXT]; /* printable */
    __u8 mode, state;           /* enum sw_guard_mode, sw_guard_state */
    bool no_listener;
    __u64 in_state_ns; /* SW_TOP_UNKNOWN: it never changed */
    __u64 half_open, syn_rate;
    __u64 sent, accepted, dropped; /* cookies, packets: in all */
};

struct sw_top_guard {
    bool there; /* there is one */
    struct sw_top_service *service;
    size_t len, room;
    size_t active; /* not calm */
};

void sw_top_service_of(const struct sw_service *s, const struct sw_svc_counters *t, __u64 now_ns,
                       struct sw_top_service *ret);
/* One of a name that is there takes its place. 0 or -ENOMEM */
int sw_top_guard_put(struct sw_top_guard *g, const struct sw_top_service *s);
/* Engaged ones first, then those in grace; of each the highest SYN rate, then most cookies and drops, then by name. */
void sw_top_guard_sort(struct sw_top_guard *g);
void sw_top_guard_fini(struct sw_top_guard *g);

/* A line of at most `width` columns, 80 or more; and the heads above it. buf has width + 1 bytes. */
void sw_top_guard_head(int width, char *buf);
void sw_top_guard_text(const struct sw_top_service *s, int width, char *buf);

#endif
