/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's files: lists and keys. A file is read completely before any of it is applied. */
#ifndef SW_GUARD_FILES_H
#define SW_GUARD_FILES_H

#include "config/guard_options.h"
#include "guard/keys.h"
#include "guard/lists.h"

struct synward_bpf;

struct sw_guard_files {
    struct sw_cidrs list[SW_LISTS];
    struct sw_key_set keys;
};

extern const char *const sw_list_names[SW_LISTS];

/* -errno and one line of text, "FILE:LINE: what"; *ret is empty then. */
int sw_guard_files_read(const struct sw_guard_opts *opts, struct sw_guard_files *ret, char *error, size_t error_size);
void sw_guard_files_free(struct sw_guard_files *files); /* and wipes the keys; a zeroed one is fine */

/* guard is the mmapped configuration. */
int sw_guard_apply_list(struct synward_bpf *obj, struct sw_guard *guard, enum sw_list list, __u32 source,
                        const struct sw_cidrs *want);

/* What options and files have put into the lists, to be put back. */
struct sw_guard_lists {
    struct sw_cidrs option[SW_LISTS], file[SW_LISTS];
};
int sw_guard_lists_save(struct synward_bpf *obj, struct sw_guard_lists *ret); /* 0 or -errno; *ret is empty then */
void sw_guard_lists_restore(struct synward_bpf *obj, struct sw_guard *guard, const struct sw_guard_lists *lists);
void sw_guard_lists_free(struct sw_guard_lists *lists);

/* Random keys. now_ns is what epochs count. 0 or -errno. */
int sw_guard_install_keys(struct synward_bpf *obj, struct sw_guard *guard, __u64 now_ns);
int sw_guard_renew_key(struct synward_bpf *obj, struct sw_guard *guard, __u64 now_ns);
/* How long the newer key has counted (sw_keys_age). 0 or -errno. */
int sw_guard_key_age(struct synward_bpf *obj, const struct sw_guard *guard, __u64 now_ns, __u64 *ret_ns);

#endif
