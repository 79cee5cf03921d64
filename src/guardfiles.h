/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the guard takes from files: lists and keys. Read whole, before anything of it counts. */
#ifndef SW_GUARDFILES_H
#define SW_GUARDFILES_H

#include "guardopts.h"
#include "keys.h"
#include "lists.h"

struct synward_bpf;

struct sw_guard_files {
    struct sw_cidrs list[SW_LISTS];
    struct sw_key_line key[2];
    size_t key_len;
};

extern const char *const sw_list_names[SW_LISTS];

/* -errno and one line of text, "FILE:LINE: what"; *ret is empty then. */
int sw_guard_files_read(const struct sw_guard_opts *opts, struct sw_guard_files *ret, char *error, size_t error_size);
void sw_guard_files_free(struct sw_guard_files *files); /* and wipes the keys; a zeroed one is fine */

/* guard is the mmapped configuration. */
int sw_guard_apply_list(struct synward_bpf *obj, struct sw_guard *guard, enum sw_list list, __u32 source,
                        const struct sw_cidrs *want);

/* From the key file, or random if there is none. now_ns is what epochs count. 0 or -errno. */
int sw_guard_install_keys(struct synward_bpf *obj, struct sw_guard *guard, const struct sw_guard_files *files,
                          __u64 now_ns);
int sw_guard_renew_key(struct synward_bpf *obj, struct sw_guard *guard, __u64 now_ns);

#endif
