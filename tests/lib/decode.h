/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a frame that came out of a program, field by field and with nothing shared with the code that wrote it.
 * What is not legal on the wire is an error with words, not a value.
 */
#ifndef SW_TEST_DECODE_H
#define SW_TEST_DECODE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

enum { DECODE_TAGS = 4 };

struct decoded {
    __u8 mac_dst[6], mac_src[6];
    __u32 tags; /* VLAN */
    __u16 tpid[DECODE_TAGS], tci[DECODE_TAGS];
    bool v6;
    __u8 src[16], dst[16]; /* v4-mapped for IPv4 */
    __u8 tos, ttl;         /* traffic class, hop limit */
    __u16 ip_id;
    bool df, more_frags;
    __u16 frag_off;
    __u32 ip_hlen; /* with options or extension headers */
    __u32 ip_len;  /* all of the packet */
    __u16 sport, dport;
    __u32 seq, ack;
    __u16 flags; /* with AE */
    __u16 win, urg;
    __u32 opt_len, payload;
    __u32 padding; /* bytes of the frame behind the packet; all zero */
    /* TCP options */
    bool has_mss, has_wscale, has_sack, has_ts;
    __u16 mss;
    __u8 wscale;
    __u32 tsval, tsecr;
    __u32 other_opts; /* options of other kinds */
};

/* NULL if all is legal: lengths, both checksums, options, padding. Else what is wrong. */
const char *decode(const __u8 *frame, size_t len, struct decoded *ret);

#endif
