/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/sysctl.h"

#include <stdio.h>

int sw_sysctl_numbers(const char *path, long long *ret, int n)
{
    FILE *f = fopen(path, "re");
    int got = 0;

    if (!f)
        return 0;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes them */
    while (got < n && fscanf(f, "%lld", &ret[got]) == 1)
        got++;
    fclose(f);
    return got;
}

int sw_sysctl_int(const char *path)
{
    long long v;

    return sw_sysctl_numbers(path, &v, 1) == 1 && v >= 0 && v <= 0x7fffffff ? (int)v : -1;
}
