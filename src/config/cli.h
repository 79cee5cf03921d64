/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A command line, by argp, with our conventions. */
#ifndef SW_CONFIG_CLI_H
#define SW_CONFIG_CLI_H

#include "config/command.h"

/*
 * opts is zeroed and of command->size bytes: it gets the defaults, then what argv says. A mistake costs one line on
 * stderr and SW_EXIT_USAGE; --help prints to stdout and exits 0. Returns only on success.
 */
void sw_parse(const struct sw_command *command, int argc, char **argv, void *opts);

#endif
