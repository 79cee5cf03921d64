/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "privilege.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t effective(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &header, data))
        return 0;
    return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static bool has(uint64_t caps, int cap)
{
    return caps >> cap & 1;
}

bool sw_can_attach(void)
{
    uint64_t caps = effective();

    return has(caps, CAP_NET_ADMIN) && (has(caps, CAP_SYS_ADMIN) || (has(caps, CAP_BPF) && has(caps, CAP_PERFMON)));
}

bool sw_can_inspect(void)
{
    return has(effective(), CAP_SYS_ADMIN);
}
