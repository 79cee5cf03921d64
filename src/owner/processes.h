/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which processes have a socket open, by the links in /proc/PID/fd. */
#ifndef SW_OWNER_PROCESSES_H
#define SW_OWNER_PROCESSES_H

#include <linux/types.h>
#include <stddef.h>

#define SW_COMM 16 /* bytes of a name, terminated */

struct sw_holder {
    __u64 inode;   /* asked for */
    __u64 started; /* when the process was, in clock ticks; only to compare */
    __s32 pid;     /* of several that hold it the one that was started first; 0: none was found */
    __u32 pids;    /* how many hold it */
    __s32 last;    /* of them that was counted last: it may hold it twice */
    __u32 pad;
    char comm[SW_COMM];
};

/*
 * proc: a directory like /proc. Fills all but `inode` of each. Sorts them by inode. 0, -ETIME: it took over until_ns
 * (the clock of sw_clock_now) and nothing is known, or -errno.
 */
int sw_holders_find(int proc, struct sw_holder *at, size_t len, __u64 until_ns);

/* The inode of "socket:[123]"; 0: it is none. */
__u64 sw_socket_link(const char *text, size_t len);

/* One more process that holds it, whose directory is open, for each of its descriptors of the socket. */
void sw_holder_add(struct sw_holder *one, int dir, __s32 pid);

/* Every process and each of its open files, inode 0 if it is no socket. pid's directory is open at `dir`, for
 * sw_holder_add. 0 or -errno. */
typedef int (*sw_socket_seen_fn)(int dir, __s32 pid, __u64 inode, void *ctx);
int sw_processes_each(int proc, sw_socket_seen_fn fn, void *ctx);

/* The process whose directory is open: gone, so is what it says, for its number is not another one's there. */
int sw_process_comm(int dir, char ret[SW_COMM]); /* 0 or -errno */
__u64 sw_process_started(int dir);               /* 0: not known */

#endif
