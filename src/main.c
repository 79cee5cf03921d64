/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/version.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(void)
{
    printf("Usage: synward COMMAND [OPTION...]\n"
           "Follows every TCP connection on an interface, from its first SYN to its last\n"
           "ACK, and guards this host's listening sockets against SYN floods.\n\n");
    for (const struct sw_command *const *c = sw_commands; *c; c++)
        printf("  %-8s %s\n", (*c)->name, (*c)->summary);
    printf("\n'synward COMMAND -h' shows a command's options.\n\n"
           "Exit codes: 0 done, 1 internal failure, 2 wrong use, 3 no privilege,\n"
           "4 no such interface, 5 kernel lacks something, 6 hook taken or refused,\n"
           "7 already running, 8 bad input, 9 output cannot be written, 10 no memory,\n"
           "11 not running, 12 pinned state is incompatible.\n");
    return sw_stdout_end();
}

/*
 * A descriptor 0, 1 or 2 that the caller closed would be given to the next thing opened, and lines
 * written to it. Standard output must be there; the others may be nowhere.
 */
static int check_descriptors(void)
{
    bool have_stdout = fcntl(STDOUT_FILENO, F_GETFD) >= 0;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return SW_EXIT_INTERNAL;
    if (have_stdout)
        return SW_EXIT_OK;
    sw_err("standard output is closed");
    return SW_EXIT_OUTPUT;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int code;

    sw_log_init(0);
    signal(SIGPIPE, SIG_IGN); /* a reader that has seen enough is no failure: sw_stdout_end */
    code = check_descriptors();
    if (code)
        return code;
    if (!strcmp(name, "--version") || !strcmp(name, "-V"))
        return sw_version_print();
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?") || !strcmp(name, "help"))
        return help();
    for (const struct sw_command *const *c = sw_commands; *c; c++)
        if (!strcmp(name, (*c)->name))
            return (*c)->main(argc - 1, argv + 1);
    if (*name)
        sw_err("there is no command '%s' (try 'synward --help')", name);
    else
        sw_err("no command given (try 'synward --help')");
    return SW_EXIT_USAGE;
}
