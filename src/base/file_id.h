/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Has a file changed? By what stat() says of it, through symbolic links: a link that is swapped above it and a file
 * that is renamed over it are other files then. Nothing is held open, so it is found on every kind of file system.
 */
#ifndef SW_BASE_FILE_ID_H
#define SW_BASE_FILE_ID_H

#include <linux/types.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Owner and mode are in it, for who may read it decides whether it is taken. */
struct sw_file_id {
    __u64 dev, ino, size, mode, uid;
    __s64 mtime[2], ctime[2];
    __s64 err; /* -errno: there is none, or none that can be looked at; the rest is 0 then */
};

void sw_file_id_of(const struct stat *st, struct sw_file_id *ret);
void sw_file_id_at(const char *path, struct sw_file_id *ret);
bool sw_file_id_same(const struct sw_file_id *a, const struct sw_file_id *b);

/* A file that is looked at again and again. Zeroed: nothing was taken yet. */
struct sw_file_watch {
    struct sw_file_id taken, seen;
    __u64 seen_ns; /* since when it is as it was seen; 0: it was not */
};

/* Is there something new that has been the same for settle_ns? Who writes a file in pieces is not interrupted. */
bool sw_file_watch_look(struct sw_file_watch *w, const struct sw_file_id *id, __u64 now_ns, __u64 settle_ns);
/* That was read. */
void sw_file_watch_took(struct sw_file_watch *w, const struct sw_file_id *id);

#endif
