/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands' conventions: one line on stderr for each wrong use, and values of options. */
#ifndef SW_CONFIG_CLI_H
#define SW_CONFIG_CLI_H

#include <argp.h>
#include <linux/types.h>
#include <stdbool.h>

/* Runs argp with our conventions: one line on stderr for a mistake, exit code SW_EXIT_USAGE; --help prints
 * to stdout and exits 0. name is the command ("run"). Returns only on success. */
void sw_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);

/* For the commands' own parsers: one line, "synward NAME: …", then exit(SW_EXIT_USAGE). */
__attribute__((noreturn, format(printf, 1, 2))) void sw_usage_die(const char *fmt, ...);

/* Values; each dies by sw_usage_die when wrong. what is the option's name for the line. */
__u64 sw_arg_seconds(const char *what, const char *arg, double min, double max); /* -> ns */
__u64 sw_arg_number(const char *what, const char *arg, __u64 min, __u64 max); /* decimal or 0x…; k, M, G suffixes */
bool sw_arg_bool(const char *what, const char *arg);                          /* on|off; NULL: on */

#endif
