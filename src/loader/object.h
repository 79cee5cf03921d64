/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF object: open, configure, load. `run` attaches it, `replay --through-bpf` feeds it through BPF_PROG_TEST_RUN.
 * Programs: sw_ingress (xdp.frags), sw_egress (tc), sw_sweep (syscall); with cfg.guard sw_xdp_guard in place of
 * sw_ingress, and sw_detect (syscall) and sw_accept (tc) too. Maps: flows, half_open, syn_cache, ended, locks,
 * hash_key, counters, events, events_open, events_anomaly, watched, server_ports, filter; the guard's are in
 * bpf/guard/maps.h, and as small as can be without cfg.guard.
 */
#ifndef SW_LOADER_OBJECT_H
#define SW_LOADER_OBJECT_H

#include "loader/map_sizes.h"

#include <stdbool.h>
#include <stddef.h>

struct synward_bpf; /* the skeleton, build/synward.skel.h */

/* Sane defaults, with the timeouts' sources in docs/design. */
void sw_object_defaults(struct sw_object_opts *opts);

/*
 * Opens the object and sets constants, sizes and which programs are loaded; until it is loaded, maps may be replaced by
 * pinned ones (sw_pin_reuse). 0 or -errno: *ret_obj is NULL then, and ret_why (may be NULL) gets a static string for
 * the user's line. libbpf's log goes where sw_log_init sent it.
 */
int sw_object_open(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why);
int sw_object_load(struct synward_bpf *obj, const struct sw_object_opts *opts, const char **ret_why);
/* Part of the load: the given numbers, or random ones, into map `hash_key`, unless it came with some from a pin. 0 or
 * -errno. */
int sw_object_key_hashes(struct synward_bpf *obj, const struct sw_hash_key *given);
/* Both, for an object without pins. On failure *ret_obj is NULL. */
int sw_object_new(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why);
void sw_object_free(struct synward_bpf *obj);

/* What map `server_ports` holds: a bit for each port that the options, or the list of well-known ones, name. */
void sw_object_server_ports(const struct sw_object_opts *opts, __u64 ret_bitmap[1024]);

/* The XDP program that obj is for: sw_xdp_guard with cfg.guard, else sw_ingress. */
struct bpf_program *sw_object_ingress(const struct synward_bpf *obj);

/* A second, not yet loaded object with that program alone, on the first one's maps: libxdp loads it in the way
 * that the interface needs. guard false: it only follows. Free it before obj. */
int sw_object_ingress_copy(struct synward_bpf *obj, bool guard, struct synward_bpf **ret_copy);

/* The enum sw_exit and the static string for an error of one of these. */
int sw_object_exit_code(int err);
const char *sw_object_why(int err);

/* Of the object; all have the same maps and programs by name, so one skeleton fits the others' bytes. */
enum sw_object_form {
    SW_FORM_WHOLE,
    SW_FORM_NO_KFUNC, /* sw_accept does nothing, and libbpf need not parse the kernel's types: half of a start */
    SW_FORM_OLD,      /* for kernels before 5.18 */
    SW_FORMS,
};
const void *sw_object_elf(enum sw_object_form form, size_t *ret_size); /* an ELF file */

bool sw_object_is_old(const struct synward_bpf *obj); /* of the form for kernels before 5.18 */

#endif
