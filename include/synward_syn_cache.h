/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SYN cache: handshakes that are not complete, in compact form (bpf/track/syn_cache.h). As the programs work with
 * them, and as map `syn_cache` has them. Included by synward.h.
 */
#ifndef SYNWARD_SYN_CACHE_H
#define SYNWARD_SYN_CACHE_H

/* One segment of a handshake, as far as the state machine needs it. */
struct sw_cached_seg {
    __u64 ns;
    __u32 seq;
    __u16 flags;
    __u16 win;
    __u16 mss;
    __u16 ip_bytes;
    __u16 len;
    __u8 wscale;
    __u8 opts;
};

/* A handshake in compact form, as the programs work with it. */
struct sw_cached_handshake {
    struct sw_cached_seg syn;
    struct sw_cached_seg synack; /* ns 0: not seen */
    __u32 synack_ack;
    __u32 ifindex;
    __u16 vlan[2];
    __u8 src_is_b; /* of the SYN */
    __u8 hook;
    __u8 syn_rexmit;
    __u8 synack_rexmit;
    __u8 opening;    /* SW_CACHED_* */
    __u8 two_isns;   /* 1: the SYN-ACK was seen with two ISNs */
    __u8 listener;   /* SW_L_*, with the ISN of `synack` */
    __u8 local;      /* sw_flow.local */
    __u32 other_isn; /* of the earlier of them */
};

/* Of struct sw_cached_seg all but time and number. */
struct sw_note_seg {
    __u16 flags;
    __u16 win;
    __u16 mss;
    __u16 ip_bytes;
    __u16 len;
    __u8 wscale;
    __u8 opts;
};

/* sw_syn_note.bits: sw_cached_handshake.opening, and */
enum {
    SW_NOTE_OPENING = 7,
    SW_NOTE_TWO_ISNS = 1 << 3,
    SW_NOTE_SRC_IS_B = 1 << 4,
    SW_NOTE_SYNACK = 1 << 5, /* it was seen */
    SW_NOTE_HOOK = 6,        /* enum sw_hook from this bit on */
};

/* The same in a cache line, as the map has it. */
struct sw_syn_note {
    __u64 ns; /* of the SYN */
    __u32 seq;
    __u32 synack_seq;
    __u32 other_isn;
    __u32 synack_after; /* from SYN to SYN-ACK, in ns: the lower 32 bits of 40 */
    __u32 ifindex;
    struct sw_note_seg syn;
    struct sw_note_seg synack;
    __u16 acked; /* bytes of the SYN's data, by the SYN-ACK */
    __u16 vlan[2];
    __u8 syn_rexmit;
    __u8 synack_rexmit;
    __u8 local;
    __u8 bits; /* SW_NOTE_* */
    __u8 listener;
    __u8 synack_after_high;
};

#define SW_SYN_WAYS 15 /* and one line before them: a power of two */

/* The value of map `syn_cache`: a handshake is in the set that its hash says, and a new one takes the oldest place. */
struct sw_syn_set {
    __u32 state;            /* bit 0: locked; above it: whose turn is next */
    __u32 tag[SW_SYN_WAYS]; /* of its hash; 0: none */
    struct sw_syn_note note[SW_SYN_WAYS];
};

SW_ASSERT(sizeof(struct sw_cached_handshake) == 24 + 2 * sizeof(struct sw_cached_seg),
          "sw_cached_handshake has no padding");
SW_ASSERT(sizeof(struct sw_cached_seg) == 12 + sizeof(struct sw_note_seg), "a note's part of a segment is its end");
SW_ASSERT(sizeof(struct sw_syn_note) == 64, "a note is a cache line");
SW_ASSERT(SW_HOOK_MAX <= 4, "a note has two bits for the hook");
SW_ASSERT(sizeof(struct sw_syn_set) == 1024, "so are the tags of a set, and no set crosses a page");

#endif
