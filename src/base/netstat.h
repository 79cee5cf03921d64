/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters of this network namespace, from /proc/net/netstat. */
#ifndef SW_BASE_NETSTAT_H
#define SW_BASE_NETSTAT_H

#include <linux/types.h>
#include <stddef.h>

/*
 * The sum of the counters of a group ("TcpExt") that have one of these names, from the file's text: a line with their
 * names, then one with their values. A counter that the kernel does not have counts as 0. 0, or -ENOENT: there is no
 * such group, or its lines do not fit each other.
 */
int sw_netstat_sum(const char *text, const char *group, const char *const *names, size_t n, __u64 *ret);

/* The same, of the file. 0 or -errno. */
int sw_netstat_read(const char *group, const char *const *names, size_t n, __u64 *ret);

#endif
