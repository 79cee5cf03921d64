/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/cli.h"

#include "base/exit.h"
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *command_name = "";

/*
 * argp's messages take two lines and getopt's have another prefix, so stderr is caught while argp runs and
 * a mistake costs one line of ours.
 */
static FILE *real_stderr;
static char *caught;
static size_t caught_len;

static void release_stderr(void)
{
    if (!real_stderr)
        return;
    fclose(stderr);
    stderr = real_stderr;
    real_stderr = NULL;
}

void sw_usage_die(const char *fmt, ...)
{
    char line[512];
    va_list ap;

    release_stderr();
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    sw_err("%s%s%s (try 'synward %s%s--help')", command_name, *command_name ? ": " : "", line, command_name,
           *command_name ? " " : "");
    exit(SW_EXIT_USAGE);
}

__u64 sw_arg_seconds(const char *what, const char *arg, double min, double max)
{
    char *end;
    double value = strtod(arg, &end);

    if (end == arg || *end || !(value >= min && value <= max))
        sw_usage_die("%s: '%s' is not a number of seconds from %g to %g", what, arg, min, max);
    return (__u64)(value * 1e9 + 0.5);
}

__u64 sw_arg_number(const char *what, const char *arg, __u64 min, __u64 max)
{
    unsigned long long value = 0;
    const char *units = "kMG", *unit;
    char *end = NULL;

    errno = 0;
    if (isdigit((unsigned char)*arg))
        value = strtoull(arg, &end, 0);
    if (end && *end && (unit = strchr(units, *end)) && !end[1]) {
        unsigned int shift = 10 * (unit - units + 1);

        end++;
        if (value > UINT64_MAX >> shift)
            errno = ERANGE;
        value <<= shift;
    }
    if (!end || *end || errno || value < min || value > max)
        sw_usage_die("%s: '%s' is not a number from %llu to %llu", what, arg, (unsigned long long)min,
                     (unsigned long long)max);
    return value;
}

bool sw_arg_bool(const char *what, const char *arg)
{
    if (!arg || !strcmp(arg, "on"))
        return true;
    if (strcmp(arg, "off"))
        sw_usage_die("%s: '%s' is neither on nor off", what, arg);
    return false;
}

static const struct argp_option help_options[] = {
    {"help", '?', 0, 0, "this help", -1},
    {0},
};

static error_t parse_help(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = state->input; return 0;
    case '?':
        release_stderr();
        argp_state_help(state, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC);
        exit(fflush(stdout) ? SW_EXIT_OUTPUT : SW_EXIT_OK);
    default: return ARGP_ERR_UNKNOWN;
    }
}

void sw_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input)
{
    const struct argp_child children[] = {{argp, 0, NULL, 0}, {0}};
    const struct argp whole = {.options = help_options, .parser = parse_help, .children = children};
    char full[64], *text;
    FILE *memory;
    int err;

    command_name = name;
    snprintf(full, sizeof(full), "synward %s", name);
    argv[0] = full;
    memory = open_memstream(&caught, &caught_len);
    if (memory) {
        real_stderr = stderr;
        stderr = memory;
    }
    err = argp_parse(&whole, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, input);
    release_stderr();
    argv[0] = (char *)name;
    if (err) {
        text = caught && *caught ? strstr(caught, ": ") : NULL;
        text = text ? text + 2 : strerror(err);
        text[strcspn(text, "\n")] = 0;
        sw_usage_die("%s", text);
    }
    free(caught);
    caught = NULL;
}
