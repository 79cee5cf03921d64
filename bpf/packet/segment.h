/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP segment as the tracker sees it, filled by the parser and the hook. Pure. */
#ifndef SW_BPF_PACKET_SEGMENT_H
#define SW_BPF_PACKET_SEGMENT_H

#include "compat.h"
#include "synward.h"

/* Excluded: if the key's a endpoint is the originator, if b is, if it is picked up midstream. SILENT: the guard needs
 * its flow all the same. */
enum { SW_OUT_A = 1 << 0, SW_OUT_B = 1 << 1, SW_OUT_MIDSTREAM = 1 << 2, SW_OUT_SILENT = 1 << 3 };
#define SW_OUT_ALWAYS (SW_OUT_A | SW_OUT_B | SW_OUT_MIDSTREAM)

struct sw_seg {
    __u64 now;
    __u32 seq;
    __u32 ack;
    __u32 len;      /* payload bytes, by the IP header */
    __u32 cap;      /* of these, bytes captured (snap length) */
    __u32 ip_bytes; /* on the wire, all `pkts` together */
    __u32 pkts;     /* 1, or a GSO segment's share */
    __u32 ifindex;
    __u16 flags; /* SW_TCP_* */
    __u16 win;   /* unscaled */
    __u16 vlan[2];
    __u16 mss;     /* SYN only */
    __u8 wscale;   /* SYN only */
    __u8 opts;     /* SYN only, SW_OPT_* */
    __u8 hook;     /* enum sw_hook */
    __u8 src_is_b; /* the sender is the key's b endpoint */
    __u8 bad_csum;
    __u8 bad_opt;
    __u8 frag;        /* first fragment: the rest of the payload is not seen */
    __u8 one_sided;   /* the other direction may be invisible here: infer from acknowledgements */
    __u8 flip;        /* if it begins a flow: its sender is the responder */
    __u8 flip_by;     /* and why, enum sw_direction_by */
    __u8 sent;        /* by this host: seen at the egress hook */
    __u8 out;         /* SW_OUT_*: by the filter */
    __u8 sum_partial; /* the checksum was verified, and is the pseudo-header's sum alone */
    __u8 local;       /* and made by this host: not forwarded */
    __u8 forwarded;   /* sent, but not made by this host */
    __u8 reply; /* made by this host, but by no connection's socket: the kernel answers for a request, TIME_WAIT or none
                 */
    __u8 pad[2];
};

/* sequence space a segment takes (RFC 9293 section 3.4) */
static __always_inline __u32 sw_seg_space(const struct sw_seg *s)
{
    __u32 n = s->flags & SW_TCP_RST ? 0 : s->len;

    if (s->flags & SW_TCP_SYN)
        n++;
    if (s->flags & SW_TCP_FIN)
        n++;
    return n;
}

#endif
