/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/rotation.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool sw_rotation_due(const struct sw_rotation *r, __u64 size, __u64 began, __u64 now)
{
    if (!size)
        return false;
    return (r->size && size >= r->size) || (r->interval && now / r->interval > began / r->interval);
}

size_t sw_rotation_room(const struct sw_rotation *r, __u64 size)
{
    if (!r->size)
        return SIZE_MAX;
    return size < r->size ? r->size - size : 0;
}

void sw_rotation_suffix(__u64 ms, char ret[SW_ROTATION_SUFFIX])
{
    const time_t s = ms / 1000;
    char time[16];
    struct tm tm;

    gmtime_r(&s, &tm);
    if (!strftime(time, sizeof(time), "%Y%m%dT%H%M%S", &tm))
        *time = 0;
    snprintf(ret, SW_ROTATION_SUFFIX, ".%s.%03uZ", time, (unsigned int)(ms % 1000));
}

bool sw_rotation_is_old(const char *name, const char *entry)
{
    const char *form = ".ddddddddTdddddd.dddZ";
    size_t len = strlen(name);

    if (strncmp(entry, name, len))
        return false;
    for (entry += len; *form; form++, entry++)
        if (*form == 'd' ? !isdigit((unsigned char)*entry) : *entry != *form)
            return false;
    return !*entry || *entry == '.';
}
