/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose an end of a connection is, for people. */
#ifndef SW_OUTPUT_TEXT_OWNER_H
#define SW_OUTPUT_TEXT_OWNER_H

#include "owner/owners.h"

#define SW_TEXT_OWNER (6 * SW_COMM + 64 + SW_CGROUP_JSON) /* bytes of one */

/*
 * "nginx[12] (1 of 4) in /system.slice/nginx.service", as far as it is known: a process, of how many that hold the
 * socket, the cgroup. A name of unusual characters is quoted, and control characters are escaped. Appends it and
 * returns the end: p if nothing is known, or the end is not this host's.
 */
char *sw_text_owner(char *p, const struct sw_process *process, const struct sw_cgroup *cgroup);

/* Of both ends, each with a space before: " client curl[7] in /app server nginx[12] in /web". */
char *sw_text_owners(char *p, struct sw_owners *o, const struct sw_flow *f);

#endif
