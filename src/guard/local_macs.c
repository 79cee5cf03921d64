/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/local_macs.h"

#include <stdbool.h>
#include <string.h>

static bool collect(const struct sw_devices *all, __u64 macs[SW_MACS], __u32 *count)
{
    for (size_t i = 0; i < all->len; i++) {
        const struct sw_device *d = &all->at[i];
        __u32 k = 0;

        if (d->watched && !d->ethernet)
            return false;
        if (!d->ours || !d->ethernet)
            continue;
        while (k < *count && macs[k] != d->mac)
            k++;
        if (k == SW_MACS)
            return false;
        macs[k] = d->mac;
        *count += k == *count;
    }
    return true;
}

__u32 sw_local_macs_of(const struct sw_devices *devices, __u64 macs[SW_MACS])
{
    __u32 count = 0;

    memset(macs, 0, SW_MACS * sizeof(*macs));
    return collect(devices, macs, &count) ? count : 0;
}

void sw_local_macs_apply(struct sw_guard *guard, const __u64 macs[SW_MACS], __u32 count)
{
    if (guard->macs == count && !memcmp(guard->mac, macs, count * sizeof(*macs)))
        return;
    __atomic_store_n(&guard->macs, 0, __ATOMIC_SEQ_CST); /* while they change, each is taken */
    for (__u32 i = 0; i < count; i++)
        __atomic_store_n(&guard->mac[i], macs[i], __ATOMIC_RELAXED);
    __atomic_store_n(&guard->macs, count, __ATOMIC_RELEASE);
}
