/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of the instances a command is about: one way to say it, for all commands. */
#ifndef SW_CMD_CHOICE_H
#define SW_CMD_CHOICE_H

#include "config/command.h"
#include "loader/instance.h"

#include <stdio.h>

/* All zero: those of this network namespace. */
struct sw_choice {
    int pid;             /* 0: any. A pid names one, in whatever namespace */
    const char *iface;   /* NULL: any. Of this namespace, or of any with all_namespaces */
    bool all_namespaces; /* else only ours */
    __u64 netns;         /* ours; by sw_choice_begin, as what follows */
    char own_name[IF_NAMESIZE];
};

extern const struct sw_option_group sw_choice_group; /* about a struct sw_choice */

/* Once it is parsed: our namespace, and the interface's own name instead of an alternative one. */
void sw_choice_begin(struct sw_choice *c);

bool sw_choice_fits(const struct sw_choice *c, const struct sw_instance *inst);
/* It is not shown only because it is of another network namespace. */
bool sw_choice_is_elsewhere(const struct sw_choice *c, const struct sw_instance *inst);

/* Nothing fits: one line. elsewhere: how many would with all_namespaces. Returns SW_EXIT_NOT_RUNNING. */
int sw_choice_say_none(const struct sw_choice *c, int elsewhere);
/* Several fit where one is needed: one line with all of them. Returns SW_EXIT_USAGE. */
int sw_choice_say_several(const char *command, const struct sw_instance *inst, size_t len);

/* "pid 12 (eth0, eth1; netns 4026531840; pins eth0)"; without the namespace if that is ours, and c is not NULL. */
#define SW_INSTANCE_TEXT 224
const char *sw_instance_text(const struct sw_choice *c, const struct sw_instance *inst, char buf[SW_INSTANCE_TEXT]);
/* "pid":12,"netns":4026531840,"interfaces":["eth0"] */
void sw_instance_keys(const struct sw_instance *inst, FILE *out);

#endif
