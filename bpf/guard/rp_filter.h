/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reverse path filter: a SYN whose source the kernel would refuse gets no answer from the guard either. */
#ifndef SW_BPF_GUARD_RP_FILTER_H
#define SW_BPF_GUARD_RP_FILTER_H

#include "guard/rate_limit.h"

/* No route to it leads over an interface that is watched. Routes that are no longer kept up to date refuse nothing. */
SW_STEP int sw_is_unreached(struct sw_ip *ip, __u64 now)
{
    struct sw_guard *g = sw_guard_config();

    return ip && g && now < g->routes_ns + SW_ROUTES_NS && !sw_listed(&reverse_path, ip);
}

/* Where sources are not checked this is the test of a flag. */
static __always_inline int sw_refuses_source(const struct sw_guard *g, struct sw_ip *src, __u32 v6, __u64 now)
{
    return g->flags & (v6 ? SW_G_REVERSE_6 : SW_G_REVERSE_4) && sw_is_unreached(src, now);
}

#endif
