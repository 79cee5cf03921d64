/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_owner.h"
#include "base/fmt.h"

#include <stdio.h>
#include <string.h>

static const char plain_name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/@+()";

static char *put_process(char *p, const struct sw_process *process)
{
    const bool quoted = process->comm[strspn(process->comm, plain_name)];

    if (quoted)
        *p++ = '"';
    p = sw_json_escape(p, process->comm);
    if (quoted)
        *p++ = '"';
    p += sprintf(p, "[%d]", process->pid);
    return process->pids > 1 ? p + sprintf(p, " (1 of %u)", process->pids) : p;
}

char *sw_text_owner(char *p, const struct sw_process *process, const struct sw_cgroup *cgroup)
{
    if (process)
        p = put_process(p, process);
    if (process && cgroup)
        *p++ = ' ';
    return cgroup ? p + sprintf(p, "in %s", cgroup->json) : p;
}

static char *put_end(char *p, struct sw_owners *o, const struct sw_flow *f, int side)
{
    const struct sw_process *process = sw_owners_process(o, sw_owner_of(f, side));
    const struct sw_cgroup *cgroup = sw_owners_cgroup(o, sw_owner_of(f, side));

    if (!sw_owner_is_local(f, side) || (!process && !cgroup))
        return p;
    return sw_text_owner(p + sprintf(p, side == SW_ORIG ? " client " : " server "), process, cgroup);
}

char *sw_text_owners(char *p, struct sw_owners *o, const struct sw_flow *f)
{
    return put_end(put_end(p, o, f, SW_ORIG), o, f, SW_RESP);
}
