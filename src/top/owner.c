/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/owner.h"

#include <string.h>

bool sw_top_owner_is(const struct sw_top_owner *w, const struct sw_top_conn *c)
{
    return w->start_ns == c->start_ns && !memcmp(&w->key, &c->key, sizeof(w->key));
}

void sw_top_owner_see(struct sw_top_owner *w, const struct sw_top_conn *c, struct sw_owners *o)
{
    if (!sw_top_owner_is(w, c))
        *w = (struct sw_top_owner){.key = c->key, .start_ns = c->start_ns};
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        const struct sw_process *process = sw_owners_process(o, &c->owner[side]);
        const struct sw_cgroup *cgroup = sw_owners_cgroup(o, &c->owner[side]);

        if (!process && (w->process[side] || !cgroup))
            continue;
        *sw_text_owner(w->text[side], process, cgroup) = 0;
        w->process[side] = process != NULL;
    }
}
