/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the running instances that a command is about. */
#ifndef SW_CMD_FIND_INSTANCE_H
#define SW_CMD_FIND_INSTANCE_H

#include "cmd/choice.h"

/* What they must have for the command, besides being of this version. */
enum sw_instance_need { SW_NEED_FILTER, SW_NEED_GUARD };

struct sw_instances {
    struct sw_instance *inst;
    size_t len, room;
};

int sw_instances_add(struct sw_instances *list, const struct sw_instance *inst); /* 0 or -ENOMEM */

/*
 * Those that fit: the running ones, or if none runs those that were killed and whose programs are still attached. At
 * least one and SW_EXIT_OK, or another enum sw_exit after a log line. The caller frees ret->inst in any case.
 */
int sw_find_instances(const char *command, struct sw_choice *choice, enum sw_instance_need need,
                      struct sw_instances *ret);
/* The same where it must be one: several are SW_EXIT_USAGE, and a line that lists them. */
int sw_find_instance(const char *command, struct sw_choice *choice, enum sw_instance_need need,
                     struct sw_instances *ret);

/* Instances could not be looked at, or one of them: one line, and the exit code. */
int sw_walk_failed(const char *command, int err);

#endif
