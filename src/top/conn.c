/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/conn.h"

#include "base/fmt.h"
#include "output/names.h"
#include "owner/owners.h"
#include "tcp/conn_state.h"

#include <string.h>

static enum sw_top_phase phase_of(const struct sw_flow *f)
{
    if (f->flags & SW_F_ENDED)
        return SW_TOP_ENDED;
    if (!(f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)))
        return SW_TOP_HALF_OPEN;
    return (f->end[SW_ORIG].did | f->end[SW_RESP].did) & SW_E_FIN ? SW_TOP_CLOSING : SW_TOP_OPEN;
}

static __u64 span(__u64 from, __u64 to)
{
    __u64 ns;

    return sw_span(from, to, &ns) ? ns : SW_TOP_UNKNOWN;
}

void sw_top_conn_of(const struct sw_key *key, const struct sw_flow *f, struct sw_top_conn *ret)
{
    ret->key = *key;
    ret->orig_is_b = f->orig_is_b;
    ret->phase = phase_of(f);
    ret->conn_state = sw_zeek_conn_state(f);
    ret->reason = f->reason;
    ret->answered = f->synack_ns != 0;
    ret->hist_len = f->hist_len < SW_HIST_MAX ? f->hist_len : SW_HIST_MAX;
    memcpy(ret->hist, f->hist, SW_HIST_MAX);
    ret->ifindex = f->ifindex;
    ret->syn_rexmit = f->syn_rexmit;
    ret->synack_rexmit = f->synack_rexmit;
    ret->start_ns = f->start_ns;
    ret->last_ns = f->last_ns;
    ret->handshake_ns = span(f->syn_ns, f->est_ns);
    ret->server_ns = span(f->syn_ns, f->synack_ns);
    ret->client_ns = span(f->synack_ns, f->est_ns);
    ret->local = 0;
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        ret->local |= sw_owner_is_local(f, side) << side;
        ret->owner[side] = *sw_owner_of(f, side);
        ret->state[side] = f->end[side].state;
        ret->rexmit[side] = f->end[side].rexmit;
        ret->pkts[side] = f->end[side].pkts;
        ret->ip_bytes[side] = f->end[side].ip_bytes;
    }
    ret->rate = 0;
    ret->uid[0] = 0;
}

void sw_top_conn_ends(const struct sw_top_conn *c, struct sw_text_end ret[2])
{
    const int a = c->orig_is_b ? SW_RESP : SW_ORIG;

    ret[a] = (struct sw_text_end){.ip = c->key.a_ip, .port = c->key.a_port};
    ret[!a] = (struct sw_text_end){.ip = c->key.b_ip, .port = c->key.b_port};
}

void sw_top_conn_uid(const struct sw_top_conn *c, char buf[SW_UID_LEN + 1])
{
    if (*c->uid)
        memcpy(buf, c->uid, SW_UID_LEN + 1);
    else
        sw_format_uid(&c->key, c->start_ns, buf);
}

const char *sw_top_conn_state(const struct sw_top_conn *c)
{
    switch (c->phase) {
    case SW_TOP_HALF_OPEN: return c->answered ? "rcvd" : "sent";
    case SW_TOP_OPEN: return "estab";
    case SW_TOP_CLOSING: return "closing";
    default: break;
    }
    switch (c->reason) { /* the names that are too long for a column of 8 */
    case SW_WHY_UNANSWERED: return "noans";
    case SW_WHY_END_OF_INPUT: return "at end";
    default: return sw_name_reason(c->reason)->text;
    }
}
