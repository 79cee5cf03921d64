/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>

static bool has(uint64_t caps, int cap)
{
    return caps >> cap & 1;
}

uint64_t sw_caps(void)
{
    uint64_t caps = 0;

    if (capng_get_caps_process())
        return 0;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (capng_have_capability(CAPNG_EFFECTIVE, cap))
            caps |= 1ull << cap;
    return caps;
}

bool sw_can_attach(void)
{
    uint64_t caps = sw_caps();

    return has(caps, CAP_NET_ADMIN) && (has(caps, CAP_SYS_ADMIN) || (has(caps, CAP_BPF) && has(caps, CAP_PERFMON)));
}

bool sw_can_look_at_processes(void)
{
    uint64_t caps = sw_caps();

    return has(caps, CAP_SYS_PTRACE) && has(caps, CAP_DAC_READ_SEARCH);
}

bool sw_can_inspect(void)
{
    return has(sw_caps(), CAP_SYS_ADMIN);
}

int sw_caps_use(uint64_t caps)
{
    if (capng_get_caps_process())
        return -EIO;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        capng_update(has(caps, cap) && capng_have_capability(CAPNG_PERMITTED, cap) ? CAPNG_ADD : CAPNG_DROP,
                     CAPNG_EFFECTIVE, cap);
    return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* While CAP_SETPCAP is still there. capng_lock: being user 0 counts for nothing any more. */
static bool empty_bounding_set(void)
{
    if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) || capng_lock())
        return false;
    capng_clear(CAPNG_SELECT_BOUNDS);
    return !capng_apply(CAPNG_SELECT_BOUNDS);
}

int sw_caps_keep(uint64_t caps, bool *ret_bounding)
{
    caps &= sw_caps();
    *ret_bounding = empty_bounding_set();
    capng_clear(CAPNG_SELECT_CAPS);
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (has(caps, cap))
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
    if (capng_apply(CAPNG_SELECT_CAPS)) /* an ambient one is gone with its inheritable one */
        return -EPERM;
    return sw_caps() == caps ? 0 : -EPERM;
}
