/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's part of the contract: services, their counters, reasons, configuration, keys and the records that it
 * emits. Included by synward.h; the same rules hold.
 */
#ifndef SYNWARD_GUARD_H
#define SYNWARD_GUARD_H

#define SW_SERVICES 1024            /* slot 0 stands for none */
#define SW_CHAIN 8                  /* services of one port: addresses of their own first, a wildcard last */
#define SW_LOCAL_IPS 1024           /* slots of the table of this host's addresses; at most half are used */
#define SW_LOCAL_PROBES 8           /* slots searched for one address */
#define SW_KNOWN_WORDS (1u << 14)   /* of 64 bits, in each of the two generations */
#define SW_USED_COOKIES (1u << 17)  /* that are remembered */
#define SW_MACS 16                  /* Ethernet addresses of this host that are kept */
#define SW_CAPTURE_BYTES 256        /* of a dropped frame */
#define SW_ROUTES_MAX 65536         /* that are kept; with more of them no source is checked */
#define SW_EPOCH_SHIFT 36           /* an epoch is 2^36 ns, 68.7 s */
#define SW_SKEW_SHIFT 32            /* 2^32 ns, 4.3 s: clocks of hosts that share a key may differ so much */
#define SW_DETECT_NS 100000000ull   /* a service is evaluated this often */
#define SW_TICKS 16                 /* ring of intervals of SW_DETECT_NS: rates are over the last 10 */
#define SW_SECONDS_BACK 64          /* ring of seconds: half-open handshakes are those of the last 63 */
#define SW_ROUTES_NS 10000000000ull /* routes and addresses that nobody has looked at for so long are not relied on */

/* --gateway: the services are of hosts behind this one. */
#define SW_GATEWAYS(X)                                                                                                 \
    X(SW_GATEWAY_, NONE, "none")                                                                                       \
    X(SW_GATEWAY_, EDGE, "edge") /* answers SYNs; the host behind it takes the cookie that comes back (--accept) */    \
    X(SW_GATEWAY_, TRANSLATE, "translate") /* takes it itself, and translates the connection (synward_gateway.h) */
enum sw_gateway { SW_GATEWAYS(SW_ENUM_ITEM) SW_GATEWAY_MAX };

/* What is done for a service. */
#define SW_GUARD_MODES(X)                                                                                              \
    X(SW_GM_, OFF, "off")                                                                                              \
    X(SW_GM_, MONITOR, "monitor") /* decides and logs, but changes no packet */                                        \
    X(SW_GM_, AUTO, "auto")                                                                                            \
    X(SW_GM_, ALWAYS, "always")
enum sw_guard_mode { SW_GUARD_MODES(SW_ENUM_ITEM) SW_GM_MAX };

/* calm -> engaged -> grace -> calm */
#define SW_GUARD_STATES(X)                                                                                             \
    X(SW_GS_, CALM, "calm")                                                                                            \
    X(SW_GS_, ENGAGED, "engaged") /* SYNs are answered with cookies */                                                 \
    X(SW_GS_, GRACE, "grace")     /* cookies are still accepted and none is issued */
enum sw_guard_state { SW_GUARD_STATES(SW_ENUM_ITEM) SW_GS_MAX };

/* Why the state changed. */
#define SW_GUARD_CAUSES(X)                                                                                             \
    X(SW_GW_, NONE, "none")                                                                                            \
    X(SW_GW_, HALF_OPEN, "half_open") /* more half-open handshakes than --engage half-open */                          \
    X(SW_GW_, SYN_RATE, "syn_rate")   /* more SYNs a second than --engage syn-rate, few of them complete */            \
    X(SW_GW_, BELOW_THRESHOLD, "below_threshold") /* below half of both for --hold */                                  \
    X(SW_GW_, GRACE_ENDED, "grace_ended")         /* no cookie is valid any more */                                    \
    X(SW_GW_, MODE, "mode")                       /* the mode was changed */                                           \
    X(SW_GW_, NO_LISTENER, "no_listener")         /* there is no listener any more */                                  \
    X(SW_GW_, KERNEL_QUEUE, "kernel_queue")       /* the kernel's own queue of half-open handshakes says so */         \
    X(SW_GW_, OVER_LIMIT, "over_limit")           /* a SYN over --limit-source or --limit-prefix */
enum sw_guard_cause { SW_GUARD_CAUSES(SW_ENUM_ITEM) SW_GW_MAX };

#define SW_BACKENDS(X)                                                                                                 \
    X(SW_BK_, NONE, "none")                                                                                            \
    X(SW_BK_, REQSK, "reqsk")       /* our own cookie; bpf_sk_assign_tcp_reqsk, kernel 6.9 */                          \
    X(SW_BK_, LISTENER, "listener") /* the kernel's cookie; bpf_tcp_gen_syncookie */
enum sw_backend { SW_BACKENDS(SW_ENUM_ITEM) SW_BK_MAX };

/* Why a packet is dropped (RFC 4987, RFC 9293 section 3.10.7.1). */
#define SW_DROPS(X)                                                                                                    \
    X(SW_DROP_, NONE, "none")                                                                                          \
    X(SW_DROP_, BLOCKED, "blocked")               /* its source is on the block list */                                \
    X(SW_DROP_, RATE_SOURCE, "rate_source")       /* --limit-source */                                                 \
    X(SW_DROP_, RATE_PREFIX, "rate_prefix")       /* --limit-prefix */                                                 \
    X(SW_DROP_, BUDGET, "budget")                 /* --reply-budget */                                                 \
    X(SW_DROP_, BAD_FLAGS, "bad_flags")           /* SYN with FIN or RST */                                            \
    X(SW_DROP_, FRAGMENT, "fragment")             /* a SYN, or less than a TCP header, in a fragment */                \
    X(SW_DROP_, EXT_LIMIT, "ext_limit")           /* more IPv6 extension headers than are walked */                    \
    X(SW_DROP_, BAD_OPTION, "bad_option")         /* a SYN whose option list is malformed */                           \
    X(SW_DROP_, SYNACK, "synack")                 /* SYN-ACK for no SYN of this host */                                \
    X(SW_DROP_, RST, "rst")                       /* RST for no connection */                                          \
    X(SW_DROP_, FIN, "fin")                       /* FIN for no connection */                                          \
    X(SW_DROP_, NULL_FLAGS, "null")               /* no flags */                                                       \
    X(SW_DROP_, XMAS, "xmas")                     /* FIN PSH URG */                                                    \
    X(SW_DROP_, NO_ACK, "no_ack")                 /* neither SYN, ACK, RST nor FIN */                                  \
    X(SW_DROP_, COOKIE_BAD, "cookie_bad")         /* ACK for no connection, and no cookie of ours */                   \
    X(SW_DROP_, COOKIE_EXPIRED, "cookie_expired") /* a cookie of ours that is too old */                               \
    X(SW_DROP_, BAD_SOURCE, "bad_source")         /* a SYN from an address that no sender has */                       \
    X(SW_DROP_, RATE_PASSED, "rate_passed")       /* a SYN that would pass, over --pass-rate */                        \
    X(SW_DROP_, REVERSE_PATH, "reverse_path")     /* a SYN from a source that no watched interface reaches */
enum sw_drop { SW_DROPS(SW_ENUM_ITEM) SW_DROP_MAX };

/* Counters of a service: per-CPU array `svc_counters`, one struct sw_svc_counters for each service. */
#define SW_SVC_COUNTERS(X)                                                                                             \
    X(SW_T_, SYNS, "syns")                         /* SYNs received */                                                 \
    X(SW_T_, OPENED, "opened")                     /* handshakes that the listener itself began: its SYN-ACKs */       \
    X(SW_T_, RESOLVED, "resolved")                 /* of these: completed or reset */                                  \
    X(SW_T_, COMPLETED, "completed")               /* of these: completed */                                           \
    X(SW_T_, COOKIES_SENT, "cookies_sent")         /* SYN-ACKs with a cookie */                                        \
    X(SW_T_, COOKIES_ACCEPTED, "cookies_accepted") /* cookies that opened a connection */                              \
    X(SW_T_, COOKIES_REPLAYED, "cookies_replayed") /* further connections that one of these opened */                  \
    X(SW_T_, PROBES_SENT, "probes_sent")           /* replies to a keepalive that came as the third packet */          \
    X(SW_T_, RESETS_SENT, "resets_sent")           /* RSTs for ACKs of no connection (--stray reset) */                \
    X(SW_T_, PASSED_KNOWN, "passed_known")         /* SYNs for a four-tuple that has a socket */                       \
    X(SW_T_, PASSED_ALLOWED, "passed_allowed")     /* SYNs of the allow list */                                        \
    X(SW_T_, PASSED_BACKEND, "passed_backend")     /* SYNs that the backend could not answer: left to the listener */  \
    X(SW_T_, PASSED_SOCKET, "passed_socket")       /* other segments without a flow that belong to a socket */         \
    X(SW_T_, COOKIE_REFUSED, "cookie_refused")     /* valid, but the kernel rejected it (MPTCP listener) */            \
    X(SW_T_, COOKIE_NO_LISTENER, "cookie_no_listener") /* valid, but there is no listener any more */                  \
    X(SW_T_, REOPENED, "reopened")             /* completed, but the listener sent its SYN-ACK again: it was not */    \
    X(SW_T_, KERNEL_COOKIES, "kernel_cookies") /* SYN-ACKs of the kernel for which it keeps nothing */                 \
    X(SW_T_, OVER_LIMIT, "over_limit")     /* SYNs over --limit-source or --limit-prefix, answered with a cookie */    \
    X(SW_T_, RESET_UNDONE, "reset_undone") /* reset, but the listener sent its SYN-ACK again: it was not */            \
    X(SW_T_, STRAY_ACKS, "stray_acks")     /* --accept, calm: ACKs of no connection that are no good cookie */         \
    X(SW_T_, TIME_WAITS_ENDED, "time_waits_ended") /* --accept: sockets in TIME_WAIT that a fresh cookie ended */
enum sw_svc_counter { SW_SVC_COUNTERS(SW_ENUM_ITEM) SW_T_MAX };

struct sw_svc_counters {
    __u64 item[SW_T_MAX];
    __u64 drop[SW_DROP_MAX]; /* in a service that is monitored: would have been dropped */
};

/* sw_service.any: the wildcard of these families; or SW_NET + n: a prefix of n bits, 1 to 128, of a v4-mapped address
 */
enum { SW_ANY_4 = 1, SW_ANY_6 = 2, SW_NET = 127 };
/* sw_service.flags */
enum {
    SW_SV_NAMED = 1 << 0,       /* named by --protect: kept without a listener */
    SW_SV_MPTCP = 1 << 1,       /* its listener is an MPTCP socket */
    SW_SV_NO_LISTENER = 1 << 2, /* there is no listener: not guarded */
    SW_SV_FIXED = 1 << 3,       /* --wscale: not learned */
    SW_SV_BOUND = 1 << 4,       /* a listener of it is bound to a device: on others there may be none */
};

/*
 * One protected service, in the mmapable array `services`. User space writes its identity and settings, the BPF
 * programs its state; both may change mode at any time. A slot is free if port is 0.
 */
struct sw_service {
    __u8 ip[16]; /* v4-mapped; all zero: any */
    __be16 port;
    __u16 next;         /* next service of the same port, 0: none */
    __u8 any;           /* SW_ANY_*, SW_NET + n */
    __u8 mode;          /* enum sw_guard_mode */
    __u8 backend;       /* enum sw_backend */
    __u8 flags;         /* SW_SV_* */
    __u8 wscale;        /* of its SYN-ACKs: as configured, then as seen in the kernel's own */
    __u8 state;         /* enum sw_guard_state; from here on written by the BPF programs */
    __u8 cause;         /* enum sw_guard_cause of the last change */
    __u8 rate_exceeded; /* consecutive intervals over the SYN rate threshold */
    __u16 mss[2];       /* of its SYN-ACKs: IPv4, IPv6; never over what the interface takes */
    __u16 win;          /* of its SYN-ACKs */
    __u8 enforcing;     /* counted in sw_guard.engaged */
    __u8 pad;
    __u32 evaluating;     /* 1: a CPU is evaluating the service */
    __u64 since;          /* last change of state */
    __u64 due;            /* next evaluation */
    __u64 last_busy;      /* engaged: when it last exceeded half of a threshold */
    __u64 half_open;      /* values of the last evaluation */
    __u64 syn_rate;       /* SYNs a second */
    __u64 completed_rate; /* completed handshakes a second */
    __u64 tick;           /* number of the last interval: time / SW_DETECT_NS */
    __u64 bypass_until;   /* SYNs pass until then: a cookie came back and there was no listener. Not with SW_SV_BOUND */
    __u64 kernel_at;      /* when the daemon began to read the next two, 0: never */
    __u32 kernel_half_open; /* sockets in SYN_RECV */
    __u32 kernel_full;      /* 1: the kernel's counters say that a queue overflowed, and this one is full */
    __u32 kernel_left;      /* of kernel_half_open: left from before the state changed */
    __u32 elsewhere;        /* second of the last SYN-ACK that said so, 0: none. Its port is another one's by NAT: its
                               listener is in another network namespace, or has another port */
};

/* Running totals at a point in time, for the rates. */
struct sw_sum {
    __u32 syns, opened, resolved, completed, sent, accepted, kernel_cookies;
};
struct sw_svc_history {
    struct sw_sum tick[SW_TICKS];          /* by tick number */
    struct sw_sum second[SW_SECONDS_BACK]; /* by second */
    __u64 over_limit_ns;                   /* the last SYN over a limit */
    __u64 known_tat, signed_tat;           /* buckets of --pass-rate, as in struct sw_bucket */
};

/* sw_guard.flags */
enum {
    SW_G_SACK = 1 << 0, /* what this host's sysctls grant in a SYN-ACK */
    SW_G_TS = 1 << 1,
    SW_G_WSCALE = 1 << 2,
    SW_G_ECN = 1 << 3,
    SW_G_TS_PLAIN = 1 << 4,        /* tcp_timestamps=2: the listener backend may use them, too */
    SW_G_CAPTURE = 1 << 5,         /* dropped frames are sampled */
    SW_G_NO_META = 1 << 6,         /* set by the BPF programs: the driver has no metadata */
    SW_G_STOPPING = 1 << 7,        /* the daemon is about to detach: issue no more cookies */
    SW_G_MD5 = 1 << 8,             /* the kernel checks signed SYNs itself (RFC 2385), */
    SW_G_AO = 1 << 9,              /* these too (RFC 5925) */
    SW_G_COOKIES_ALWAYS = 1 << 10, /* tcp_syncookies=2: that the kernel makes cookies says nothing */
    SW_G_REVERSE_4 = 1 << 11,      /* sources of IPv4 are looked up in map `reverse_path` before they are answered, */
    SW_G_REVERSE_6 = 1 << 12,      /* those of IPv6 */
    SW_G_NO_OWN_SOURCE = 1 << 13,  /* the kernel drops what comes from its own IPv4 addresses (accept_local, rules) */
    SW_G_CLOCK_WATCHED = 1 << 14,  /* a key is shared, and the kernel says whether the wall clock is synchronised: */
    SW_G_CLOCK_SYNCED = 1 << 15,   /* it is */
};

/* What is shown of a key of the key file. */
struct sw_key_note {
    __u32 fingerprint;
    __u32 since; /* the epoch from which it counts; 0: ever */
};
enum { SW_KEY_NOTES = 3 };

/* The one element of the mmapable array `guard`: everything that may change while it runs. Times in ns. */
struct sw_guard {
    __u64 half_open; /* thresholds */
    __u64 syn_rate;
    __u64 hold;
    __u64 grace;
    __u64 limit_source; /* SYNs a second, 0: no limit */
    __u64 limit_prefix;
    __u64 reply_budget; /* cookies a second, 0: no limit */
    __u64 clock_offset; /* epochs count from (time + offset); 0 unless a key is shared */
    __u32 allow_len;    /* entries of the lists: an empty one is not searched */
    __u32 block_len;
    __u32 flags;
    __u32 key_slot;  /* of map `keys` */
    __u32 known_gen; /* 0 or 1: the generation of map `known` that is read; both are written */
    __u32 active;    /* services that are not calm, at least */
    __u32 engaged;   /* services that are engaged or in grace, and not only monitored, at least */
    __u8 ttl;
    __u8 hop_limit;
    __u8 mode;          /* of services that are found from now on */
    __u8 gateway;       /* enum sw_gateway */
    __u64 budget_ns;    /* BPF programs: when the budget was last refilled */
    __s64 budget;       /* replies left */
    __u32 unprotected;  /* listening sockets for which there was no place */
    __u32 macs;         /* entries of mac; 0: unknown, or there are more */
    __u64 pass_rate;    /* SYNs a second that each service is passed while it is engaged, 0: no limit */
    __u64 known_ns;     /* when the daemon last filled map `known` from the kernel's sockets; 0: not yet */
    __u64 compared_ns;  /* the BPF programs have compared the flows with that */
    __u64 mac[SW_MACS]; /* Ethernet addresses at which this host takes frames, the first byte lowest */
    __u64 routes_ns;    /* when the daemon last knew that map `reverse_path` is as the kernel's routes */
    __u64 local_ns;     /* and when, that `local_ips` is as its addresses */
    __u64 nets_gen;     /* how often map `service_nets` was changed */
    struct sw_key_note key_note[SW_KEY_NOTES]; /* in the order of their epochs; the first two are those of map `keys` */
    __u32 key_notes;                           /* how many; 0: random keys */
    __u32 pad2;
};

/*
 * Key of map `service_nets` (LPM) of a gateway: the port is whole, then come the bits of a prefix. The value is the
 * service, 0: none, as for addresses of this host in a prefix.
 */
struct sw_service_net {
    __u32 prefixlen; /* SW_NET_PORT_BITS + n of ip */
    __u32 port;      /* host order */
    __u8 ip[16];     /* v4-mapped */
};
#define SW_NET_PORT_BITS 32
#define SW_NET_CACHE 256 /* addresses and ports whose services a CPU remembers */
#define SW_SERVICE_NETS 65536

/*
 * Map `keys`, two slots; sw_guard.key_slot is the one in use, so that the other can be written. Epochs from `since` on
 * use key[1], earlier ones key[0].
 */
struct sw_keys {
    __u64 key[2][2];
    __u32 since;
    __u32 bound; /* bit 0, 1: the MAC of key[0], key[1] covers the server's window scale */
};

/* Key of map `used_cookies` (LRU): a cookie that has opened a connection, ours or the kernel's. */
struct sw_cookie_id {
    __u64 tuple; /* sw_tuple_hash of the key */
    __u32 client_isn;
    __u32 isn; /* of the SYN-ACK: the cookie */
};

#define SW_LIST_ENTRIES_MAX (1u << 20) /* of each list's trie, and of a file */

/* Value of the lists' tries: the sources of an entry, as bits. It is removed with its last source. */
enum { SW_LIST_OPTION = 1, SW_LIST_FILE = 2, SW_LIST_COMMAND = 4 };
struct sw_cidr { /* also the key of map `reverse_path`: routes; its value is 1 if a watched interface reaches them */
    __u32 prefixlen; /* of ip, so 96 + n for IPv4 */
    __u8 ip[16];     /* v4-mapped */
};

/*
 * Maps `limit_source` and `limit_prefix`, by address (of the prefix: host bits zero). A virtual-scheduling bucket
 * (GCRA): each SYN advances `tat` by 1/rate, a completed handshake moves it back; beyond now + 1 s the limit is
 * exceeded.
 */
struct sw_bucket {
    __u64 tat;
};

/* Records of the ring buffer `guard_events`. */
enum sw_guard_event_kind { SW_GUARD_EV_STATE, SW_GUARD_EV_DROP, SW_GUARD_EV_GATEWAY, SW_GUARD_EV_MAX };

struct sw_guard_event {
    __u16 version; /* SW_CONTRACT_VERSION */
    __u16 size;    /* sizeof(struct sw_guard_event) */
    __u8 kind;     /* enum sw_guard_event_kind */
    __u8 dry_run;  /* the service is monitored: no packet was changed */
    __u8 hook;     /* enum sw_hook; SW_HOOK_SWEEP: without a packet */
    __u8 mode;     /* of the service */
    __u32 ifindex; /* 0: no packet */
    __u32 service; /* index */
    __u64 ts;
    __u8 svc_ip[16]; /* of the service; drop: the destination's */
    __be16 svc_port;
    __u8 any;    /* SW_ANY_* of the service: it is a wildcard; or SW_NET + n */
    __u8 reason; /* drop: enum sw_drop; gateway: enum sw_gateway_counter */
    /* guard */
    __u8 from, to; /* enum sw_guard_state */
    __u8 cause;    /* enum sw_guard_cause */
    __u8 backend;
    __u64 half_open, half_open_threshold;
    __u64 syn_rate, syn_rate_threshold;
    __u64 completed_rate;
    __u64 in_state_ns; /* duration of the state that ended */
    __u64 kernel_half_open;
    /* drop, gateway */
    __u64 count;     /* drops for this reason on this CPU since its last record, this one included; gateway: on all */
    __u8 src_ip[16]; /* gateway: the client */
    __u8 dst_ip[16]; /* and the backend; port 0: without either */
    __be16 src_port, dst_port;
    __u32 seq, ack;
    __u32 payload;
    __u16 flags; /* SW_TCP_* */
    __u16 vlan[2];
    /* gateway */
    __u8 wscale, grants; /* of the backend: SW_BE_* */
    __u16 mss;
    __u8 pad[6];
    __u64 connections; /* that are translated and not closed, as of the last sweep */
};

/* Records of the ring buffer `captures`. */
struct sw_capture {
    __u64 ts;
    __u32 ifindex;
    __u32 len;   /* of the frame */
    __u32 cap;   /* bytes of it that are here */
    __u8 reason; /* enum sw_drop */
    __u8 dry_run;
    __u16 service;
    __u8 frame[SW_CAPTURE_BYTES];
};

#define SW_KNOWN_BITS (SW_KNOWN_WORDS * 64)

SW_ASSERT(sizeof(struct sw_service) == 128, "sw_service is two cache lines");
SW_ASSERT(sizeof(struct sw_guard) == 176 + SW_MACS * 8 + SW_KEY_NOTES * 8, "sw_guard has no padding");
SW_ASSERT(sizeof(struct sw_keys) == 40, "sw_keys has no padding");
SW_ASSERT(sizeof(struct sw_cookie_id) == 16, "sw_cookie_id has no padding");
SW_ASSERT(sizeof(struct sw_service_net) == 24, "sw_service_net has no padding");
SW_ASSERT(sizeof(struct sw_cidr) == 20, "sw_cidr has no padding");
SW_ASSERT(sizeof(struct sw_guard_event) == 184, "sw_guard_event has no padding");
SW_ASSERT(sizeof(struct sw_capture) == 24 + SW_CAPTURE_BYTES, "sw_capture has no padding");

#endif
