/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gateway that is an edge: SYNs for hosts behind it are answered, and what comes back passes: the host takes the
 * cookie (--accept). No socket of this host says anything; what is known of a connection is what the tracker has seen.
 */
#ifndef SW_BPF_GUARD_EDGE_H
#define SW_BPF_GUARD_EDGE_H

#include "guard/answer.h"
#include "guard/used_cookies.h"
#include "track/clock.h"

#define SW_EDGE_AGAIN_NS (64 * SW_SECOND) /* for so long a host keeps a half-open handshake, and its client tries */

/*
 * Is it a SYN again, which passed while the service was calm? The host behind may have a request for it, beside which
 * it takes no cookie. One more is none more there. The segment is in scratch: kernel 6.1 looks nothing up by a key that
 * is a global function's argument.
 */
SW_STEP int sw_edge_has_passed(__u64 now)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_flow *f;
    struct sw_seg *s;

    if (!sc)
        return 0;
    s = &sc->seg;
    f = bpf_map_lookup_elem(&half_open, &sc->key);
    return f && !(f->flags & (SW_F_ENDED | SW_F_MIDSTREAM)) && f->orig_is_b == s->src_is_b &&
           f->end[SW_ORIG].did & SW_E_SYN && f->end[SW_ORIG].isn == s->seq && now - f->start_ns < SW_EDGE_AGAIN_NS;
}

/*
 * Engaged or grace: anything but a SYN, of no flow. It passes. That its cookie is good proves the handshake, whichever
 * way answers take: the host's own SYN-ACK is not needed for it.
 */
SW_STEP int sw_edge_other(struct xdp_md *ctx, struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j,
                          struct sw_cookie_opts *c)
{
    struct sw_guard_scratch *at = sw_guard_scratch_get();

    if (!key || !s || !j || !c)
        return SW_DO_PASS;
    if (!at)
        return SW_DO_PASS;
    if ((s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
        return SW_DO_PASS;
    sw_opts_xdp(ctx, j, &at->opts);
    if (at->opts.sig || !sw_cookie_ok(key, s, j, s->seq - 1, c))
        return SW_DO_PASS;
    j->used = sw_cookie_was_used(key, s);
    return SW_DO_ACCEPT;
}

/*
 * Has the client begun another connection on this four-tuple, of which its host does not know yet? A gateway that
 * translates takes a cookie then, too, and resets what the host has. It comes with a bare acknowledgement that the live
 * connection has no use for.
 */
static __always_inline int sw_may_begin_anew(const struct sw_flow *f, const struct sw_seg *s)
{
    const struct sw_end *orig = &f->end[SW_ORIG];

    return SW_TRANSLATES && s->src_is_b == f->orig_is_b && !s->len &&
           (s->flags & (SW_TCP_SYN | SW_TCP_FIN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK && s->seq - 1 != orig->isn &&
           s->seq - orig->nxt + 1 > 1; /* a keepalive is the one before */
}

#endif
