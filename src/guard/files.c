/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/files.h"

#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const sw_list_names[SW_LISTS] = {[SW_LIST_ALLOW] = "allow", [SW_LIST_BLOCK] = "block"};

void sw_guard_files_free(struct sw_guard_files *files)
{
    for (int i = 0; i < SW_LISTS; i++)
        sw_cidrs_free(&files->list[i]);
    explicit_bzero(files, sizeof(*files));
}

int sw_guard_files_read(const struct sw_guard_opts *opts, struct sw_guard_files *ret, char *error, size_t error_size)
{
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < SW_LISTS && !err; i++)
        if (opts->lists[i].file)
            err = sw_cidrs_read(opts->lists[i].file, &ret->list[i], error, error_size);
    if (!err && opts->key_file)
        err = sw_keys_read(opts->key_file, &ret->keys, NULL, error, error_size);
    if (err)
        sw_guard_files_free(ret);
    return err;
}

int sw_guard_apply_list(struct synward_bpf *obj, struct sw_guard *guard, enum sw_list list, __u32 source,
                        const struct sw_cidrs *want)
{
    if (list == SW_LIST_ALLOW)
        return sw_list_apply(bpf_map__fd(obj->maps.allow), source, want, &guard->allow_len);
    return sw_list_apply(bpf_map__fd(obj->maps.block), source, want, &guard->block_len);
}

void sw_guard_lists_free(struct sw_guard_lists *lists)
{
    for (int i = 0; i < SW_LISTS; i++) {
        sw_cidrs_free(&lists->option[i]);
        sw_cidrs_free(&lists->file[i]);
    }
}

int sw_guard_lists_save(struct synward_bpf *obj, struct sw_guard_lists *ret)
{
    const int fds[SW_LISTS] = {
        [SW_LIST_ALLOW] = bpf_map__fd(obj->maps.allow), [SW_LIST_BLOCK] = bpf_map__fd(obj->maps.block)};
    struct sw_list_entry *entries;
    size_t len;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < SW_LISTS && !err; i++) {
        err = sw_list_dump(fds[i], &entries, &len);
        for (size_t k = 0; k < len && !err; k++) {
            if (entries[k].from & SW_LIST_OPTION)
                err = sw_cidrs_add(&ret->option[i], &entries[k].cidr);
            if (entries[k].from & SW_LIST_FILE && !err)
                err = sw_cidrs_add(&ret->file[i], &entries[k].cidr);
        }
        free(entries);
    }
    if (err)
        sw_guard_lists_free(ret);
    return err;
}

void sw_guard_lists_restore(struct synward_bpf *obj, struct sw_guard *guard, const struct sw_guard_lists *lists)
{
    for (int i = 0; i < SW_LISTS; i++) {
        sw_guard_apply_list(obj, guard, i, SW_LIST_OPTION, &lists->option[i]);
        sw_guard_apply_list(obj, guard, i, SW_LIST_FILE, &lists->file[i]);
    }
}

int sw_guard_install_keys(struct synward_bpf *obj, struct sw_guard *guard, __u64 now_ns)
{
    struct sw_keys keys = {0};
    int err = sw_keys_random(&keys, now_ns);

    if (!err)
        err = sw_keys_install(bpf_map__fd(obj->maps.keys), guard, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return err;
}

/* The kernel's copy is the only one that is kept. */
int sw_guard_renew_key(struct synward_bpf *obj, struct sw_guard *guard, __u64 now_ns)
{
    int err = 0, fd = bpf_map__fd(obj->maps.keys);
    __u32 slot = guard->key_slot;
    struct sw_keys keys = {0};

    if (bpf_map_lookup_elem(fd, &slot, &keys))
        err = -errno;
    if (!err)
        err = sw_keys_renew(&keys, now_ns);
    if (!err)
        err = sw_keys_install(fd, guard, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return err;
}

int sw_guard_key_age(struct synward_bpf *obj, const struct sw_guard *guard, __u64 now_ns, __u64 *ret_ns)
{
    __u32 slot = guard->key_slot;
    struct sw_keys keys = {0};
    int err = bpf_map_lookup_elem(bpf_map__fd(obj->maps.keys), &slot, &keys) ? -errno : 0;

    *ret_ns = sw_keys_age(&keys, now_ns);
    explicit_bzero(&keys, sizeof(keys));
    return err;
}
