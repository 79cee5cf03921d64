/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sandbox: drops, permanently, everything that is no longer needed: capabilities, new privileges, writing and
 * executing files (Landlock, if the kernel has it), and all system calls except a list (seccomp).
 *
 * A call that is not on the list fails with EPERM and is logged once on stderr: the tracker continues if a newer C
 * library makes another call, and the log shows it.
 */
#ifndef SW_BASE_SANDBOX_H
#define SW_BASE_SANDBOX_H

#include "base/sandbox_syscalls.h"

#include <stdbool.h>
#include <stddef.h>

struct sw_sandbox_info {
    char caps[128];        /* kept, by name; "none" */
    unsigned int syscalls; /* on the list */
    int landlock;          /* its ABI, 0: the kernel has none */
    bool bounding;         /* the bounding set is empty, too, which needs CAP_SETPCAP */
};

/* 0, or -errno and what failed; then part of it may have been done. */
int sw_sandbox(const struct sw_sandbox_opts *opts, struct sw_sandbox_info *ret, const char **ret_what);

/* Landlock's part, after PR_SET_NO_NEW_PRIVS. Directories that are not there count for nothing; NULL, 0: none.
 * Landlock's ABI, 0: it has none, or -errno. */
int sw_sandbox_files(const char *remove_in, const char *all_in,
                     const struct sw_sandbox_output outputs[SW_SANDBOX_OUTPUTS]);

#endif
