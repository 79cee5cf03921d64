/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Exit codes, one a kind of failure; documented in the man page. */
#ifndef SW_BASE_EXIT_H
#define SW_BASE_EXIT_H

enum sw_exit {
    SW_EXIT_OK = 0,
    SW_EXIT_INTERNAL = 1,     /* a failure of ours or of the system that has no code of its own */
    SW_EXIT_USAGE = 2,        /* unknown command or option, bad value */
    SW_EXIT_PRIVILEGE = 3,    /* not root, or a capability is missing */
    SW_EXIT_INTERFACE = 4,    /* no such interface, or it went away */
    SW_EXIT_KERNEL = 5,       /* the kernel lacks something that synward cannot do without, or a sysctl forbids it */
    SW_EXIT_ATTACH = 6,       /* the hook is taken or refused */
    SW_EXIT_RUNNING = 7,      /* another synward already runs on the interface */
    SW_EXIT_INPUT = 8,        /* capture, list or key file unreadable, damaged or of an unknown kind */
    SW_EXIT_OUTPUT = 9,       /* standard output cannot be written, guarded: in the end (not: closed pipe, that is 0) */
    SW_EXIT_MEMORY = 10,      /* a map or buffer of that size cannot be had */
    SW_EXIT_NOT_RUNNING = 11, /* no running synward was found */
    SW_EXIT_PINS = 12         /* pinned state is incompatible or missing, or there is no BPF file system for it */
};

#endif
