/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gives up everything that is not needed any more, for good: capabilities, new privileges, writing and executing
 * files (Landlock, where the kernel has it), and all system calls but a list (seccomp).
 *
 * A call that is not on the list fails with EPERM and is named on stderr, once: a tracker that a newer C library
 * made call something else goes on, and nobody has to guess why.
 */
#ifndef SW_BASE_SANDBOX_H
#define SW_BASE_SANDBOX_H

#include "base/sandbox_syscalls.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_confined {
    char caps[128];        /* kept, by name; "none" */
    unsigned int syscalls; /* on the list */
    int landlock;          /* its ABI, 0: the kernel has none */
    bool bounding;         /* the bounding set is empty, too, which takes CAP_SETPCAP */
};

/* 0, or -errno and what failed; then part of it may have been done. */
int sw_confine(const struct sw_confine_opts *opts, struct sw_confined *ret, const char **ret_what);

/* Landlock's part, after PR_SET_NO_NEW_PRIVS. Directories that are not there count for nothing; NULL: none. */
int sw_confine_files(const char *remove_in, const char *all_in); /* Landlock's ABI, 0: it has none, or -errno */

#endif
