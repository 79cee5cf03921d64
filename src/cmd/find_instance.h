/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the running instance for the commands that are about one. */
#ifndef SW_CMD_FIND_INSTANCE_H
#define SW_CMD_FIND_INSTANCE_H

#include "loader/instance.h"

/*
 * The one synward that runs, or the one with this pid (0: any): a running one, else one that was killed and whose
 * programs are still attached. SW_EXIT_OK, or another enum sw_exit after a log line.
 */
int sw_find_instance(const char *command, int pid, struct sw_instance *ret);
/* The same, of those with the guard. */
int sw_find_guard_instance(const char *command, int pid, struct sw_instance *ret);

/* Instances could not be looked at, or one of them: one line, and the exit code. */
int sw_walk_failed(const char *command, int err);

#endif
