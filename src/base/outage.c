/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/outage.h"

#include "base/log.h"
#include "synward.h"

#include <errno.h>
#include <string.h>

#define RETRY_NS SW_SECOND
#define WARN_NS (60 * SW_SECOND)

void sw_outage_failed(struct sw_outage *o, int err, __u64 lost, const char *but, __u64 now)
{
    bool again = o->err;

    o->err = err;
    o->retry = now + RETRY_NS;
    if (again)
        return;
    if (!o->open) {
        o->began = now;
        o->lost = lost;
    }
    o->open = true;
    o->quiet = now < o->next_warning;
    if (o->quiet)
        return;
    o->next_warning = now + WARN_NS;
    sw_warn("%s: %s: %s", o->what, err == -EPIPE ? "the reader is gone" : strerror(-err), but);
}

bool sw_outage_due(const struct sw_outage *o, __u64 now)
{
    return !o->err || now >= o->retry;
}

void sw_outage_over(struct sw_outage *o, __u64 now)
{
    if (o->err)
        o->ended = now;
    o->err = 0;
}

void sw_outage_log(struct sw_outage *o, __u64 lost, const char *unit, __u64 now)
{
    if (!o->open || o->err || (o->quiet && now < o->next_warning))
        return;
    o->open = o->quiet = false;
    sw_warn("%s: written again after %.1f s, %llu %s were lost", o->what, (o->ended - o->began) / 1e9, lost - o->lost,
            unit);
}
