/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of system calls, as a seccomp filter. */
#ifndef SW_BASE_SANDBOX_SYSCALLS_H
#define SW_BASE_SANDBOX_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>

#define SW_CONFINE_FILES 4

struct sw_confine_opts {
    bool follow;     /* as `run` needs it: interfaces, sockets, files read again; else a capture that is open */
    bool dispatcher; /* libxdp has to take a program out of its dispatcher later, which is loading another one */
    int map_fd;      /* a BPF map: does reading it take CAP_BPF here? */
    const char *files[SW_CONFINE_FILES]; /* read again later; NULL: none */
};

/* After PR_SET_NO_NEW_PRIVS. 0 or -errno. */
int sw_confine_syscalls(const struct sw_confine_opts *opts, unsigned int *ret_len);

#endif
