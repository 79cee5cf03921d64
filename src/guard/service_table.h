/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slots of map `services` and their chains from map `svc_ports`, changed while the kernel side reads them. A
 * service keeps its slot as long as it is there. It is filled before it is linked, and a slot that was freed is not
 * taken again in the same round. Order of a chain: addresses, wildcards, then those that are gone. Who gets a place
 * when there are too few: service_share.h.
 */
#ifndef SW_GUARD_SERVICE_TABLE_H
#define SW_GUARD_SERVICE_TABLE_H

#include "guard/service_chain.h"
#include "guard/service_set.h"
#include "guard/service_share.h"
#include "guard/tcp_settings.h"

struct sw_table_shadow {
    __u64 gone_since;
    __u32 freed; /* round in which it was freed */
    bool wanted; /* in this round */
    bool gone;
    bool was_calm; /* when it went away */
    bool adopted;  /* it existed before this daemon: what it learned is kept */
    __u8 wscale;   /* as last written: the BPF programs may have learned another since */
    __u16 win;
    __u32 backlog; /* of its listener, 0: none */
};

struct sw_table {
    struct sw_guard *guard; /* mmapped */
    struct sw_chains chain;
    int counters_fd, history_fd; /* maps `svc_counters`, `svc_history` */
    int cpus;
    struct sw_svc_counters *tally; /* room for two values of all CPUs */
    __u32 round;
    struct sw_table_shadow shadow[SW_SERVICES];
    struct sw_share_place place[SW_SERVICES];
};

/* What all services have in common. */
struct sw_table_common {
    const struct sw_tcp_sysctls *sysctls;
    enum sw_guard_mode mode; /* of new ones */
    enum sw_backend backend; /* of those that can take it; SW_BK_NONE: cookies are impossible */
    int wscale;              /* -1: as the kernel would */
    __u16 window;            /* 0: as the kernel would */
    bool no_window;          /* 0, not that of the kernel */
    __u16 mss[2];
    __u64 grace, now;
};

/* The result. */
struct sw_table_sum {
    size_t no_slot, no_chain; /* left out */
    __u16 crowded;            /* a port of no_chain */
    size_t most;              /* no_slot: places of the user that has most, root apart */
    __u32 most_uid;
    size_t live, listener, mptcp; /* of the live ones: with that backend, MPTCP sockets */
    size_t no_listener;           /* named, without a listener */
};

int sw_table_init(struct sw_table *t, struct sw_guard *guard, struct sw_service *slots, struct sw_port_slot *ports,
                  int counters_fd, int history_fd); /* 0 or -errno */
void sw_table_free(struct sw_table *t);

/* Would this remove a live service? Then the listeners should be read again. */
bool sw_table_misses(const struct sw_table *t, const struct sw_service_spec *wanted, size_t len);
/* 0 or -errno; what could be done was done. */
int sw_table_apply(struct sw_table *t, const struct sw_service_spec *wanted, size_t len,
                   const struct sw_table_common *c, struct sw_table_sum *ret);

#endif
