/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers from /proc/sys. */
#ifndef SW_BASE_SYSCTL_H
#define SW_BASE_SYSCTL_H

/* Reads up to n numbers; returns how many there were. */
int sw_sysctl_numbers(const char *path, long long *ret, int n);

/* The one number of the file, -1: it is not there, or negative. */
int sw_sysctl_int(const char *path);

#endif
