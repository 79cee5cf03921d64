/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What services.c, known_tuples.c and warnings.c share. */
#ifndef SW_GUARD_SERVICES_STATE_H
#define SW_GUARD_SERVICES_STATE_H

#include "config/guard_options.h"
#include "guard/gateway.h"
#include "guard/reverse_path.h"
#include "guard/service_table.h"
#include "guard/tcp_settings.h"
#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

enum { REGIONS = 5 };

/* A warning that may come again. */
struct sw_said {
    size_t count; /* as last logged; 0: there was none since */
    __u64 next;   /* not before */
};

struct sw_services {
    const struct sw_guard_opts *opts;
    __u32 *ifindexes;
    size_t ifindexes_len;
    bool reqsk;
    bool bridged; /* a watched interface is a port of a bridge or the like: what passes has any Ethernet address */
    int nets_fd;  /* map `service_nets` */
    struct sw_net_entry *nets; /* what is in it, of a gateway */
    size_t nets_len, nets_own;
    bool nets_changed; /* at the last refresh */
    struct {
        void *at;
        size_t bytes;
    } region[REGIONS];
    struct sw_guard *guard; /* mmapped, as the next three */
    struct sw_table table;
    __u32 (*local_ips)[4];
    __u64 *known;
    struct sw_hash_key hash_key; /* of the programs' tables: constant */
    struct sw_tcp_sysctls sysctls;
    struct sw_table_sum sum;
    size_t addresses_left_out;
    struct sw_reverse_path *reverse_path;
    const char *reverse_path_said; /* the trouble that was warned of */
    __u64 overflows;               /* of the kernel's queues, if known */
    bool overflows_known;
    __u64 now;    /* of the last refresh */
    __u32 warned; /* 1 << enum warning */
    struct sw_said slots_said, chain_said;
    char text[320];
};

#endif
