/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Zeek's conn_state of a flow. Pure; user space computes it for each line. */
#ifndef SW_BPF_TCP_CONN_STATE_H
#define SW_BPF_TCP_CONN_STATE_H

#include "synward.h"
#include "tcp/sequence.h"

/* Payload bytes of an endpoint by its sequence numbers, SYN and FIN not counted. */
static __always_inline __u32 sw_zeek_size(const struct sw_end *me, const struct sw_end *peer)
{
    __u32 hi = me->seq_hi;
    __u32 n;

    if (!(me->did & SW_E_INIT))
        return 0;
    if (peer->did & SW_E_SEEN && peer->ack && sw_seq_diff(peer->ack, hi) > 0)
        hi = peer->ack;
    n = hi - me->isn;
    if (n)
        n--;
    if (n && me->did & SW_E_FIN)
        n--;
    return n;
}

/*
 * The same in 64 bits: the one of the possible numbers that is nearest to the payload that was seen. So it is right as
 * long as what was retransmitted and what was not seen differ by less than 2 GB; unseen from the first byte on, up
 * to 4.
 */
static __always_inline __u64 sw_stream_bytes(const struct sw_flow *f, enum sw_side side)
{
    const struct sw_end *me = &f->end[side];
    __s32 more = (__s32)(sw_zeek_size(me, &f->end[side ^ 1]) - (__u32)me->payload);

    if (more < 0 && (__u64) - (__s64)more > me->payload)
        return me->payload + (__u32)more;
    return me->payload + (__u64)(__s64)more;
}

/* A SYN, then the originator's RST, and nothing else of the originator's but data between. */
static inline int sw_zeek_syn_rst(const struct sw_flow *f)
{
    int i = 0;

    if (i < f->hist_len && f->hist[i] == '^')
        i++;
    if (i >= f->hist_len || f->hist[i] != 'S')
        return 0;
    for (i++; i < f->hist_len && i < SW_HIST_MAX; i++) {
        char c = f->hist[i];

        if (c == 'R')
            return 1;
        if (c == 'H' || c == 'A' || c == 'F' || c == 'G' || c == 'I' || c == 'Q')
            return 0;
    }
    return 0;
}

/* Zeek's conn_state of a flow at this moment. */
static inline enum sw_conn_state sw_zeek_conn_state(const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];
    int o_idle = o->zstate == SW_Z_INACTIVE || o->zstate == SW_Z_PARTIAL;
    int r_idle = r->zstate == SW_Z_INACTIVE || r->zstate == SW_Z_PARTIAL;

    if (r->zstate == SW_Z_RESET) {
        if (o->zstate == SW_Z_SYN_SENT || o->zstate == SW_Z_SYN_ACK_SENT ||
            (o->zstate == SW_Z_RESET && !sw_zeek_size(o, r) && !sw_zeek_size(r, o)))
            return SW_CS_REJ;
        return o_idle ? SW_CS_RSTRH : SW_CS_RSTR;
    }
    if (o->zstate == SW_Z_RESET) {
        if (r_idle)
            return sw_zeek_syn_rst(f) ? SW_CS_RSTOS0 : SW_CS_OTH;
        return SW_CS_RSTO;
    }
    if (o->zstate == SW_Z_CLOSED && r->zstate == SW_Z_CLOSED)
        return SW_CS_SF;
    if (o->zstate == SW_Z_CLOSED)
        return r_idle ? SW_CS_SH : SW_CS_S2;
    if (r->zstate == SW_Z_CLOSED)
        return o_idle ? SW_CS_SHR : SW_CS_S3;
    if (o->zstate == SW_Z_SYN_SENT && r->zstate == SW_Z_INACTIVE)
        return SW_CS_S0;
    if (o->zstate == SW_Z_ESTABLISHED && r->zstate == SW_Z_ESTABLISHED)
        return SW_CS_S1;
    return SW_CS_OTH;
}

#endif
