/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --gateway translate: connections that began with a cookie of this host, and whose numbers are translated between two
 * spaces: the client's, in which the cookie is the server's ISN, and the backend's own. Included by synward.h.
 */
#ifndef SYNWARD_GATEWAY_H
#define SYNWARD_GATEWAY_H

#define SW_GATEWAY_FLOWS (1u << 18)         /* --gateway-flows */
#define SW_GATEWAY_SHARES 65536             /* counters of connections by client */
#define SW_GATEWAY_SHARE 16                 /* the part of the table that one client may hold: one of so many */
#define SW_GATEWAY_BACKENDS 16384           /* that are remembered */
#define SW_GATEWAY_DUE 256                  /* SYNs that are repeated in one go */
#define SW_GATEWAY_TRIES 5                  /* SYNs to a backend for a client that is silent, after the first one */
#define SW_GATEWAY_AGAIN_NS 300000000ull    /* until the first of these; then twice as long each */
#define SW_GATEWAY_REFUSED_NS 2000000000ull /* SYNs pass so long after a backend has refused one */
#define SW_GATEWAY_SILENT_NS 60000000000ull /* after so long without a SYN-ACK a backend is silent, and for so long */

/* State of a translated connection. */
#define SW_XLATE_STATES(X)                                                                                             \
    X(SW_X_, NONE, "none")                                                                                             \
    X(SW_X_, PENDING, "pending") /* the SYN was sent to the backend */                                                 \
    X(SW_X_, OPENING, "opening") /* a CPU fills the entry in */                                                        \
    X(SW_X_, ESTABLISHED, "established")                                                                               \
    X(SW_X_, CLOSING, "closing") /* a RST, or a FIN of both ends */                                                    \
    X(SW_X_, DEAD, "dead")       /* its time is over: what the client still sends is answered with a RST */
enum sw_xlate_state { SW_XLATE_STATES(SW_ENUM_ITEM) SW_X_MAX };

/* sw_xlate.flags */
enum {
    SW_XF_TS = 1 << 0, /* what the client was granted */
    SW_XF_SACK = 1 << 1,
    SW_XF_WSCALE = 1 << 2,
    SW_XF_ECN = 1 << 3,
    SW_XF_V6 = 1 << 4,
    SW_XF_OWN_RST = 1 << 5,     /* a RST of ours with rst_seq is on its way to the backend */
    SW_XF_CLIENT_SENT = 1 << 6, /* data */
};
/* sw_xlate.ends: what the backend's segments say; client_ends: what the client's claim. Each has one writer. */
enum { SW_XE_CLIENT_FIN = 1 << 0, SW_XE_CLIENT_ACKED = 1 << 1, SW_XE_SERVER_FIN = 1 << 2, SW_XE_RST = 1 << 3 };

/* Both as at the outer device: before a DNAT of this host. */
struct sw_xlate_key {
    __u8 client[16]; /* v4-mapped */
    __u8 server[16];
    __be16 cport, sport;
};

/*
 * Map `xlate`. Never evicted. The first 64 bytes are all that a data segment touches. Several CPUs write without a
 * lock; what decides is `state`, which is changed by compare-and-swap, and last.
 */
struct sw_xlate {
    __u32 state; /* enum sw_xlate_state */
    __u32 delta; /* the client's number of what the backend sends, less the backend's own */
    __u32 dts;   /* the same of its TSval */
    __s8 in;     /* bits that the window moves down: of the client's segments, */
    __s8 out;    /* of the backend's; up if negative */
    __u8 flags;  /* SW_XF_* */
    __u8 ends;   /* SW_XE_* */
    __u64 last_ns;
    __u32 client_next; /* behind the last that the client has sent */
    __u32 client_fin;  /* behind its FIN */
    __u32 acked;       /* of that, by the backend */
    __u32 client_ts;   /* its last TSval */
    __u32 client_isn;
    __u32 cookie_isn;
    __u32 cookie_ts;
    __u32 server_isn;    /* the backend's */
    __u8 client_ends;    /* SW_XE_* */
    __u8 client_wscale;  /* SW_WSCALE_NONE: none */
    __u8 granted_wscale; /* to the client */
    __u8 tries;          /* SYNs again */
    __u16 client_win;    /* as in its segment */
    __u16 mss;
    __u64 since_ns; /* this state */
    __u64 syn_ns;   /* the last SYN to the backend */
    __u32 ifindex;  /* where the client's ACK came in */
    __u32 share;    /* slot of map `xlate_shares` */
    __u32 service;
    __u32 rst_seq;
    __u16 vlan;   /* tag of the client's frames, in the form of the frame; 0: none */
    __u8 mac[12]; /* of the client's frame */
    __u8 pad[2];
};

/* Map `backends` (LRU): what a backend's own SYN-ACKs have said. */
struct sw_backend_key {
    __u8 ip[16];
    __be16 port;
    __u16 pad;
};
enum { SW_BE_TS = 1 << 0, SW_BE_SACK = 1 << 1, SW_BE_WSCALE = 1 << 2, SW_BE_ECN = 1 << 3 };
struct sw_backend_facts {
    __u64 synack_ns; /* the last SYN-ACK; 0: none yet */
    __u64 refused_ns;
    __u64 silent_ns; /* when it was found silent; 0: it is not */
    __u32 refused;   /* how often */
    __u32 silent;
    union {
        struct {
            __u16 mss;
            __u8 wscale;
            __u8 flags; /* SW_BE_* */
        };
        __u32 grants; /* these at once */
    };
    __u32 pad;
};

/* In `gateway_state`: events, all CPUs together. */
#define SW_GATEWAY_COUNTERS(X)                                                                                         \
    X(SW_GC_, BEGUN, "begun")                   /* cookies that came back, and became a SYN to the backend */          \
    X(SW_GC_, AGAIN, "again")                   /* SYNs to a backend that were repeated */                             \
    X(SW_GC_, OPENED, "opened")                 /* backends that answered */                                           \
    X(SW_GC_, ANSWERED_AGAIN, "answered_again") /* SYN-ACKs that came again: our ACK was lost */                       \
    X(SW_GC_, REFUSED, "refused")               /* backends that answered with a RST */                                \
    X(SW_GC_, SILENT, "silent")                 /* backends that did not answer */                                     \
    X(SW_GC_, CLOSED, "closed")                 /* connections that ended */                                           \
    X(SW_GC_, IDLE, "idle")                     /* connections that nothing was heard of */                            \
    X(SW_GC_, ABORTED, "aborted")               /* clients that reset before the backend answered */                   \
    X(SW_GC_, REUSED, "reused")                 /* entries that another connection of the same four-tuple took */      \
    X(SW_GC_, FULL, "full")                     /* SYNs that passed, and cookies not taken: the table is full */       \
    X(SW_GC_, OVER_SHARE, "over_share")         /* cookies not taken: their client has its share of the table */       \
    X(SW_GC_, EARLY, "early")                   /* segments dropped: the backend had not answered yet */               \
    X(SW_GC_, NO_TIMESTAMPS, "no_timestamps")   /* reset: the backend has none, and the client was granted them */     \
    X(SW_GC_, CHALLENGED, "challenged")         /* the backend had an older connection of the four-tuple: reset */     \
    X(SW_GC_, ICMP, "icmp")                     /* ICMP errors that were translated */                                 \
    X(SW_GC_, DEAD_RESET, "dead_reset")         /* RSTs to clients whose connection is dead */                         \
    X(SW_GC_, FAILED, "failed")                 /* packets that could not be rewritten: dropped */                     \
    X(SW_GC_, CHANGED, "changed")               /* backends whose SYN-ACK granted something else than before */        \
    X(SW_GC_, DRAINING, "draining")             /* no more cookies are sent, until the next start */                   \
    X(SW_GC_, DRAINED, "drained")               /* and no connection is translated any more */
enum sw_gateway_counter { SW_GATEWAY_COUNTERS(SW_ENUM_ITEM) SW_GC_MAX };

/* Those that have lines: what does not go as it should, or ends something that was open. */
#define SW_GATEWAY_REPORTS(what) ((what) != SW_GC_BEGUN && (what) != SW_GC_OPENED && (what) != SW_GC_CLOSED)

/* The one element of the mmapable array `gateway_state`. */
struct sw_gateway_state {
    __u64 max;                /* entries that `xlate` may have */
    __u64 share;              /* and those of one client */
    __u64 linger;             /* ns: how long a connection that is closed is still translated, */
    __u64 idle;               /* one that is open and says nothing, */
    __u64 pending;            /* and one whose backend does not answer */
    __u64 entries;            /* that there are */
    __u64 by_state[SW_X_MAX]; /* of the last sweep */
    __u64 swept[SW_X_MAX];    /* of the one that runs */
    __u64 due;                /* of the last sweep: in map `gateway_due` */
    __u64 swept_ns;
    __u64 item[SW_GC_MAX];
    __u64 unreported[SW_GC_MAX];   /* of these, in no record yet */
    __u64 reported_ns[SW_GC_MAX];  /* when this second of records began, */
    __u64 reported_len[SW_GC_MAX]; /* and how many there were */
    __u64 drain;                   /* 0, SW_GC_DRAINING or SW_GC_DRAINED: what was reported */
};

/* Map `gateway_due`: connections whose SYN is due again, for the daemon. */
struct sw_gateway_due {
    struct sw_xlate_key key;
    __u32 pad;
    struct sw_xlate x;
};

/* Connections that are not closed, as of the last sweep. */
static inline __attribute__((always_inline)) __u64 sw_gateway_live(const struct sw_gateway_state *s)
{
    return s->by_state[SW_X_PENDING] + s->by_state[SW_X_OPENING] + s->by_state[SW_X_ESTABLISHED];
}

SW_ASSERT(sizeof(struct sw_xlate_key) == 36, "sw_xlate_key has no padding");
SW_ASSERT(sizeof(struct sw_xlate) == 112, "sw_xlate has no padding");
SW_ASSERT(sizeof(struct sw_backend_key) == 20, "sw_backend_key has no padding");
SW_ASSERT(sizeof(struct sw_backend_facts) == 40, "sw_backend_facts has no padding");
SW_ASSERT(sizeof(struct sw_gateway_due) == 152, "sw_gateway_due has no padding");

#endif
