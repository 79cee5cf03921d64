/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which running instance the guard's commands are about. */
#ifndef SW_CMD_FIND_INSTANCE_H
#define SW_CMD_FIND_INSTANCE_H

#include "loader/instance.h"

/*
 * The one synward that has the guard, or the one with this pid (0: any): one that runs, else one that was killed and
 * whose programs are still attached. SW_EXIT_OK, or another enum sw_exit, and the line that says why is out.
 */
int sw_guarded_find(const char *command, int pid, struct sw_instance *ret);

#endif
