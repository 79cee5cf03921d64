/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A command line that is being parsed, and the one line on stderr that each wrong use costs. */
#ifndef SW_CONFIG_USAGE_H
#define SW_CONFIG_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SW_OPTIONS_MAX = 96 }; /* of one command */

struct sw_cli {
    const char *command;               /* "run" */
    const char *option, *part;         /* being parsed: names, part is NULL but for --engage and the like */
    const char *given[SW_OPTIONS_MAX]; /* the options so far, each once */
    size_t given_len;
    FILE *real_stderr; /* while argp's own messages are caught */
    char *caught;
    size_t caught_len;
};

/* For parsers and checks: one line, "synward NAME: …", then exit(SW_EXIT_USAGE). */
__attribute__((noreturn, format(printf, 2, 3))) void sw_usage_die(struct sw_cli *cli, const char *fmt, ...);
/* The same, and the line begins with the option that is being parsed: "--hold: …", "--engage half-open: …" */
__attribute__((noreturn, format(printf, 2, 3))) void sw_option_die(struct sw_cli *cli, const char *fmt, ...);

bool sw_given(const struct sw_cli *cli, const char *name); /* the option was on the command line */

/*
 * argp's messages take two lines and getopt's have another prefix: while stderr is caught they go to cli->caught, which
 * the caller frees. The lines above release it.
 */
void sw_catch_stderr(struct sw_cli *cli);
void sw_release_stderr(struct sw_cli *cli);

#endif
