/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cookie keys: random and renewed every hour, or from a file that hosts behind one address share. A key is in this
 * process's memory only while it is moved into a map; every buffer is wiped (explicit_bzero), core dumps are off
 * (sw_keys_protect_process).
 *
 * Key file: up to SW_KEY_LINES lines, each 32 hexadecimal digits, optionally after "@SECONDS " (since 1970, when the
 * key begins to count), and after "v2:"; '#' comments. The one that began last makes cookies, the one before still
 * proves older ones. Must be a regular file that nobody but its owner can read or write.
 */
#ifndef SW_GUARD_KEYS_H
#define SW_GUARD_KEYS_H

#include "base/file_id.h"
#include "synward.h"

#include <stddef.h>

#define SW_KEY_LINES 64
/* Keys with a time begin so many seconds apart: of two keys in the map the older one can be forgotten when its last
 * cookie has expired, and the next one must be there before its first. That takes four epochs, 275 s. */
#define SW_KEYS_APART 300

struct sw_key_line {
    __u64 key[2];
    __s64 from;    /* seconds since 1970; 0: always */
    __u32 version; /* 1, or 2: "v2:" stands before it, and a cookie is good only where the window scale is the same */
    __u32 pad;
};
SW_ASSERT(sizeof(struct sw_key_line) == 32, "sw_key_line has no padding: it is compared");

/* In the order of their times; what has the same time, as it stands in the file. */
struct sw_key_set {
    struct sw_key_line line[SW_KEY_LINES + 1]; /* one more than a file may have: sw_keys_precede */
    __u64 len;
};

/* Reads and checks a key file, whole: again if it changes meanwhile. 0 and at least one line, or -errno with one line
 * of text, "FILE:LINE: what", that never quotes the key. ret_id, which may be NULL: what was read. */
int sw_keys_read(const char *path, struct sw_key_set *ret, struct sw_file_id *ret_id, char *error, size_t error_size);

/*
 * Builds the value of the map: two of the keys, of which the newer one makes cookies from the first epoch that begins
 * at its @SECONDS or later, so that hosts which share the file change at once. For two epochs after such a change they
 * are that key and the one before it, then that one and the next. now_ns is what the guard's epochs count: real time.
 */
void sw_keys_from_lines(const struct sw_key_line *lines, size_t len, __u64 now_ns, struct sw_keys *ret);

/* What is shown of each line; ret has as many as the set. */
void sw_keys_notes(const struct sw_key_set *set, struct sw_key_note *ret);
/* Which of the keys is the older one in the map. */
size_t sw_keys_first(const struct sw_key_note *notes, size_t len, __u64 now_ns);

/*
 * The set replaces another one, of which `before` is the value in the map. If cookies from before its first line's time
 * are still good, or are still to be made, the key of those becomes line 0, without a time. True: it was.
 */
bool sw_keys_precede(struct sw_key_set *set, const struct sw_keys *before, __u64 now_ns);

/* The first four bytes of SipHash-2-4 of eight bytes, zeros, of version 2 a 2 and zeros, as a number that %08x prints
 * in their order: hosts with the same fingerprint take each other's cookies. */
__u32 sw_key_fingerprint(const struct sw_key_line *line);
/* The first epoch that begins at that second since 1970 or later: every host that shares the file comes to the same. */
__u32 sw_key_epoch(__s64 seconds);

int sw_keys_random(struct sw_keys *ret, __u64 now_ns); /* getrandom; both keys new */
/* A new key from the next epoch but one; older cookies keep theirs. -EAGAIN: the last renewal is not two epochs old. */
int sw_keys_renew(struct sw_keys *keys, __u64 now_ns);

/* For how long the newer key has counted, in ns; 0 if it does not yet. */
__u64 sw_keys_age(const struct sw_keys *keys, __u64 now_ns);

/* Into the slot that is not in use of map `keys`, then flips guard->key_slot. 0 or -errno. */
int sw_keys_install(int keys_map_fd, struct sw_guard *guard, const struct sw_keys *keys);

void sw_keys_protect_process(void); /* PR_SET_DUMPABLE off, RLIMIT_CORE 0 */

#endif
