/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A command as a process group of its own. Its standard input is a file in memory: it need not be read. */
#ifndef SW_WATCH_CHILD_H
#define SW_WATCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A name without a slash is looked for in PATH. In memory of the caller's. 0 or -errno: -ENOENT, -EACCES, -ENOMEM */
int sw_child_find(const char *name, const char *search, char **ret_path);

struct sw_child_command {
    const char *path;
    char *const *argv;
    char *const *env;
    const char *input; /* on descriptor 0; 1 and 2 are our standard error, and there is no other */
    size_t input_len;
};

/*
 * 0 or -errno. With all signals as they are by default, and none blocked; SIGTERM if we die. What cannot be executed
 * ends with 127 if it is not there, else 126.
 */
int sw_child_start(const struct sw_child_command *command, pid_t *ret);

/* It and all of its group, of what was not waited for. 0, or -EPERM: it has become somebody else's. */
int sw_child_signal(pid_t pid, int signal);

/* Has it ended? Then what is left of its group is killed. *ret_status as of waitpid(2). */
bool sw_child_ended(pid_t pid, int *ret_status);

#endif
