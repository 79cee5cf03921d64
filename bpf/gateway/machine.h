/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a segment of a translated connection, and of its entry. Pure: time is a parameter. What comes from
 * outside is a claim: it ends nothing unless its number is exactly the next one, which nobody can guess. What the
 * backend sends decides.
 *
 *           cookie: entry, its ACK becomes the SYN
 *   (none) ───────────────────→ PENDING ──SYN-ACK──→ ESTABLISHED ──RST, or both FINs──→ CLOSING ──linger──→ (none)
 *                                │   │                    │ idle
 *                  RST: refused ─┘   └─ no answer         ↓
 *                                          └───────────→ DEAD ──next sweep──→ (none)
 */
#ifndef SW_BPF_GATEWAY_MACHINE_H
#define SW_BPF_GATEWAY_MACHINE_H

#include "packet/segment.h"
#include "tcp/sequence.h"

#define SW_X_SYN_NS 250000000ull              /* between SYNs that the client's segments make; twice as long each */
#define SW_X_WINDOW_MAX (1u << 30)            /* RFC 7323 section 2.3 */
#define SW_X_HALF_CLOSED_NS (240 * SW_SECOND) /* RFC 5382 REQ-5: not under four minutes */
#define SW_X_MUTE_NS (60 * SW_SECOND)         /* a client that has sent nothing, while the table is filling */
#define SW_X_RESET_NS (10 * SW_SECOND)        /* after a RST: for what is on its way */
#define SW_X_DEAD_NS (5 * SW_SECOND)   /* that it is answered with a RST, and that no packet still has the entry */
#define SW_X_HURRY_NS (10 * SW_SECOND) /* a backend that does not answer, the same */

enum sw_xlate_do {
    SW_XD_PASS, /* as it is */
    SW_XD_DROP, /* its sender sends it again */
    SW_XD_TRANSLATE,
    SW_XD_SYN,    /* it becomes the SYN to the backend */
    SW_XD_COOKIE, /* of this entry or of another connection? Its cookie shows; if it carries none: sw_xlate_in_old */
    SW_XD_FORGET, /* the entry goes, the segment passes */
    SW_XD_OPEN,   /* the backend's SYN-ACK */
    SW_XD_OPEN_AGAIN,
    SW_XD_REFUSED,   /* its RST */
    SW_XD_CHALLENGE, /* it has an older connection of this four-tuple: that is reset */
    SW_XD_RESET,     /* a RST goes back to the client */
};

static __always_inline __u32 sw_seg_end(const struct sw_seg *s)
{
    return s->seq + s->len + !!(s->flags & SW_TCP_FIN);
}

/* May another connection of the client have begun with it? A bare ACK with another number than the backend has
 * acknowledged: of one that only receives none has. */
static __always_inline int sw_xlate_may_begin(const struct sw_xlate *x, const struct sw_seg *s)
{
    if (s->len || (s->flags & (SW_TCP_SYN | SW_TCP_ACK | SW_TCP_FIN | SW_TCP_RST)) != SW_TCP_ACK)
        return 0;
    return s->seq - 1 != x->client_isn && s->seq != x->acked;
}

/* Notes what the client's segment says. */
static __always_inline void sw_xlate_client_says(struct sw_xlate *x, const struct sw_seg *s, __u64 now)
{
    __u32 end = sw_seg_end(s), ahead = end - x->acked;

    x->last_ns = now;
    if (s->flags & SW_TCP_RST) {
        if (s->seq == x->client_next || s->seq == x->acked)
            x->client_ends |= SW_XE_RST;
        return;
    }
    if (ahead > SW_X_WINDOW_MAX) /* nothing that a window has room for, or old */
        return;
    if (s->len)
        x->flags |= SW_XF_CLIENT_SENT;
    if (sw_seq_diff(end, x->client_next) > 0)
        x->client_next = end;
    if (s->flags & SW_TCP_FIN) {
        x->client_fin = end;
        x->client_ends |= SW_XE_CLIENT_FIN;
    }
}

/* Notes what the backend's segment says, which is true. */
static __always_inline void sw_xlate_backend_says(struct sw_xlate *x, const struct sw_seg *s, __u64 now)
{
    x->last_ns = now;
    if (s->flags & SW_TCP_RST) {
        x->ends |= SW_XE_RST;
        return;
    }
    if (s->flags & SW_TCP_ACK && sw_seq_diff(s->ack, x->acked) > 0)
        x->acked = s->ack;
    if (s->flags & SW_TCP_FIN)
        x->ends |= SW_XE_SERVER_FIN;
    if (x->client_ends & SW_XE_CLIENT_FIN && x->acked == x->client_fin)
        x->ends |= SW_XE_CLIENT_ACKED;
}

static __always_inline int sw_xlate_has_ended(const struct sw_xlate *x)
{
    const __u8 both = SW_XE_SERVER_FIN | SW_XE_CLIENT_ACKED;

    return (x->ends | x->client_ends) & SW_XE_RST || (x->ends & both) == both;
}

static __always_inline enum sw_xlate_do sw_xlate_in_pending(const struct sw_xlate *x, const struct sw_seg *s, __u64 now)
{
    __u64 wait = SW_X_SYN_NS << (x->tries < 8 ? x->tries : 8);

    if (s->flags & SW_TCP_RST) {
        if (x->flags & SW_XF_OWN_RST && s->seq == x->rst_seq)
            return SW_XD_PASS;
        return s->seq == x->client_isn + 1 ? SW_XD_FORGET : SW_XD_DROP;
    }
    if (s->flags & SW_TCP_SYN) /* it was let pass: the backend decides */
        return s->flags & SW_TCP_ACK ? SW_XD_DROP : SW_XD_PASS;
    if (!(s->flags & SW_TCP_ACK) || s->frag)
        return SW_XD_DROP;
    return now - x->syn_ns >= wait ? SW_XD_SYN : SW_XD_DROP;
}

/* A segment of the client's that brings no new cookie. */
static __always_inline enum sw_xlate_do sw_xlate_in_old(const struct sw_xlate *x, const struct sw_seg *s, __u64 now)
{
    __u32 state = SW_READ_ONCE(x->state);

    switch (state) {
    case SW_X_PENDING: return sw_xlate_in_pending(x, s, now);
    case SW_X_ESTABLISHED:
    case SW_X_CLOSING: return (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN ? SW_XD_PASS : SW_XD_TRANSLATE;
    case SW_X_DEAD:
        if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
            return SW_XD_PASS;
        return (s->flags & (SW_TCP_ACK | SW_TCP_RST)) == SW_TCP_ACK && !s->frag ? SW_XD_RESET : SW_XD_DROP;
    default: return SW_XD_DROP; /* in a moment it is known */
    }
}

/* A segment of the client's. */
static __always_inline enum sw_xlate_do sw_xlate_in(const struct sw_xlate *x, const struct sw_seg *s, __u64 now)
{
    return sw_xlate_may_begin(x, s) ? SW_XD_COOKIE : sw_xlate_in_old(x, s, now);
}

static __always_inline enum sw_xlate_do sw_xlate_out_pending(const struct sw_xlate *x, const struct sw_seg *s)
{
    int ours = s->ack == x->client_isn + 1;

    if (s->frag)
        return SW_XD_DROP;
    if (s->flags & SW_TCP_RST) /* of a closed port it acknowledges the SYN; any other is not an answer to it */
        return ours && s->flags & SW_TCP_ACK ? SW_XD_REFUSED : SW_XD_DROP;
    if (!(s->flags & SW_TCP_ACK))
        return SW_XD_DROP;
    if (s->flags & SW_TCP_SYN)
        return ours ? SW_XD_OPEN : SW_XD_FORGET; /* it answers a SYN that passed */
    return SW_XD_CHALLENGE;
}

/* A segment of the backend's. */
static __always_inline enum sw_xlate_do sw_xlate_out(const struct sw_xlate *x, const struct sw_seg *s)
{
    __u32 state = SW_READ_ONCE(x->state);

    switch (state) {
    case SW_X_PENDING: return sw_xlate_out_pending(x, s);
    case SW_X_ESTABLISHED:
    case SW_X_CLOSING:
        if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) != (SW_TCP_SYN | SW_TCP_ACK))
            return SW_XD_TRANSLATE;
        if (s->ack != x->client_isn + 1)
            return SW_XD_FORGET;
        return s->seq == x->server_isn && !s->frag ? SW_XD_OPEN_AGAIN : SW_XD_DROP;
    case SW_X_DEAD:
        if (s->flags & SW_TCP_RST)
            return SW_XD_PASS; /* ours */
        return (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == (SW_TCP_SYN | SW_TCP_ACK) && s->ack != x->client_isn + 1
                   ? SW_XD_FORGET
                   : SW_XD_DROP;
    default: return SW_XD_DROP;
    }
}

/* The windows: the backend has said this scale, SW_WSCALE_NONE if none. Then it takes the client's windows as they
 * are, and says its own so. */
static __always_inline void sw_xlate_scale(struct sw_xlate *x, __u8 backend)
{
    x->in = x->out = 0;
    if (!(x->flags & SW_XF_WSCALE))
        return;
    if (backend == SW_WSCALE_NONE) {
        x->in = (__s8)-x->client_wscale;
        x->out = (__s8)x->granted_wscale;
    } else {
        x->out = (__s8)(x->granted_wscale - (backend > 14 ? 14 : backend));
    }
}

/* Is its time over? 0, or the counter of why. filling: little of the table is left. */
static __always_inline __u32 sw_xlate_expiry(const struct sw_xlate *x, const struct sw_gateway_state *g, __u64 now,
                                             __u32 filling)
{
    __u64 quiet = now > x->last_ns ? now - x->last_ns : 0, age = now > x->since_ns ? now - x->since_ns : 0;

    switch (x->state) {
    case SW_X_PENDING: return age >= g->pending || (filling && age >= SW_X_HURRY_NS) ? SW_GC_SILENT + 1 : 0;
    case SW_X_ESTABLISHED:
        if (x->ends & (SW_XE_CLIENT_ACKED | SW_XE_SERVER_FIN) && quiet >= SW_X_HALF_CLOSED_NS)
            return SW_GC_IDLE + 1;
        if (filling && !(x->flags & SW_XF_CLIENT_SENT) && age >= SW_X_MUTE_NS)
            return SW_GC_IDLE + 1;
        return quiet >= g->idle ? SW_GC_IDLE + 1 : 0;
    case SW_X_CLOSING:
        if ((x->ends | x->client_ends) & SW_XE_RST && quiet >= SW_X_RESET_NS)
            return SW_GC_CLOSED + 1;
        return quiet >= g->linger ? SW_GC_CLOSED + 1 : 0;
    default: return 0;
    }
}

#endif
