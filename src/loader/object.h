/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF object: open, configure, load. `run` attaches it, `replay` feeds it through
 * BPF_PROG_TEST_RUN. Programs: sw_ingress (xdp.frags), sw_egress (tc), sw_sweep (syscall); with cfg.guard
 * sw_guarded in place of sw_ingress, and sw_judge (syscall) and sw_accept (tc) too.
 * Maps: flows, embryos, handshakes, locks, counters, events, events_open, watched, server_ports; the guard's are
 * in bpf/guard/maps.h, and as small as can be without cfg.guard.
 */
#ifndef SW_LOADER_OBJECT_H
#define SW_LOADER_OBJECT_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

struct synward_bpf; /* the skeleton, build/synward.skel.h */
struct sw_pin;      /* pin.h */

struct sw_object_opts {
    struct sw_config cfg;
    __u32 max_flows; /* entries */
    __u32 max_embryos;
    __u32 max_handshakes;      /* notes of handshakes, for what a flood pushes out of the embryos */
    __u32 ring_bytes;          /* of `events`, a power of two and a multiple of the page */
    __u32 ring_open_bytes;     /* of `events_open` */
    const __u16 *server_ports; /* likely server ports for midstream flips; NULL: default list */
    size_t server_ports_len;
    /* with cfg.guard only */
    __u32 limit_source_max; /* addresses with a bucket; 1: no limit is wanted */
    __u32 limit_prefix_max;
    __u32 captures_bytes; /* of ring `captures`, a power of two; a page: none is wanted */
    struct sw_pin *pin;   /* NULL: none; else the maps are those that are pinned, if there are any */
    bool old;             /* the form for kernels before 5.18: no guard, no checksums (sw_kernel_is_old) */
    bool accept;          /* load sw_accept if the kernel has what it needs (sw_kernel_has_reqsk) */
};

/* Sane defaults, with the timeouts' sources in docs/design. */
void sw_object_defaults(struct sw_object_opts *opts);

/* Opens, configures and loads. 0 or -errno; libbpf's log goes where sw_log_init sent it. On failure
 * *ret_obj is NULL. ret_why (may be NULL) gets a static string for the user's line. */
int sw_object_load(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why);
void sw_object_free(struct synward_bpf *obj);

/* The XDP program that obj is for: sw_guarded with cfg.guard, else sw_ingress. */
struct bpf_program *sw_object_ingress(const struct synward_bpf *obj);

/* A second, not yet loaded object with that program alone, on the first one's maps: libxdp loads it in the way
 * that the interface needs. guard false: it only follows. Free it before obj. */
int sw_object_ingress_copy(struct synward_bpf *obj, bool guard, struct synward_bpf **ret_copy);

/* About what the maps of these sizes take in the kernel. */
unsigned long long sw_object_bytes(const struct sw_object_opts *opts);

/* The enum sw_exit for an error of sw_object_load. */
int sw_object_exit_code(int err);

/* Runs sw_sweep once, or on old kernels what does the same (walk.c). now 0: kernel clock. Returns 0 or -errno; results
 * in *ret_sweep. */
int sw_object_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep);
int sw_walk_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep);
/* Sums the per-CPU counters. */
int sw_object_counters(struct synward_bpf *obj, __u64 ret_counters[SW_C_MAX]);

#endif
