/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a service manager that asked for it is told: datagrams to the socket that NOTIFY_SOCKET names, as
 * sd_notify(3) describes them. These few lines instead of libsystemd: it would be the largest library here.
 */
#ifndef SW_BASE_NOTIFY_H
#define SW_BASE_NOTIFY_H

#include <stdbool.h>

bool sw_notify_open(void);              /* at start; false: nobody asked, and the next does nothing */
void sw_notify(const char *assignment); /* "READY=1" */

#endif
