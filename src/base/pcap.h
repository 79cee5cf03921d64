/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Captures, frame by frame, as Ethernet: other link types get their header rewritten, so that the
 * one parser of the BPF side reads everything. Link types: Ethernet, raw IP, BSD loopback (NULL,
 * LOOP), Linux cooked v1 and v2, PPP, PPPoE without Ethernet, Cisco HDLC.
 */
#ifndef SW_BASE_PCAP_H
#define SW_BASE_PCAP_H

#include <linux/types.h>
#include <stddef.h>

struct sw_pcap; /* opaque */

struct sw_frame {
    const __u8 *data; /* valid until the next sw_pcap_next */
    __u32 len;        /* captured bytes; may be under the 14 of an Ethernet header */
    __u32 wire;       /* bytes on the wire, len or more */
    __u64 ts;         /* nanoseconds since 1970 */
};

/* Called before each read of fd, which may block: the moment to write pending lines, and to wait. Not 0: the input ends
 * here. */
typedef int (*sw_pcap_idle_fn)(void *arg, int fd);

/*
 * Opens a capture (pcap or pcapng, "-" is standard input). 0 or -errno: -ENOENT, -EACCES … from
 * open(2), -EPROTO not a capture, -EPROTONOSUPPORT unknown link type. why (size bytes) gets the reason.
 */
int sw_pcap_open(const char *path, sw_pcap_idle_fn idle, void *idle_arg, struct sw_pcap **ret_pcap, char *why,
                 size_t size);
void sw_pcap_close(struct sw_pcap *p); /* NULL is fine */

/* No more frames of TCP can be in it, by its size; all ones if that is unknown (a pipe). */
__u64 sw_pcap_frames_max(const struct sw_pcap *p);

/* 1: *ret_frame is the next frame; 0: end of the capture; -EIO: it is damaged here (sw_pcap_why). */
int sw_pcap_next(struct sw_pcap *p, struct sw_frame *ret_frame);
const char *sw_pcap_why(const struct sw_pcap *p);

const char *sw_pcap_version(void); /* what libpcap says of itself */

#endif
