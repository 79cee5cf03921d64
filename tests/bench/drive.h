/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interface between path.c and drive.bpf.c: a script of segments that it plays for one connection after another. */
#ifndef SW_BENCH_DRIVE_H
#define SW_BENCH_DRIVE_H

#include <linux/types.h>

#define DRIVE_STEPS 16

struct drive_step {
    __u32 seq, ack;         /* relative to the ISN of the sender and of its peer */
    __u32 seq_adv, ack_adv; /* added in each later round over the same connection */
    __u16 bits;             /* data offset and flags, as in the TCP header */
    __u16 ip_len;           /* IPv4 total length */
    __u32 by_server;
};

struct drive {
    struct drive_step step[DRIVE_STEPS];
    __u32 steps;
    __u32 mask;  /* connections - 1, a power of two less one; all ones: always a new one */
    __u32 shift; /* its logarithm, to count rounds */
    __u32 six;   /* the frame is IPv6 */
    __u32 still; /* the frame is left as it is */
    __u32 at;    /* next step */
    __u32 conn;  /* connections begun */
    __u32 stir;  /* odd: connections are taken in steps of it, not in the order of their birth */
};

#endif
