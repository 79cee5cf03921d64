/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Zeek's view of a connection, next to RFC 9293's: the endpoint states that its conn_state comes from, and the history
 * letters (zeek_history.h). It reproduces Zeek's behaviour, corner cases included, so that the lines can be joined with
 * a conn.log. Where Zeek differs from the RFC, fsm.h follows the RFC.
 */
#ifndef SW_BPF_TCP_ZEEK_H
#define SW_BPF_TCP_ZEEK_H

#include "tcp/reassembly.h"
#include "tcp/zeek_history.h"

#define SW_Z_JUMP 1048576 /* a SYN or RST further than this from the last sequence number is ignored */

static __always_inline void sw_zeek_set(struct sw_end *e, __u8 z)
{
    if (e->zstate == z)
        return;
    e->zprev = e->zstate;
    e->zstate = z;
}

static __always_inline void sw_end_start(struct sw_end *e, __u32 isn, __u32 seq_hi)
{
    e->isn = isn;
    e->seq_hi = seq_hi;
    e->nxt = isn + 1;
    for (int i = 0; i < SW_OOO; i++) /* blocks of the old sequence numbers are void */
        e->ooo[i][0] = e->ooo[i][1] = 0;
    e->did |= SW_E_INIT;
}

/* Another SYN: the acknowledgement of the first one does not apply to it. */
static __always_inline void sw_end_restart(struct sw_end *e, __u32 isn, __u32 seq_hi)
{
    e->did &= ~SW_E_SYN_ACKED;
    sw_end_start(e, isn, seq_hi);
}

/*
 * Has the endpoint used sequence number x? Up to 2^31 back from its highest; in its first gigabyte not before its ISN
 * either. (The ISN alone is ambiguous on a long connection.)
 */
static __always_inline int sw_end_sent(const struct sw_end *e, __u32 x)
{
    return sw_seq_diff(x, e->seq_hi) < 0 && (sw_seq_diff(x, e->isn) >= 0 || e->seq_hi - e->isn >= 0x40000000);
}

/* Sequence numbers of the sender, from its first segment or from a new SYN. */
static __always_inline void sw_zeek_init_end(const struct sw_flow *f, struct sw_end *me, const struct sw_seg *s,
                                             __u32 past)
{
    int again = s->flags & SW_TCP_SYN && s->seq != me->isn;

    switch (me->zstate) {
    case SW_Z_INACTIVE:
        if (s->flags & SW_TCP_SYN)
            sw_end_start(me, s->seq, past);
        else
            sw_end_start(me, s->seq - 1, s->seq);
        break;
    case SW_Z_SYN_SENT:
    case SW_Z_SYN_ACK_SENT:
        if (again)
            sw_end_restart(me, s->seq, past);
        break;
    default: /* its first SYN, after segments from which its ISN was guessed (split handshake, stray RST) */
        if (again && ((me->zstate == SW_Z_RESET && me->zprev == SW_Z_INACTIVE) ||
                      (!(me->did & SW_E_SYN) && !(f->flags & (SW_F_ESTABLISHED | SW_F_ENDED)))))
            sw_end_restart(me, s->seq, past);
        break; /* a SYN inside a connection is handled by fsm.h: it may be spoofed (RFC 5961) */
    }
}

SW_STEP_FDS(sw_zeek_letters)
{
    struct sw_end *me;
    int syn, fin, rst;
    __u32 rel;

    sw_side_bound(d);
    me = &f->end[d];
    rel = s->seq - me->isn;
    syn = !!(s->flags & SW_TCP_SYN);
    fin = !!(s->flags & SW_TCP_FIN);
    rst = !!(s->flags & SW_TCP_RST);

    if (syn + fin + rst > 1) {
        if (fin && rst)
            sw_hist_once(f, d, SW_H_FIN_RST, 'I');
        else
            sw_hist_once(f, d, SW_H_MULTI, 'Q');
    } else if (syn) {
        char letter = s->flags & SW_TCP_ACK ? 'H' : 'S';

        if (sw_hist_once(f, d, SW_H_SYN, letter) && rel != me->hist_syn)
            sw_hist_add(f, d, letter);
        me->hist_syn = rel;
    } else if (fin) {
        if (sw_hist_once(f, d, SW_H_FIN, 'F') && rel + s->len != me->hist_fin)
            sw_hist_add(f, d, 'F');
        me->hist_fin = rel + s->len;
    } else if (rst) {
        if (sw_hist_once(f, d, SW_H_RST, 'R') && rel != me->hist_rst)
            sw_hist_add(f, d, 'R');
        me->hist_rst = rel;
    } else if (s->len) {
        sw_hist_once(f, d, SW_H_DATA, 'D');
    } else if (s->flags & SW_TCP_ACK) {
        sw_hist_once(f, d, SW_H_ACK, 'A');
    }
    return 0;
}

/* RFC 7323 section 2.2: window scaling needs the option in both SYNs; the shift is at most 14. */
static __always_inline void sw_zeek_scale(struct sw_end *me, struct sw_end *peer, const struct sw_seg *s)
{
    if (!(s->opts & SW_OPT_WSCALE)) {
        if (s->opts & SW_OPT_CUT)
            return;
        me->zscale = 0;
        if (s->flags & SW_TCP_ACK)
            peer->zscale = 0;
        return;
    }
    me->zscale = s->wscale > 14 ? 14 : s->wscale;
    me->win_seq = s->seq;
    peer->win_ack = s->seq;
    if (s->flags & SW_TCP_ACK) {
        me->win_ack = s->ack;
        peer->win_seq = s->ack;
    }
}

static __always_inline int sw_zeek_clean(const struct sw_end *e)
{
    return e->zstate == SW_Z_ESTABLISHED || (e->zstate == SW_Z_CLOSED && e->zprev == SW_Z_ESTABLISHED);
}

/* `d` acknowledged the peer's data up to ack: every hole below it is a content gap of the peer. */
SW_STEP_FD_N(sw_zeek_acked, ack)
{
    struct sw_end *me, *peer;
    __u32 pd;
    int count_gaps;

    sw_side_bound(d);
    pd = d ^ 1;
    me = &f->end[d];
    peer = &f->end[pd];

    if (peer->did & SW_E_FIN && sw_seq_diff(ack, peer->fin_seq) >= 0)
        ack = peer->fin_seq - 1;
    if (sw_seq_diff(ack, peer->nxt) <= 0)
        return 0;
    if (f->flags & SW_F_PARTIAL && ack - peer->isn <= 2)
        return 0;
    count_gaps = sw_zeek_clean(me) && sw_zeek_clean(peer) && !(f->flags & SW_F_FRAGMENTED);
    SW_ROLLED
    for (int hole = 0; hole <= SW_OOO; hole++) {
        __u32 end = (__u32)sw_ooo_hole_end(peer, ack);

        if (count_gaps)
            f->missed += end - peer->nxt;
        peer->nxt = end;
        if (count_gaps)
            sw_hist_scaled(f, pd, &peer->gaps, 'G');
        sw_ooo_absorb(peer);
        if (sw_seq_diff(ack, peer->nxt) <= 0)
            break;
    }
    return 0;
}

/* The sender's highest sequence number, and the retransmission letter. */
static __always_inline void sw_zeek_last_seq(struct sw_flow *f, enum sw_side d, const struct sw_seg *s, __u32 past)
{
    struct sw_end *me = &f->end[d];
    __s32 delta = sw_seq_diff(past, me->seq_hi);

    if (f->flags & SW_F_BEYOND)
        return;
    if (s->flags & (SW_TCP_SYN | SW_TCP_RST) && (delta > SW_Z_JUMP || delta < -SW_Z_JUMP))
        return;
    if (s->flags & SW_TCP_FIN && me->seq_hi == me->isn + 1)
        me->seq_hi = past;
    else if (me->zstate == SW_Z_RESET && me->did & SW_E_RST)
        return; /* segments after an accepted RST are not trusted */
    else if (delta > 0)
        me->seq_hi = past;
    else if (s->len && me->zstate != SW_Z_RESET) {
        if (!(s->flags & SW_TCP_SYN) || me->did & SW_E_SEEN)
            me->rexmit++;
        sw_hist_scaled(f, d, &me->z_rexmit, 'T');
    }
}

/* First segment of a side. Returns true if the roles were flipped (SYN-ACK seen before its SYN). */
static __always_inline int sw_zeek_inactive(struct sw_flow *f, enum sw_side d, const struct sw_seg *s)
{
    struct sw_end *me = &f->end[d], *peer = &f->end[d == SW_ORIG ? SW_RESP : SW_ORIG];
    int flip = 0;

    if (s->flags & SW_TCP_SYN) {
        if (d == SW_ORIG) {
            sw_zeek_set(me, s->flags & SW_TCP_ACK ? SW_Z_SYN_ACK_SENT : SW_Z_SYN_SENT);
        } else {
            if (!(s->flags & SW_TCP_ACK) && peer->zstate == SW_Z_SYN_ACK_SENT && s->seq == me->isn) {
                flip = 1;
                f->flags &= ~SW_F_PARTIAL;
                sw_zeek_set(peer, SW_Z_ESTABLISHED);
            }
            if (peer->zstate == SW_Z_SYN_SENT)
                sw_zeek_set(peer, SW_Z_ESTABLISHED);
            sw_zeek_set(me, SW_Z_ESTABLISHED);
        }
    }
    if (s->flags & SW_TCP_FIN)
        sw_zeek_set(me, SW_Z_CLOSED);
    if (s->flags & SW_TCP_RST)
        sw_zeek_set(me, SW_Z_RESET);
    if (me->zstate == SW_Z_INACTIVE) {
        if (d == SW_RESP && !s->len && peer->zstate == SW_Z_SYN_SENT)
            return flip; /* a responder that acknowledges before its SYN: split handshake */
        if (s->flags & SW_TCP_ACK && peer->zstate == SW_Z_ESTABLISHED) {
            sw_zeek_set(me, SW_Z_ESTABLISHED);
            f->flags &= ~SW_F_PARTIAL;
        } else {
            sw_zeek_set(me, SW_Z_PARTIAL);
        }
    }
    return flip;
}

SW_STEP_FDS(sw_zeek_state)
{
    struct sw_end *me, *peer;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];

    switch (me->zstate) {
    case SW_Z_INACTIVE: return sw_zeek_inactive(f, d, s);
    case SW_Z_SYN_SENT:
    case SW_Z_SYN_ACK_SENT:
        if (s->flags & SW_TCP_FIN)
            sw_zeek_set(me, SW_Z_CLOSED);
        if (s->flags & SW_TCP_RST)
            sw_zeek_set(me, SW_Z_RESET);
        break;
    case SW_Z_PARTIAL:
    case SW_Z_ESTABLISHED:
        if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN && me->zstate == SW_Z_PARTIAL &&
            peer->zstate == SW_Z_INACTIVE)
            sw_zeek_set(me, SW_Z_SYN_SENT);
        if (s->flags & SW_TCP_FIN && !(s->flags & SW_TCP_RST)) {
            sw_zeek_set(me, SW_Z_CLOSED);
            if (peer->zstate == SW_Z_RESET && peer->zprev == SW_Z_CLOSED)
                sw_zeek_set(peer, SW_Z_CLOSED); /* FIN then RST counts as a normal end */
        }
        if (s->flags & SW_TCP_RST)
            sw_zeek_set(me, SW_Z_RESET);
        break;
    case SW_Z_CLOSED:
        if (s->flags & SW_TCP_RST && peer->zstate != SW_Z_CLOSED)
            sw_zeek_set(me, SW_Z_RESET);
        break;
    default: break;
    }
    return 0;
}

/* Data of an endpoint was seen. */
SW_STEP_FD_NN(sw_zeek_data, lo, hi)
{
    sw_side_bound(d);
    return sw_ooo_add(&f->end[d], lo, hi);
}

/*
 * One segment, in Zeek's order of steps; the payload comes last. Returns true if the endpoints must be swapped. The
 * caller has counted packets and bytes.
 */
SW_STEP_FDS(sw_zeek_step)
{
    struct sw_end *me, *peer;
    int syn, ack_ok = 0, no_data, flip;
    __u32 past, seen;

    sw_side_bound(d);
    me = &f->end[d];
    peer = &f->end[d ^ 1];
    past = s->seq + sw_seg_space(s);
    seen = d == SW_ORIG ? SW_F_FIRST_ORIG : SW_F_FIRST_RESP;
    syn = s->flags & SW_TCP_SYN;

    if (!(f->flags & seen)) {
        if (d == SW_ORIG ? (!syn || s->flags & SW_TCP_ACK) : (!syn && !(f->flags & SW_F_PARTIAL)))
            f->flags |= SW_F_PARTIAL;
        else if (d == SW_ORIG)
            f->flags &= ~SW_F_PARTIAL;
    }
    f->flags |= seen;
    sw_zeek_init_end(f, me, s, past);
    no_data = f->flags & SW_F_BEYOND || (sw_seq_diff(s->seq, me->isn) < 0 && me->seq_hi - me->isn < 0x40000000);
    sw_zeek_letters(f, d, s);
    if (!s->win && !(s->flags & SW_TCP_RST) && peer->zstate != SW_Z_CLOSED && me->zstate != SW_Z_RESET)
        sw_hist_scaled(f, d, &me->zero_win, 'W');
    if (syn && !(f->flags & (SW_F_ESTABLISHED | SW_F_ENDED)))
        sw_zeek_scale(me, peer, s);
    if (s->flags & SW_TCP_ACK) {
        if (peer->zstate == SW_Z_INACTIVE) {
            if (!(peer->did & SW_E_INIT) || peer->isn != s->ack - 1) /* else the SYN-ACK is sent again */
                peer->seq_hi = s->ack - 1;
            peer->isn = s->ack - 1;
            peer->nxt = s->ack;
            peer->did |= SW_E_INIT;
            me->ack = s->ack;
        } else if (sw_seq_diff(s->ack, peer->isn) >= 0 || peer->seq_hi - peer->isn >= 0x40000000) {
            ack_ok = !(f->flags & SW_F_BEYOND) || sw_end_sent(peer, s->ack - 1);
            /* data that was never sent cannot be acknowledged (RFC 9293 section 3.10.7.4): such an ACK may be a guess
             */
            if (!(s->flags & SW_TCP_RST) && (sw_seq_diff(s->ack, me->ack) > 0 || !me->ack) &&
                sw_end_sent(peer, s->ack - 1))
                me->ack = s->ack;
        }
    }
    sw_zeek_last_seq(f, d, s, past);
    if (s->flags & SW_TCP_FIN && !(me->did & SW_E_FIN) && !syn && !(s->flags & SW_TCP_RST) && !(f->flags & SW_F_BEYOND))
        me->fin_seq = past;
    flip = sw_zeek_state(f, d, s);
    if (ack_ok && !(f->flags & SW_F_ENDED)) /* after the end no gap counts, and fsm.h compares with what was sent */
        sw_zeek_acked(f, d, s->ack);
    if (s->len && s->cap >= s->len && !(s->flags & SW_TCP_RST) && !no_data)
        sw_zeek_data(f, d, syn ? s->seq + 1 : s->seq, (syn ? s->seq + 1 : s->seq) + s->len);
    return flip;
}

#endif
