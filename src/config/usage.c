/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/usage.h"

#include "base/exit.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void sw_catch_stderr(struct sw_cli *cli)
{
    FILE *memory = open_memstream(&cli->caught, &cli->caught_len);

    if (!memory)
        return;
    cli->real_stderr = stderr;
    stderr = memory;
}

void sw_release_stderr(struct sw_cli *cli)
{
    if (!cli->real_stderr)
        return;
    fclose(stderr);
    stderr = cli->real_stderr;
    cli->real_stderr = NULL;
}

__attribute__((noreturn)) static void die(struct sw_cli *cli, const char *option, const char *line)
{
    sw_release_stderr(cli);
    sw_err("%s: %s%s (try 'synward %s --help')", cli->command, option, line, cli->command);
    exit(SW_EXIT_USAGE);
}

void sw_usage_die(struct sw_cli *cli, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    die(cli, "", line);
}

void sw_option_die(struct sw_cli *cli, const char *fmt, ...)
{
    char option[80], line[512];
    va_list ap;

    snprintf(option, sizeof(option), "--%s%s%s: ", cli->option, cli->part ? " " : "", cli->part ? cli->part : "");
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    die(cli, option, line);
}

bool sw_given(const struct sw_cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->given_len; i++)
        if (!strcmp(cli->given[i], name))
            return true;
    return false;
}
