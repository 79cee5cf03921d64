/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and user space: keys, flows, events, configuration, counters and reasons.
 * Nothing else is shared. Sizes are asserted, there is no implicit padding, and every list is one X-macro that feeds
 * the enum, the map size and the JSON name.
 *
 * Numbers are host byte order, except addresses and ports, which stay as they are on the wire (__be16 and byte arrays).
 * Times are nanoseconds of CLOCK_MONOTONIC (live) or of the capture (replay).
 */
#ifndef SYNWARD_H
#define SYNWARD_H

#include <linux/types.h>

#define SW_CONTRACT_VERSION 10 /* of struct sw_event: readers check it and the length first */
#define SW_HIST_MAX 40         /* letters of history kept; a longer one sets SW_F_HIST_FULL */
#define SW_OOO 3               /* out-of-order blocks stored for each endpoint */
#define SW_WSCALE_NONE 0xff
#define SW_SECOND 1000000000ull /* times are in ns */

#define SW_ENUM_ITEM(prefix, id, name) prefix##id,

#ifdef __cplusplus
#define SW_ASSERT static_assert
#else
#define SW_ASSERT _Static_assert
#endif

/* RFC 9293 section 3.1 control bits; AE is the former NS bit (RFC 9768). */
enum {
    SW_TCP_FIN = 0x001,
    SW_TCP_SYN = 0x002,
    SW_TCP_RST = 0x004,
    SW_TCP_PSH = 0x008,
    SW_TCP_ACK = 0x010,
    SW_TCP_URG = 0x020,
    SW_TCP_ECE = 0x040,
    SW_TCP_CWR = 0x080,
    SW_TCP_AE = 0x100,
};

/* RFC 9293 section 3.3.2. LISTEN also stands for an endpoint that has not sent anything yet. */
#define SW_STATES(X)                                                                                                   \
    X(SW_ST_, CLOSED, "CLOSED")                                                                                        \
    X(SW_ST_, LISTEN, "LISTEN")                                                                                        \
    X(SW_ST_, SYN_SENT, "SYN_SENT")                                                                                    \
    X(SW_ST_, SYN_RECEIVED, "SYN_RECEIVED")                                                                            \
    X(SW_ST_, ESTABLISHED, "ESTABLISHED")                                                                              \
    X(SW_ST_, FIN_WAIT_1, "FIN_WAIT_1")                                                                                \
    X(SW_ST_, FIN_WAIT_2, "FIN_WAIT_2")                                                                                \
    X(SW_ST_, CLOSE_WAIT, "CLOSE_WAIT")                                                                                \
    X(SW_ST_, CLOSING, "CLOSING")                                                                                      \
    X(SW_ST_, LAST_ACK, "LAST_ACK")                                                                                    \
    X(SW_ST_, TIME_WAIT, "TIME_WAIT")
enum sw_state { SW_STATES(SW_ENUM_ITEM) SW_ST_MAX };

/* Zeek's endpoint states, from which its conn_state follows. */
enum sw_zstate {
    SW_Z_INACTIVE,
    SW_Z_SYN_SENT,
    SW_Z_SYN_ACK_SENT,
    SW_Z_PARTIAL,
    SW_Z_ESTABLISHED,
    SW_Z_CLOSED,
    SW_Z_RESET
};

/* Zeek's conn_state. */
#define SW_CONN_STATES(X)                                                                                              \
    X(SW_CS_, OTH, "OTH")                                                                                              \
    X(SW_CS_, S0, "S0")                                                                                                \
    X(SW_CS_, S1, "S1")                                                                                                \
    X(SW_CS_, S2, "S2")                                                                                                \
    X(SW_CS_, S3, "S3")                                                                                                \
    X(SW_CS_, SF, "SF")                                                                                                \
    X(SW_CS_, SH, "SH")                                                                                                \
    X(SW_CS_, SHR, "SHR")                                                                                              \
    X(SW_CS_, REJ, "REJ")                                                                                              \
    X(SW_CS_, RSTO, "RSTO")                                                                                            \
    X(SW_CS_, RSTR, "RSTR")                                                                                            \
    X(SW_CS_, RSTOS0, "RSTOS0")                                                                                        \
    X(SW_CS_, RSTRH, "RSTRH")
enum sw_conn_state { SW_CONN_STATES(SW_ENUM_ITEM) SW_CS_MAX };

/* Kinds of events that the BPF programs emit. User space adds stats and loss. */
#define SW_EVENTS(X)                                                                                                   \
    X(SW_EV_, OPENING, "opening")                                                                                      \
    X(SW_EV_, ESTABLISHED, "established")                                                                              \
    X(SW_EV_, HALF_CLOSED, "half_closed")                                                                              \
    X(SW_EV_, CLOSED, "closed")                                                                                        \
    X(SW_EV_, RESET, "reset")                                                                                          \
    X(SW_EV_, REFUSED, "refused")                                                                                      \
    X(SW_EV_, TIMEOUT, "timeout")                                                                                      \
    X(SW_EV_, REUSED, "reused")                                                                                        \
    X(SW_EV_, MIDSTREAM, "midstream")                                                                                  \
    X(SW_EV_, ANOMALY, "anomaly")                                                                                      \
    X(SW_EV_, UPDATE, "update")                                                                                        \
    X(SW_EV_, CONN, "conn")
enum sw_event_kind { SW_EVENTS(SW_ENUM_ITEM) SW_EV_MAX };

/* Bits of the event mask beyond the kinds: lines that user space makes, and the guard's. */
enum {
    SW_LINE_LOSS = SW_EV_MAX,
    SW_LINE_STATS,
    SW_LINE_GUARD,
    SW_LINE_DROP,
    SW_LINE_GATEWAY,
    SW_LINE_SERVICE,
    SW_LINE_MAX
};

/* Those that are made of records of the guard. */
#define SW_LINES_OF_GUARD (1u << SW_LINE_GUARD | 1u << SW_LINE_DROP | 1u << SW_LINE_GATEWAY)

/* What a loss line counts: the event kinds, then the guard's records together (counter guard_lost) */
enum { SW_LOSS_GUARD = SW_EV_MAX, SW_LOSSES };

/* Why a connection ended ("none" while it has not). */
#define SW_REASONS(X)                                                                                                  \
    X(SW_WHY_, NONE, "none")                                                                                           \
    X(SW_WHY_, FIN, "fin")                                                                                             \
    X(SW_WHY_, RESET, "reset")                                                                                         \
    X(SW_WHY_, REFUSED, "refused")                                                                                     \
    X(SW_WHY_, ABORTED, "aborted")                                                                                     \
    X(SW_WHY_, UNANSWERED, "unanswered")                                                                               \
    X(SW_WHY_, TIMEOUT, "timeout")                                                                                     \
    X(SW_WHY_, REUSED, "reused")                                                                                       \
    X(SW_WHY_, END_OF_INPUT, "end_of_input")                                                                           \
    X(SW_WHY_, FILTERED, "filtered")
enum sw_reason { SW_REASONS(SW_ENUM_ITEM) SW_WHY_MAX };

/* What an anomaly event is about. */
#define SW_ANOMALIES(X)                                                                                                \
    X(SW_AN_, NONE, "none")                                                                                            \
    X(SW_AN_, SYN_FIN, "syn_fin")                                                                                      \
    X(SW_AN_, SYN_RST, "syn_rst")                                                                                      \
    X(SW_AN_, FIN_RST, "fin_rst")                                                                                      \
    X(SW_AN_, NULL_SCAN, "null_scan")                                                                                  \
    X(SW_AN_, XMAS_SCAN, "xmas_scan")                                                                                  \
    X(SW_AN_, SYNACK_BAD_ACK, "synack_bad_ack")                                                                        \
    X(SW_AN_, ACK_BAD, "ack_bad")                                                                                      \
    X(SW_AN_, SYN_IN_CONNECTION, "syn_in_connection")                                                                  \
    X(SW_AN_, SYNACK_NEW_ISN, "synack_new_isn")                                                                        \
    X(SW_AN_, RST_INEXACT, "rst_inexact")                                                                              \
    X(SW_AN_, RST_OUT_OF_WINDOW, "rst_out_of_window")                                                                  \
    X(SW_AN_, RST_BAD_ACK, "rst_bad_ack")                                                                              \
    X(SW_AN_, SIMULTANEOUS_OPEN, "simultaneous_open")                                                                  \
    X(SW_AN_, SPLIT_HANDSHAKE, "split_handshake")                                                                      \
    X(SW_AN_, WINDOW_RECISION, "window_recision")                                                                      \
    X(SW_AN_, DATA_AFTER_FIN, "data_after_fin")                                                                        \
    X(SW_AN_, DATA_AFTER_RESET, "data_after_reset")                                                                    \
    X(SW_AN_, SEQ_OUT_OF_WINDOW, "seq_out_of_window")                                                                  \
    X(SW_AN_, BAD_CHECKSUM, "bad_checksum")                                                                            \
    X(SW_AN_, BAD_OPTION, "bad_option")                                                                                \
    X(SW_AN_, RST_IGNORED, "rst_ignored")
enum sw_anomaly { SW_ANOMALIES(SW_ENUM_ITEM) SW_AN_MAX };
SW_ASSERT(SW_AN_MAX <= 32, "the kinds fit in sw_flow.anomaly_kinds");

/* How the originator was decided. */
#define SW_DIRECTIONS(X)                                                                                               \
    X(SW_BY_, SYN, "syn")                                                                                              \
    X(SW_BY_, SYNACK, "synack")                                                                                        \
    X(SW_BY_, MIDSTREAM, "midstream")                                                                                  \
    X(SW_BY_, FLIPPED, "flipped")
enum sw_direction_by { SW_DIRECTIONS(SW_ENUM_ITEM) SW_BY_MAX };

#define SW_HOOKS(X)                                                                                                    \
    X(SW_HOOK_, XDP_INGRESS, "xdp_ingress")                                                                            \
    X(SW_HOOK_, TC_EGRESS, "tc_egress")                                                                                \
    X(SW_HOOK_, SWEEP, "sweep")                                                                                        \
    X(SW_HOOK_, REPLAY, "replay")
enum sw_hook { SW_HOOKS(SW_ENUM_ITEM) SW_HOOK_MAX };

/*
 * Counters: per-CPU array `counters`, one slot each. lost_* come in the order of enum sw_event_kind
 * (slot SW_C_LOST_OPENING + kind), so a loop over kinds finds them.
 */
#define SW_COUNTERS(X)                                                                                                 \
    X(SW_C_, PACKETS, "packets")                 /* frames seen, all hooks */                                          \
    X(SW_C_, TCP, "tcp")                         /* TCP segments */                                                    \
    X(SW_C_, NOT_IP, "not_ip")                   /* ARP and all other link payloads */                                 \
    X(SW_C_, NOT_TCP, "not_tcp")                 /* IP, another protocol */                                            \
    X(SW_C_, FRAG_FIRST, "frag_first")           /* first fragment, tracked by its header */                           \
    X(SW_C_, FRAG_LATER, "frag_later")           /* later fragment, no ports: only counted */                          \
    X(SW_C_, TRUNCATED, "truncated")             /* headers cut short */                                               \
    X(SW_C_, BAD_HEADER, "bad_header")           /* impossible lengths or versions */                                  \
    X(SW_C_, EXT_LIMIT, "ext_limit")             /* more tags, tunnels or extension headers than we walk */            \
    X(SW_C_, BAD_CHECKSUM, "bad_checksum")       /* TCP checksum wrong: counted, not tracked */                        \
    X(SW_C_, BAD_OPTION, "bad_option")           /* TCP option list malformed */                                       \
    X(SW_C_, NOT_TAKEN, "not_taken")             /* with the guard: to a group or another host, cut, from here */      \
    X(SW_C_, FILTERED, "filtered")               /* excluded by the filter: without events */                          \
    X(SW_C_, LATE, "late")                       /* of connections that have ended: counted, not tracked */            \
    X(SW_C_, FAST_PATH, "fast_path")             /* in-order segments handled without the lock */                      \
    X(SW_C_, FORWARDED_TWICE, "forwarded_twice") /* egress copy of a packet tracked on ingress */                      \
    X(SW_C_, FLOWS_FULL, "flows_full")           /* promotion failed, the flow remains in half_open */                 \
    X(SW_C_, HALF_OPEN_FULL, "half_open_full")   /* insertion failed: the segment is not tracked */                    \
    X(SW_C_, HALF_OPEN_CREATED, "half_open_created")                                                                   \
    X(SW_C_, HALF_OPEN_ENDED, "half_open_ended")       /* half-open flows that ended: conn emitted, removed */         \
    X(SW_C_, HALF_OPEN_PROMOTED, "half_open_promoted") /* half-open flows that moved to `flows` */                     \
    X(SW_C_, HALF_OPEN_RESTORED, "half_open_restored") /* evicted, then restored from syn_cache: created twice */      \
    X(SW_C_, FLOW_ENDED, "flow_ended")                 /* flows that ended: conn emitted, removed */                   \
    X(SW_C_, OPENING_DEFERRED, "opening_deferred")     /* opening that did not fit: emitted later, or lost */          \
    X(SW_C_, OPENING_RESOLVED, "opening_resolved")     /* of these: emitted late, or counted in lost_opening */        \
    X(SW_C_, HISTORY_FULL, "history_full")                                                                             \
    X(SW_C_, LOCK_TIMEOUT, "lock_timeout") /* a flow's lock was not acquired in time: ignored */                       \
    X(SW_C_, HANDSHAKES, "handshakes")     /* that completed: what the histograms count */                             \
    X(SW_C_, SERVERS_FULL, "servers_full") /* handshakes that no server's histogram has */                             \
    X(SW_C_, INTERNAL, "internal")         /* a lookup that cannot fail failed: the packet passes */                   \
    X(SW_C_, GUARD_LOST, "guard_lost")     /* guard and drop records that did not fit */                               \
    X(SW_C_, CAPTURE_LOST, "capture_lost") /* sampled frames that did not fit */                                       \
    X(SW_C_, FLOWS_HELD, "flows_held")     /* with the guard: established, but its share of `flows` was full */        \
    X(SW_C_, LOST_OPENING, "lost_opening")                                                                             \
    X(SW_C_, LOST_ESTABLISHED, "lost_established")                                                                     \
    X(SW_C_, LOST_HALF_CLOSED, "lost_half_closed")                                                                     \
    X(SW_C_, LOST_CLOSED, "lost_closed")                                                                               \
    X(SW_C_, LOST_RESET, "lost_reset")                                                                                 \
    X(SW_C_, LOST_REFUSED, "lost_refused")                                                                             \
    X(SW_C_, LOST_TIMEOUT, "lost_timeout")                                                                             \
    X(SW_C_, LOST_REUSED, "lost_reused")                                                                               \
    X(SW_C_, LOST_MIDSTREAM, "lost_midstream")                                                                         \
    X(SW_C_, LOST_ANOMALY, "lost_anomaly")                                                                             \
    X(SW_C_, LOST_UPDATE, "lost_update")                                                                               \
    X(SW_C_, LOST_CONN, "lost_conn")                                                                                   \
    X(SW_C_, EMITTED_OPENING, "emitted_opening")                                                                       \
    X(SW_C_, EMITTED_ESTABLISHED, "emitted_established")                                                               \
    X(SW_C_, EMITTED_HALF_CLOSED, "emitted_half_closed")                                                               \
    X(SW_C_, EMITTED_CLOSED, "emitted_closed")                                                                         \
    X(SW_C_, EMITTED_RESET, "emitted_reset")                                                                           \
    X(SW_C_, EMITTED_REFUSED, "emitted_refused")                                                                       \
    X(SW_C_, EMITTED_TIMEOUT, "emitted_timeout")                                                                       \
    X(SW_C_, EMITTED_REUSED, "emitted_reused")                                                                         \
    X(SW_C_, EMITTED_MIDSTREAM, "emitted_midstream")                                                                   \
    X(SW_C_, EMITTED_ANOMALY, "emitted_anomaly")                                                                       \
    X(SW_C_, EMITTED_UPDATE, "emitted_update")                                                                         \
    X(SW_C_, EMITTED_CONN, "emitted_conn")
enum sw_counter { SW_COUNTERS(SW_ENUM_ITEM) SW_C_MAX };

enum sw_side { SW_ORIG, SW_RESP };

/* Both endpoints in canonical order (memcmp of address, then port as a big-endian number). */
struct sw_key {
    __u8 a_ip[16]; /* IPv4 is v4-mapped, ::ffff:a.b.c.d */
    __u8 b_ip[16];
    __be16 a_port;
    __be16 b_port;
};

/* TCP options seen in an endpoint's SYN, as bits of sw_end.opts */
enum {
    SW_OPT_MSS = 1 << 0,
    SW_OPT_WSCALE = 1 << 1,
    SW_OPT_SACK = 1 << 2,
    SW_OPT_TS = 1 << 3,
    SW_OPT_TFO = 1 << 4,        /* Fast Open option, RFC 7413 */
    SW_OPT_MPTCP = 1 << 5,      /* option kind 30, RFC 8684 */
    SW_OPT_TFO_COOKIE = 1 << 6, /* the Fast Open option carried a cookie */
    SW_OPT_CUT = 1 << 7,        /* the capture ends before the options do: what is not set is unknown */
};

/* ECN in an endpoint's SYN or SYN-ACK: the three bits AE CWR ECE (RFC 3168, RFC 9768) */
enum { SW_ECN_ECE = 1, SW_ECN_CWR = 2, SW_ECN_AE = 4 };

/* what an endpoint has done, as far as segments prove it; its RFC 9293 state is derived from these */
enum {
    SW_E_SYN = 1 << 0,       /* sent a SYN: isn is real */
    SW_E_SYN_ACKED = 1 << 1, /* the peer acknowledged it */
    SW_E_FIN = 1 << 2,       /* sent a FIN: fin_seq is valid */
    SW_E_FIN_ACKED = 1 << 3, /* the peer acknowledged it */
    SW_E_PASSIVE = 1 << 4,   /* its FIN came after it had acknowledged the peer's */
    SW_E_RST = 1 << 5,       /* sent an acceptable RST */
    SW_E_SEEN = 1 << 6,      /* sent anything */
    SW_E_INIT = 1 << 7,      /* sequence numbers are initialised */
};

enum {
    SW_M_SYNACK = 1 << 0,        /* sent a SYN with ACK */
    SW_M_WINDOW = 1 << 1,        /* sent a window that its shift applies to */
    SW_M_INFERRED = 1 << 2,      /* its SYN was not seen, but proved by the peer: no options are known */
    SW_M_PAST_SYN_RCVD = 1 << 3, /* sent data after its SYN with ACK, or acknowledged some: it is out of SYN-RECEIVED */
    SW_M_OTHER_ISN = 1 << 4,     /* sent SYN-ACKs with two ISNs: the other one is in sw_flow.other_isn */
    SW_M_AFTER_RST = 1 << 5,     /* sent data where its RST was: fin_seq is one past it */
};

/*
 * One endpoint. On the fast path only the endpoint's own direction writes here, so plain stores do;
 * everything else is written under the flow's lock. What the fast path touches comes first: with many
 * flows each cache line counts.
 */
struct sw_end {
    __u64 pkts;     /* as on the wire: GSO segments are counted one by one where the hook knows them */
    __u64 ip_bytes; /* IP total lengths, as Zeek's *_ip_bytes */
    __u64 payload;  /* payload bytes in all segments, retransmissions included */
    __u32 seq_hi;   /* one past the highest sequence number sent */
    __u32 nxt;      /* edge of what was seen without a hole */
    __u32 ack;      /* highest acknowledgement this endpoint sent */
    __u32 win;      /* last advertised window, scaled */
    __u32 win_seq;
    __u32 win_ack;
    __u8 did;             /* SW_E_* */
    __u8 more;            /* SW_M_* */
    __u8 zscale;          /* the shift Zeek applies to win */
    __u8 zstate;          /* enum sw_zstate */
    __u32 isn;            /* of the SYN; midstream: one before the first byte */
    __u32 fin_seq;        /* one past the FIN */
    __u32 ooo[SW_OOO][2]; /* [start,end) seen beyond nxt; start==end: free */
    __u32 hist_syn;       /* sequence numbers of the last S/H, F and R letter */
    __u32 hist_fin;
    __u32 hist_rst;
    __u32 rexmit;   /* retransmitted data segments (t) */
    __u32 gaps;     /* content gaps (g) */
    __u32 zero_win; /* zero windows (w) */
    __u32 bad_csum; /* bad checksums (c) */
    __u16 mss;      /* of the SYN, 0: none */
    __u8 wscale;    /* of the SYN, SW_WSCALE_NONE: none */
    __u8 opts;      /* SW_OPT_* */
    __u8 ecn;       /* SW_ECN_* of the SYN or SYN-ACK */
    __u8 state;     /* enum sw_state */
    __u8 zprev;     /* the zstate before */
    __u8 pad;
    __u32 syn_len;  /* payload bytes in the SYN (Fast Open, SYN data) */
    __u32 z_rexmit; /* as Zeek counts them: data in the first SYN is one */
};

/* How long an evicted handshake can be restored: its SYN is retransmitted after 1, 3, 7 and 15 s. */
#define SW_SYN_CACHE_NS 16000000000ull

/* flow flags */
enum {
    SW_F_ESTABLISHED = 1 << 0, /* handshake proven complete, or midstream with both sides seen */
    SW_F_ENDED = 1 << 1,       /* only late segments can follow; kept for the close delay, then conn */
    SW_F_MIDSTREAM = 1 << 2,
    SW_F_PARTIAL = 1 << 3, /* Zeek's is_partial */
    SW_F_HIST_FULL = 1 << 4,
    SW_F_OPENING_EMITTED = 1 << 5,
    SW_F_FRAGMENTED = 1 << 6,  /* a fragment was seen: gaps are not counted */
    SW_F_PENDING_SYN = 1 << 7, /* an in-window SYN on a live flow waits for its answer */
    SW_F_HALF_CLOSED_EMITTED = 1 << 8,
    SW_F_INFERRED = 1 << 9, /* partly inferred from acknowledgements (one-sided view) */
    SW_F_FLIPPED = 1 << 10,
    SW_F_FIRST_ORIG = 1 << 11, /* Zeek's first_packet_seen */
    SW_F_FIRST_RESP = 1 << 12,
    SW_F_SIMULTANEOUS = 1 << 13,
    SW_F_SPLIT = 1 << 14,
    SW_F_COOKIE = 1 << 15,    /* established by a SYN cookie (via: cookie) */
    SW_F_IN_FLOWS = 1 << 16,  /* is in map flows (else: half_open) */
    SW_F_REUSED = 1 << 17,    /* took over the four-tuple of an earlier connection */
    SW_F_FAR_ALONE = 1 << 18, /* nothing of the other side has come since sw_flow.far began */
    SW_F_SYN_DATA = 1 << 19,
    SW_F_NO_EGRESS = 1 << 20,        /* first seen where no egress hook is attached */
    SW_F_OPENING_DEFERRED = 1 << 21, /* its opening record did not fit */
    SW_F_ACCEPTQ_FULL = 1 << 23,     /* the accept queue was full: the client must retransmit */
    SW_F_UNCONFIRMED = 1 << 22,      /* with the guard: no socket of the kernel was seen for it yet */
    SW_F_MIDSTREAM_PROVEN = 1 << 24, /* this host has sent on it, or, in a capture, its ends agree */
    SW_F_BEYOND = 1 << 25,           /* while a segment is processed: it lies beyond its receiver's window */
    SW_F_FAR = 1 << 26,              /* sw_flow.far holds such segments, */
    SW_F_FAR_RESP = 1 << 27,         /* of the responder */
    SW_F_NO_SOCKET = 1 << 28,        /* with the guard: never confirmed, and the kernel has no socket of it */
    SW_F_FILTERED = 1 << 29,         /* with the guard: excluded by the filter, followed without events */
    SW_F_CLAIMED = 1 << 30,          /* with the guard: established by what arrived alone; has taken a place of those */
};

/* The ends that this host is, as far as it has sent: the key's a endpoint, its b. SYN, with the guard: this host has
 * sent one, alone or with ACK, not only forwarded it. SYNACK: with ACK, so a listener of it has answered. ISN: the
 * SYN-ACK of sw_flow.listener_isn, also a forwarded one, acknowledged the originator's number as it is here. */
enum {
    SW_LOCAL_A = 1 << 0,
    SW_LOCAL_B = 1 << 1,
    SW_LOCAL_SYN = 1 << 2,
    SW_LOCAL_SYNACK = 1 << 3,
    SW_LOCAL_SENT = 1 << 4,
    SW_LOCAL_ISN = 1 << 5
};

/* sw_flow.held: waits; and why, as far as it has been counted (flows_held, flows_full). */
enum { SW_HELD_WAITS = 1 << 0, SW_HELD_SHARE = 1 << 1, SW_HELD_FULL = 1 << 2 };

/*
 * sw_flow.listener: the handshake as this host's listener has it. With the guard only; what arrives neither begins nor
 * proves it. COMPLETED: acknowledged, but the listener may have thrown the acknowledgement away. RESET_UNDONE: opened,
 * and the listener went on after a RST, so that no further one is believed. COOKIE: opened by a cookie of the kernel,
 * which keeps nothing. REOPENED, of a gateway: opened, and what had acknowledged it was not taken, so that only the
 * host completes it: there is no queue of the kernel that would know better.
 */
enum {
    SW_L_NONE,
    SW_L_OPENED,
    SW_L_COMPLETED,
    SW_L_CONFIRMED,
    SW_L_ABORTED,
    SW_L_RESET_UNDONE,
    SW_L_COOKIE,
    SW_L_REOPENED
};

/* By a SYN-ACK: the socket that its request becomes, unless the listener drops the request. */
#define SW_OWNER_REQUEST (1ULL << 63)

/* The socket of this host that an end is, by its own segments; 0: not known. The cgroup is the one it was made in. */
struct sw_owner {
    __u64 cookie; /* SO_COOKIE, perhaps with SW_OWNER_REQUEST */
    __u64 cgroup; /* its id in cgroup v2: the inode of its directory */
};

/* Here too what the fast path touches comes first, next to the endpoints. */
struct sw_flow {
    __u64 last_ns;   /* last segment; of data up to a tick behind */
    __u32 flags;     /* SW_F_* */
    __u16 hist_seen; /* one bit a letter: low byte originator, high byte responder */
    __u8 orig_is_b;  /* the originator is the key's b endpoint */
    __u8 hist_len;
    struct sw_end end[2]; /* SW_ORIG, SW_RESP */
    __u64 start_ns;       /* first segment */
    __u64 syn_ns;         /* first SYN of the originator, 0: not seen */
    __u64 synack_ns;      /* first acceptable SYN-ACK, 0: not seen */
    __u64 est_ns;         /* completion of the handshake, 0: not seen */
    __u64 ended_ns;       /* when it ended, 0: it has not */
    __u64 update_ns;      /* last update event */
    __u32 ifindex;        /* where the first segment was seen */
    __u32 pend_isn;       /* the in-window SYN that waits */
    __u32 pend_side;      /* enum sw_side of its sender */
    __u32 claimed[2];     /* what SW_ORIG, SW_RESP last acknowledged though no segment had shown it; 0: nothing */
    __u32 other_isn;      /* of an earlier SYN-ACK, with SW_M_OTHER_ISN */
    __u16 vlan[2];        /* TCIs' VLAN ids of the first segment, outer first, 0: none */
    __u16 syn_rexmit;
    __u16 synack_rexmit;
    __u8 hook;              /* enum sw_hook of the first segment */
    __u8 direction_by;      /* enum sw_direction_by */
    __u8 reason;            /* enum sw_reason */
    __u8 closed_by;         /* who sent the first FIN or the RST: 0 nobody, 1 originator, 2 responder, 3 both at once */
    __u8 rst_state;         /* state of the RST's receiver when it came */
    __u8 listener;          /* SW_L_* */
    char hist[SW_HIST_MAX]; /* not terminated */
    __u8 local;             /* SW_LOCAL_* */
    __u8 held;              /* with the guard: waits in `half_open` for a place in `flows`, SW_HELD_* */
    __u32 end_claimed;      /* 1: a CPU is ending the flow, so that conn is emitted once */
    __u32 anomalies;        /* segments that were one */
    __u32 anomaly_kinds;    /* 1 << enum sw_anomaly: those that were reported */
    __u32 listener_isn;     /* of the SYN-ACK that this host sent, with `listener` */
    __u32 far[2];           /* [start,end) of the last segments beyond the window, without a hole; with SW_F_FAR */
    __u64 missed;           /* bytes of the content gaps of both sides, as Zeek's missed_bytes */
    struct sw_owner owner[2]; /* of the key's a endpoint, its b */
};

#define SW_LATE_NS (240 * SW_SECOND) /* TIME_WAIT: 2 MSL */

/* Slot of map `ended`, by sw_key_hash: a connection whose `conn` has been emitted; another one may take its place. */
struct sw_ended {
    __u64 id;        /* the hash */
    __u64 ns;        /* when it ended */
    __u32 seq_hi[2]; /* one past the last sequence number of the endpoints a and b of its key, */
    __u32 back[2];   /* and how far before it late segments are its own */
};

/* The ring buffers `events`, `events_open` and `events_anomaly`. */
enum sw_ring { SW_RING_MAIN, SW_RING_OPEN, SW_RING_ANOMALY, SW_RINGS };

/* One record of these ring buffers. */
struct sw_event {
    __u16 version; /* SW_CONTRACT_VERSION */
    __u16 size;    /* sizeof(struct sw_event), or sizeof(struct sw_conn_event) */
    __u8 kind;     /* enum sw_event_kind */
    __u8 hook;     /* enum sw_hook where it happened */
    __u8 anomaly;  /* enum sw_anomaly */
    __u8 by;       /* enum sw_side of the segment that caused it */
    __u32 ifindex; /* where it happened */
    struct sw_key key;
    __u64 ts;
    struct sw_flow flow;
};

enum { SW_OWNERS_COOKIE = 1 << 0, SW_OWNERS_CGROUP = 1 << 1 };

/* Written once before loading, in .rodata as `cfg`. Times in nanoseconds. */
struct sw_config {
    __u64 close_delay;
    __u64 t_syn_sent;
    __u64 t_syn_received;
    __u64 t_established;
    __u64 t_fin_wait;
    __u64 t_close_wait;
    __u64 t_last_ack;
    __u64 t_midstream;
    __u64 update_interval;    /* 0: no update events */
    __u32 event_mask;         /* bit 1 << kind: make it; the others cost nothing */
    __u8 replay;              /* the clock is .bss replay_now, the hook is SW_HOOK_REPLAY */
    __u8 decap;               /* follow tunnels to the inner packet (packet/tunnel.h) */
    __u8 checksum;            /* verify TCP checksums on ingress */
    __u8 one_sided;           /* an ingress without egress hook (or a capture): infer the unseen side */
    __u8 likely_server_ports; /* 1: flip a midstream first segment whose source is in `server_ports` */
    __u8 guard;               /* the guard is loaded; its settings are in maps guard and services */
    __u8 stray_reset;         /* an engaged guard answers an ACK of no connection with a RST */
    __u8 ended_bits;          /* map `ended` has two to the power of this slots */
    __u8 whole_sums; /* no virtual device leaves a checksum to the card: the pseudo-header's sum alone is wrong */
    __u8 owners;     /* SW_OWNERS_*: what is kept of the sockets of this host's ends */
    __u8 ladder;     /* keep the last control segments of each connection (synward_ladder.h) */
    __u8 gateway;    /* enum sw_gateway: services are of hosts behind this one, with the guard */
    __u32 share[2];  /* with the guard, by enum sw_share_kind: how many of `flows` they may be */
    __u32 loopback;  /* ifindex of a followed interface where both ends are this host, or 0 */
    __u32 syn_sets;  /* of map `syn_cache` */
    __u32 outer;     /* --gateway translate: ifindex of the outer interface, if others are followed, too; or 0 */
    __u8 accept;     /* the guard takes cookies in calm, too: of an edge that has the same key */
    __u8 pad[3];
};

/*
 * The one element of map `hash_key`: random numbers of a start (with --pin: of the first one, as the tables are), so
 * that nobody outside knows where in a table a connection goes. See synward_hash.h.
 */
#define SW_HASH_WORDS 10
struct sw_hash_key {
    __u64 word[SW_HASH_WORDS];
};

/*
 * With the guard: of the places in `flows`, those of connections that others than this host's sockets say are
 * established. UNCONFIRMED: this host's listener has answered, and no socket has sent yet. CLAIMED: this host has sent
 * nothing; it forwards or mirrors it, or it is forged.
 */
enum sw_share_kind { SW_SHARE_UNCONFIRMED, SW_SHARE_CLAIMED, SW_SHARES };

/* In .bss as `shares`. Both only grow; the difference is how many there are. Each sweep compares it with the table. */
struct sw_share {
    __u64 taken;
    __u64 left;
};

/* Result of one run of sw_sweep, in .bss as `sweep`. */
struct sw_sweep {
    __u64 now;         /* in: the time to sweep at, 0: the kernel's clock */
    __u64 flush;       /* in: 0 by time; 1 also flows within the close delay; 2 all flows (end_of_input) */
    __u64 half_open;   /* out: present after the sweep */
    __u64 flows;       /* out */
    __u64 established; /* out: flows that have not ended */
    __u64 deferred;    /* out: half-open flows whose opening is deferred */
    __u64 next;        /* out: when the next of those present expires if no segment comes; all ones: none is present */
    __u64 held_back;   /* out: expired, but kept because the ring is half full; sweep again */
    __u64 unconfirmed; /* out: with the guard: established, and no socket of the kernel was seen for it yet */
};

#include "synward_gateway.h"
#include "synward_guard.h"
#include "synward_syn_cache.h"

SW_ASSERT(sizeof(struct sw_key) == 36, "sw_key has no padding");
SW_ASSERT(sizeof(struct sw_end) == 128, "sw_end is two cache lines");
SW_ASSERT(sizeof(struct sw_flow) == 464, "sw_flow has no padding");
SW_ASSERT(sizeof(struct sw_event) == 12 + 36 + 8 + sizeof(struct sw_flow), "sw_event has no padding");
SW_ASSERT(SW_LINE_GUARD + SW_GUARD_EV_STATE == SW_LINE_GUARD && SW_LINE_GUARD + SW_GUARD_EV_DROP == SW_LINE_DROP &&
              SW_LINE_GUARD + SW_GUARD_EV_GATEWAY == SW_LINE_GATEWAY,
          "the guard's lines follow its kinds of records");
SW_ASSERT(SW_LINE_MAX <= 32, "an event mask has 32 bits");
SW_ASSERT(SW_C_LOST_OPENING + SW_EV_MAX == SW_C_EMITTED_OPENING, "lost_* follow the kinds");
SW_ASSERT(SW_C_EMITTED_OPENING + SW_EV_MAX == SW_C_MAX, "emitted_* follow the kinds");

#endif
