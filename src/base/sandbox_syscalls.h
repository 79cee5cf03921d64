/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of system calls, as a seccomp filter. */
#ifndef SW_BASE_SANDBOX_SYSCALLS_H
#define SW_BASE_SANDBOX_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>

#define SW_SANDBOX_FILES 4

struct sw_sandbox_opts {
    bool follow;     /* as `run` needs it: interfaces, sockets, files reloaded; else a capture that is open */
    bool dispatcher; /* libxdp has to take a program out of its dispatcher later, which is loading another one */
    int map_fd;      /* a BPF map: does reading it take CAP_BPF here? */
    const char *files[SW_SANDBOX_FILES]; /* read again later; NULL: none */
    int output_dir;          /* where files are made, renamed and removed, relative to this descriptor; 0: nowhere */
    const char *output_name; /* one of them */
};

/* After PR_SET_NO_NEW_PRIVS. 0 or -errno. */
int sw_sandbox_syscalls(const struct sw_sandbox_opts *opts, unsigned int *ret_len);

#endif
