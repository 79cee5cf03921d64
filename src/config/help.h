/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --help of a command: what its tables say, in their order, with the defaults of this command. */
#ifndef SW_CONFIG_HELP_H
#define SW_CONFIG_HELP_H

#include "config/command.h"

#include <stdio.h>

#define SW_HELP_WIDTH 79

void sw_help_print(const struct sw_command *c, FILE *out);

#endif
