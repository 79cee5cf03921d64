/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward --version: the version alone in the first line, then what it is made of and what it can do. */
#ifndef SW_CMD_VERSION_H
#define SW_CMD_VERSION_H

int sw_version_print(void); /* an enum sw_exit */

#endif
