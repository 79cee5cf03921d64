/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The interface to gen.bpf.c: a frame, whose sender and numbers are other ones each time. Shared with syn.c and with
 * tests/lib/tool_flood.c.
 */
#ifndef SW_BENCH_GEN_H
#define SW_BENCH_GEN_H

#ifdef __bpf__
#include <linux/types.h>
#endif
#include "../../include/synward.h"

#define GEN_FRAME 128 /* room for a frame; a multiple of 8 */
#define GEN_CUT 4

enum gen_kind {
    GEN_SYN,    /* fresh source, port and sequence number */
    GEN_ACK,    /* and a random acknowledgement */
    GEN_COOKIE, /* and the acknowledgement of the cookie that synward gives for it, by gen.keys */
};

struct gen {
    __u8 frame[GEN_FRAME]; /* whole but for what changes, which is zero here, both checksums too */
    __u32 len;
    __u32 ifindex;  /* send it there */
    __u32 kind;     /* enum gen_kind */
    __u32 v6;       /* no VLAN tags, no IP options: the headers lie where they are expected */
    __u32 stamps;   /* offset of the TSval in the frame, 0: none; the TSecr follows */
    __u32 src_bits; /* how many low bits of the source change */
    __u32 at;       /* packets made */
    __u32 sum_ip;   /* sums of the frame's words as they lie, for the checksums */
    __u32 sum_tcp;  /* with the pseudo-header */
    __u32 pad;
    struct sw_keys keys;
};

#endif
