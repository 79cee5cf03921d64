/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cookie keys: random and renewed every hour, or from a file that hosts behind one address share. A key is in this
 * process's memory only while it is moved into the map; every buffer is wiped (explicit_bzero), core dumps
 * are off (sw_keys_protect_process).
 *
 * Key file: one or two lines, each 32 hexadecimal digits, optionally after "@SECONDS " (since 1970, when the key
 * begins to count), and after "v2:"; '#' comments. The one that began last makes cookies, the other still proves older
 * ones. Must be a regular file that nobody but its owner can read or write.
 */
#ifndef SW_GUARD_KEYS_H
#define SW_GUARD_KEYS_H

#include "synward.h"

#include <stddef.h>

struct sw_key_line {
    __u64 key[2];
    __s64 from;    /* seconds since 1970; 0: always */
    __u32 version; /* 1, or 2: "v2:" stands before it, and a cookie is good only where the window scale is the same */
};

/* Reads and checks a key file. 0 and 1 or 2 lines (older first), or -errno with one line of text, "FILE:LINE: what",
 * that never quotes the key. */
int sw_keys_read(const char *path, struct sw_key_line ret_lines[2], size_t *ret_len, char *error, size_t error_size);

/*
 * Builds the value of the map: of two keys the newer one makes cookies from the first epoch that begins at its @SECONDS
 * or later, so that hosts which share the file change at once. now_ns is what the guard's epochs count: real time.
 */
void sw_keys_from_lines(const struct sw_key_line *lines, size_t len, __u64 now_ns, struct sw_keys *ret);
int sw_keys_random(struct sw_keys *ret, __u64 now_ns); /* getrandom; both keys new */
/* A new key from the next epoch but one; older cookies keep theirs. -EAGAIN: the last renewal is not two epochs old. */
int sw_keys_renew(struct sw_keys *keys, __u64 now_ns);

/* For how long the newer key has counted, in ns; 0 if it does not yet. */
__u64 sw_keys_age(const struct sw_keys *keys, __u64 now_ns);

/* Into the slot that is not in use of map `keys`, then flips guard->key_slot. 0 or -errno. */
int sw_keys_install(int keys_map_fd, struct sw_guard *guard, const struct sw_keys *keys);

void sw_keys_protect_process(void); /* PR_SET_DUMPABLE off, RLIMIT_CORE 0 */

#endif
