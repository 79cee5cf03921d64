/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --accept: cookies of an edge that has the same key come back while the service here is calm. What is looked at for
 * that: ACKs of no followed connection, but not those of handshakes that the listener itself has begun.
 */
#ifndef SW_BPF_GUARD_ACCEPT_CALM_H
#define SW_BPF_GUARD_ACCEPT_CALM_H

#include "guard/answer.h"
#include "guard/drop.h"
#include "guard/time_wait.h"
#include "track/flow_table.h"

#define SW_ANSWERED_BYTES (1u << 20) /* of the listener's that are acknowledged at most */

/* Is it of a connection that is known, or does it answer the listener's own SYN-ACK? Then it brings no cookie. */
static __always_inline int sw_is_own(const struct sw_flow *f, const struct sw_seg *s)
{
    if (!f || f->flags & SW_F_ENDED)
        return 0;
    return !sw_is_unconfirmed(f) || (f->listener && s->ack - f->listener_isn - 1 < SW_ANSWERED_BYTES);
}

/* An ACK that is no cookie passes. If it belongs to nothing here, another key, window scale or clock may be why. */
static __always_inline int sw_not_accepted(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s,
                                           struct sw_guard_ctx *j, struct sw_svc_counters *t)
{
    int sock = sw_socket_lookup(ctx, key, s, j), after = sw_is_after_time_wait(key, j, sock);

    if (sock >= SW_SOCK_COOKIE && !after)
        return SW_DO_PASS; /* of a connection that is not followed, also its keepalive */
    if (sock < SW_SOCK_COOKIE && !j->dry_run && sw_answer_probe(ctx, key, s, j) == SW_DO_REPLY) {
        t->item[SW_T_PROBES_SENT]++;
        return SW_DO_REPLY;
    }
    if (after)
        return SW_DO_END_TIME_WAIT;
    t->item[SW_T_STRAY_ACKS]++;
    return SW_DO_PASS;
}

#endif
