/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own queues of half-open handshakes: the second opinion to what the BPF programs count, so that a flood
 * engages the guard of whatever kind it is, and nothing does that the kernel has forgotten.
 */
#ifndef SW_GUARD_KERNEL_QUEUE_H
#define SW_GUARD_KERNEL_QUEUE_H

#include "guard/services.h"

/*
 * Reads how many sockets in SYN_RECV each service has, and whether a queue overflowed since the last time, into the
 * services (struct sw_service.kernel_*). *ret_next: when it should be done again, so that it costs one processor 2 % at
 * most. 0 or -errno: the services keep what they have, which is soon too old to count.
 */
int sw_kernel_queue_refresh(struct sw_services *s, __u64 *ret_next);

#endif
