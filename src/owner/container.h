/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A container's id in the path of its cgroup. Pure. */
#ifndef SW_OWNER_CONTAINER_H
#define SW_OWNER_CONTAINER_H

#include <stddef.h>

#define SW_CONTAINER_LEN 64 /* of an id: hex digits, lower case */

/*
 * As Docker, containerd (CRI), CRI-O and Podman name cgroups, with systemd's slices or without; of several nested ones
 * the innermost. Its SW_CONTAINER_LEN bytes within path, or NULL: it names none.
 */
const char *sw_container_id(const char *path);

#endif
