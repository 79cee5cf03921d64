/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Notifications for a service manager: datagrams to the socket that NOTIFY_SOCKET names, as described in sd_notify(3).
 * These few lines instead of libsystemd: it would be the largest library here.
 */
#ifndef SW_BASE_NOTIFY_H
#define SW_BASE_NOTIFY_H

#include <stdbool.h>

bool sw_notify_open(void);              /* at start; false: NOTIFY_SOCKET is not set, and sw_notify does nothing */
void sw_notify(const char *assignment); /* "READY=1" */

#endif
