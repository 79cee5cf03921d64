/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of instances for readers, /run/synward/readers/PID: by path, so that they are found from any network
 * namespace. The directory can be listed by whoever gets to it, and the one above it only be passed by others than its
 * owner, and not be opened (a lock on it is what changes of lists wait for).
 */
#ifndef SW_READERS_SOCKET_H
#define SW_READERS_SOCKET_H

#include "base/run_dir.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SW_READERS_DIR SW_RUN_DIR "/readers"
#define SW_NO_GROUP ((gid_t)-1)

/*
 * Makes ours and listens on it: mode 0600, or 0660 with this group. Removes those that nobody listens on any more. The
 * start is locked, and /run/synward is there. The descriptor, which does not block, or -errno; path for an error
 * message.
 */
int sw_socket_listen(pid_t pid, gid_t group, const char **ret_path);
void sw_socket_remove(pid_t pid);

/* Connected to that of a process: a descriptor that does not block. -ENOENT: it has none, -ECONNREFUSED: it is dead. */
int sw_socket_connect(pid_t pid);

/* Calls fn for the pid of each socket, dead ones included, until it returns other than 0: that, or 0, or -errno. */
int sw_socket_walk(int (*fn)(pid_t pid, void *ctx), void *ctx);

/* Is the process at the other end root's, ours, or of this group? */
bool sw_socket_peer_allowed(int fd, gid_t group, uid_t *ret_uid);

#endif
