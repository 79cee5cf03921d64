/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/file_id.h"

#include <errno.h>
#include <string.h>

void sw_file_id_of(const struct stat *st, struct sw_file_id *ret)
{
    *ret = (struct sw_file_id){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = st->st_size,
        .mode = st->st_mode,
        .uid = st->st_uid,
        .mtime = {st->st_mtim.tv_sec, st->st_mtim.tv_nsec},
        .ctime = {st->st_ctim.tv_sec, st->st_ctim.tv_nsec},
    };
}

void sw_file_id_at(const char *path, struct sw_file_id *ret)
{
    struct stat st;

    if (stat(path, &st))
        *ret = (struct sw_file_id){.err = -errno};
    else
        sw_file_id_of(&st, ret);
}

bool sw_file_id_same(const struct sw_file_id *a, const struct sw_file_id *b)
{
    return !memcmp(a, b, sizeof(*a)); /* it has no padding */
}

bool sw_file_watch_look(struct sw_file_watch *w, const struct sw_file_id *id, __u64 now_ns, __u64 settle_ns)
{
    if (sw_file_id_same(id, &w->taken)) {
        w->seen_ns = 0;
        return false;
    }
    if (!w->seen_ns || !sw_file_id_same(id, &w->seen)) {
        w->seen = *id;
        w->seen_ns = now_ns;
        return false;
    }
    return now_ns - w->seen_ns >= settle_ns;
}

void sw_file_watch_took(struct sw_file_watch *w, const struct sw_file_id *id)
{
    w->taken = *id;
    w->seen_ns = 0;
}
