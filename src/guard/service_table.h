/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The slots of map `services` and their chains from map `service_ports`, changed while the kernel side reads them. A
 * service keeps its slot as long as it is there. It is filled before it is linked, and a slot that was freed is not
 * taken again in the same round. Order of a chain: addresses, wildcards, then those that are gone.
 */
#ifndef SW_GUARD_SERVICE_TABLE_H
#define SW_GUARD_SERVICE_TABLE_H

#include "guard/service_set.h"
#include "guard/tcp_settings.h"

/* An element of the mmapped `service_ports`: values are padded to 8 bytes. */
struct sw_port_slot {
    __u32 first;
    __u32 pad;
};

struct sw_table_shadow {
    __u64 gone_since;
    __u32 freed; /* round in which it was freed */
    bool wanted; /* in this round */
    bool gone;
    bool was_calm; /* when it went away */
    bool adopted;  /* it was there before us: what it learned stays */
    __u8 wscale;   /* as last written: the kernel side may have learned better since */
    __u16 win;
};

struct sw_table {
    struct sw_service *slot; /* mmapped */
    struct sw_port_slot *port;
    int counters_fd, past_fd; /* maps `service_counters`, `service_past` */
    int cpus;
    struct sw_tally *tally; /* room for two values of all CPUs */
    __u32 round;
    struct sw_table_shadow shadow[SW_SERVICES];
};

/* What all services have in common. */
struct sw_table_common {
    const struct sw_tcp_sysctls *sysctls;
    enum sw_guard_mode mode; /* of new ones */
    enum sw_backend backend; /* of those that can take it; SW_BK_NONE: cookies are impossible */
    int wscale;              /* -1: as the kernel would */
    __u16 mss[2];
    __u64 grace, now;
};

/* What became of it. */
struct sw_table_sum {
    size_t no_slot, no_chain;     /* left out */
    __u16 crowded;                /* a port of no_chain */
    size_t live, listener, mptcp; /* of the live ones: with that backend, MPTCP sockets */
    size_t silent;                /* named, and nobody listens */
};

int sw_table_init(struct sw_table *t, struct sw_service *slots, struct sw_port_slot *ports, int counters_fd,
                  int past_fd); /* 0 or -errno */
void sw_table_free(struct sw_table *t);

/* Would this take a live service away? Then it is worth to ask once more. */
bool sw_table_misses(const struct sw_table *t, const struct sw_wanted *wanted, size_t len);
/* 0 or -errno; what could be done was done. */
int sw_table_apply(struct sw_table *t, const struct sw_wanted *wanted, size_t len, const struct sw_table_common *c,
                   struct sw_table_sum *ret);

#endif
