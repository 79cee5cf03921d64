/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The figures of an instance, read from its maps: what `status` and `metrics` show. */
#ifndef SW_CMD_FIGURES_H
#define SW_CMD_FIGURES_H

#include "base/filter_rules.h"
#include "loader/instance.h"
#include "loader/service_stats.h"

struct sw_fill {
    __u64 all, live;
};

struct sw_figures {
    __u64 counters[SW_C_MAX];
    struct sw_fill flows, half_open;
    __u64 flows_max, half_open_max;
    __u64 evicted, lost, emitted;
    struct sw_filter_rules filter;
    struct sw_service_stats *guard; /* NULL: no guard */
    __u64 now, services, active, unprotected;
    __u32 guard_flags; /* SW_G_* */
    enum sw_gateway gateway;
    struct sw_svc_counters sum;
    struct sw_key_state keys;
};

/* Of one that is ready. alive: its process runs. 0 or -errno: -ENOENT if it has just ended. To be freed in any case. */
int sw_figures_read(const struct sw_instance *inst, bool alive, struct sw_figures *ret);
void sw_figures_free(struct sw_figures *f);

/* One of the three: whether the wall clock is synchronised. It is asked only if a key is shared. */
const char *sw_clock_text(const struct sw_figures *f, const char *unknown, const char *yes, const char *no);

#endif
