/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Running instances: one file each, /run/synward/PID.instance, written atomically and kept locked (flock) while its
 * process runs, so that a reader can tell whether it runs even if the pid was reused.
 */
#ifndef SW_LOADER_INSTANCE_H
#define SW_LOADER_INSTANCE_H

#include "loader/pinfs.h"
#include "synward.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SW_IFACES_MAX 64
#define SW_INSTANCE_EXPORT 278

enum sw_egress_kind { SW_EGRESS_NONE, SW_EGRESS_TCX, SW_EGRESS_CLSACT };

struct sw_instance_iface {
    __u32 ifindex;
    char name[IF_NAMESIZE];
    char mode[12]; /* native or generic */
    bool shared;   /* behind libxdp's dispatcher */
    enum sw_egress_kind egress;
    bool made_clsact; /* the qdisc was not there before */
};

struct sw_instance {
    pid_t pid;
    __u64 netns;                                              /* inode of its network namespace */
    __s64 started;                                            /* seconds since 1970 */
    __u32 map_flows, map_half_open, map_counters, map_filter; /* ids */
    __u32 map_histograms, map_server_histograms;
    __u32 map_ladders, map_ladders_open; /* 0: without --ladder */
    __u32 prog_ingress, prog_egress, prog_sweep;
    __u32 map_guard, map_services, map_svc_ports, map_svc_counters, map_allow, map_block; /* 0: no guard */
    __u32 map_gateway_state, map_backends; /* 0: no --gateway translate */
    __u32 prog_detect;
    __u32 contract;                  /* SW_CONTRACT_VERSION */
    __u32 reopened, reopen_failed;   /* how often SIGHUP opened its output file again, or could not */
    char export[SW_INSTANCE_EXPORT]; /* --export: where to; else empty */
    __u64 exported, export_lost;     /* connections, about a second ago */
    bool has_output;                 /* there is one */
    bool ready;                      /* all is attached, and the loop runs; before that it is starting */
    size_t len;
    struct sw_instance_iface ifaces[SW_IFACES_MAX];
    char pin[SW_PIN_NAME]; /* --pin: name of its pinned state; else empty */
    int fd;                /* of the writer: holds the lock */
};

/* Serialises starts: only one synward at a time checks the others and attaches. fd or -errno. */
int sw_instance_begin(void);
void sw_instance_end(int lock_fd);

__u64 sw_instance_netns(void); /* inode of our own, 0: unknown */
/* No two of one boot have the same, where an inode comes again (SO_NETNS_COOKIE, Linux 5.14). 0: unknown */
__u64 sw_instance_netns_cookie(void);

/* Writes or replaces our file. inst->fd must be -1 the first time. 0 or -errno; -EEXIST: another process with our id
 * runs, of another pid namespace. */
int sw_instance_write(struct sw_instance *inst);
/* The same in place, which takes no right but the open file: of what changed of a running one. */
int sw_instance_update(const struct sw_instance *inst);
void sw_instance_remove(struct sw_instance *inst);
void sw_instance_leave(struct sw_instance *inst); /* the file is kept, for commands that show pinned state */

/* An ended one whose pins, programs and maps exist. */
bool sw_instance_is_pinned(const struct sw_instance *inst);
/* Removes the files of ended ones with these pins. */
void sw_instance_forget(const char *pin);

enum { SW_INSTANCE_CONTINUE, SW_INSTANCE_STOP, SW_INSTANCE_REMOVE };
/* Calls fn for every instance file: alive: its process runs. fn returns SW_INSTANCE_CONTINUE; SW_INSTANCE_REMOVE to
 * unlink the file of one that does not run; SW_INSTANCE_STOP or a negative value to end the walk with that result.
 * Otherwise 0, or -errno on failure. */
typedef int (*sw_instance_fn)(const struct sw_instance *inst, bool alive, void *ctx);
int sw_instance_walk(sw_instance_fn fn, void *ctx);

const char *sw_egress_name(enum sw_egress_kind kind);

#endif
