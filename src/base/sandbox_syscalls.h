/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of system calls, as a seccomp filter. */
#ifndef SW_BASE_SANDBOX_SYSCALLS_H
#define SW_BASE_SANDBOX_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>

#define SW_SANDBOX_FILES 4
enum { SW_SANDBOX_OUTPUT, SW_SANDBOX_METRICS, SW_SANDBOX_OUTPUTS };

/* Where files are made, renamed and removed, relative to this descriptor; 0: nowhere. */
struct sw_sandbox_output {
    int dir;
    const char *name; /* one of them */
};

struct sw_sandbox_opts {
    bool follow;     /* as `run` needs it: interfaces, sockets, files reloaded; else a capture that is open */
    bool dispatcher; /* libxdp has to take a program out of its dispatcher later, which is loading another one */
    int map_fd;      /* a BPF map: does reading it take CAP_BPF here? -1: there is none */
    const char *files[SW_SANDBOX_FILES];                  /* read again later; NULL: none */
    struct sw_sandbox_output outputs[SW_SANDBOX_OUTPUTS]; /* what metrics' holds is for others to read */
    bool processes; /* nothing but looking into /proc: of all the others only map_fd counts, which is 0 */
    bool list_dirs; /* directories are read */
    bool serve;     /* clients at a TCP socket that listens already */
};

/* After PR_SET_NO_NEW_PRIVS. 0 or -errno. */
int sw_sandbox_syscalls(const struct sw_sandbox_opts *opts, unsigned int *ret_len);

#endif
