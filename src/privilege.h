/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_PRIVILEGE_H
#define SW_PRIVILEGE_H

#include <stdbool.h>

bool sw_can_attach(void);  /* load programs, make maps, change interfaces */
bool sw_can_inspect(void); /* open another process's maps and programs by id */

#endif
