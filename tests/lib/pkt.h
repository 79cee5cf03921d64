/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Test packets, built in layers: Ethernet, VLAN tags, IPv4 with options or IPv6 with extension headers,
 * a fragment header, TCP with options and payload. What comes out is a legal packet with right lengths
 * and checksums; every illegality has a field of its own and must be asked for.
 *
 * Ports and numbers are host byte order here; pkt_build swaps.
 */
#ifndef SW_TEST_PKT_H
#define SW_TEST_PKT_H

#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

/* TCP flags; AE is the ninth bit (RFC 9768) */
enum {
    TH_FIN_ = 0x01,
    TH_SYN_ = 0x02,
    TH_RST_ = 0x04,
    TH_PSH_ = 0x08,
    TH_ACK_ = 0x10,
    TH_URG_ = 0x20,
    TH_ECE_ = 0x40,
    TH_CWR_ = 0x80,
    TH_AE_ = 0x100
};

enum { PKT_MAX_FRAME = 70000, PKT_MIN_FRAME = 60, PKT_MAX_TAGS = 6 };

struct pkt {
    bool v6;
    __u8 src[16], dst[16]; /* v4-mapped for IPv4 */
    __u16 sport, dport;
    __u32 seq, ack;
    __u16 flags;
    __u16 win;
    __u8 opts[40]; /* TCP options, padded with zeros to a multiple of 4 by pkt_build */
    __u32 opts_len;
    __u32 payload; /* bytes; their content follows from the sequence number, so copies are equal */

    __u16 vlan[PKT_MAX_TAGS]; /* VLAN ids, outer first */
    __u32 vlans;              /* all but the innermost tag are 0x88a8, the innermost is 0x8100 */

    __u8 ip_opts[40]; /* IPv4 options, multiple of 4 */
    __u32 ip_opts_len;
    __u8 ext[256]; /* IPv6 extension headers, complete; ext_next is the first one's number */
    __u32 ext_len;
    __u8 ext_next;
    __u8 ext_last_next_at; /* offset in ext of the last header's next-header byte */
    __u8 proto;            /* of the transport, 0: TCP; anything else sends a UDP-sized body of zeros */
    __u8 tos;              /* TOS, or traffic class: the two lowest bits are ECN (RFC 3168) */
    bool non_df;           /* IPv4 without Don't Fragment */
    bool fragment;         /* a fragment: IPv4 fields, or an IPv6 fragment header after ext */
    __u16 frag_off;        /* in bytes, a multiple of 8 */
    bool more_frags;
    __u8 hops;       /* TTL or hop limit, 0: 64 */
    bool no_padding; /* leave frames under 60 bytes short, as egress hooks see them */

    /* illegalities */
    bool bad_checksum; /* of TCP */
    bool partial_sum;  /* the pseudo-header's alone, as a virtual device leaves it to the card */
    bool bad_ip_checksum;
    __u32 cut_to;       /* the frame ends after so many bytes, headers say otherwise; 0: whole */
    __u8 force_doff;    /* TCP data offset in words */
    __u8 force_ihl;     /* IPv4 header length in words */
    __u8 force_version; /* IP version */
    __u16 force_ip_len; /* IPv4 total length or IPv6 payload length */
    __u16 force_eth;    /* ethertype */
};

/* Builds into buf (size bytes); the frame's length, or 0 if it does not fit. */
size_t pkt_build(const struct pkt *p, __u8 *buf, size_t size);
/* IP total length of the packet as built: what Zeek counts as ip_bytes. */
__u32 pkt_ip_len(const struct pkt *p);
/* The same endpoints the other way round; sequence numbers too (seq <-> ack). */
struct pkt pkt_swap(const struct pkt *p);
/* The flow key in canonical order, and whether src is its b endpoint. */
struct sw_key pkt_key(const struct pkt *p, bool *ret_src_is_b);
/* Appends one TCP option; len is that of the value. */
void pkt_opt(struct pkt *p, __u8 kind, const void *value, __u8 len);
/* The options of a usual SYN: MSS, SACK permitted, timestamps, window scale. */
void pkt_opt_usual(struct pkt *p, __u16 mss, __u8 wscale);
/* Appends one IPv6 extension header of len bytes (multiple of 8, zero options). */
void pkt_ext(struct pkt *p, __u8 number, __u8 len);
void pkt_v4(__u8 ip[16], __u32 host_order);

#endif
